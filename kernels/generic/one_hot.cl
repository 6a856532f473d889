/* y[count / classes][classes]: 1 where the label of the row is the column, else 0. Work-item per element. */
__kernel void one_hot(__global const int *labels, __global float *y, int count, int classes) {
    int i = (int)get_global_id(0);
    if (i < count)
        y[i] = labels[i / classes] == i % classes ? 1.0f : 0.0f;
}
