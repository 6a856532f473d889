/* A learned tensor, repeated for every sample: weight[size], y[count], count / size copies of weight. One work-item per
 * element. */

__kernel void parameter(__global const float *weight, __global float *y, int count, int size) {
    int i = (int)get_global_id(0);
    if (i < count)
        y[i] = weight[i % size];
}
