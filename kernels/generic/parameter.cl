/* A learned tensor, repeated for every sample, and its derivative; one work-item per element of the output. */

/* weight[size], y[count]: count / size copies of weight. */
__kernel void parameter(__global const float *weight, __global float *y, int count, int size) {
    int i = (int)get_global_id(0);
    if (i < count)
        y[i] = weight[i % size];
}

/* dy[batch * size], dweight[size]: their sum in the order of the samples. */
__kernel void parameter_backward(__global const float *dy, __global float *dweight, int size, int batch) {
    int i = (int)get_global_id(0);
    if (i >= size)
        return;
    float sum = 0.0f;
    for (int n = 0; n < batch; n++)
        sum += dy[n * size + i];
    dweight[i] = sum;
}
