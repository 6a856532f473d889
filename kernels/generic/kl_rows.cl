/* kl[batch] = sum_k p (ln p - ln q) with p = softmax(teacher / T), q = softmax(student / T), not multiplied by T^2.
 * Work-item per row. */
__kernel void kl_rows(__global const float *student, __global const float *teacher, __global const float *temperature,
                      __global float *kl, int batch, int classes) {
    int row = (int)get_global_id(0);
    if (row >= batch)
        return;
    __global const float *zs = student + (size_t)row * classes, *zt = teacher + (size_t)row * classes;
    float cool = 1.0f / temperature[0], tops = zs[0], topt = zt[0], sum_q = 0.0f, sum_p = 0.0f, cross = 0.0f;
    for (int k = 1; k < classes; k++) {
        tops = fmax(tops, zs[k]);
        topt = fmax(topt, zt[k]);
    }
    for (int k = 0; k < classes; k++) {
        float s = (zs[k] - tops) * cool, t = (zt[k] - topt) * cool, p = exp(t);
        sum_q += exp(s);
        sum_p += p;
        cross += p * (t - s);
    }
    kl[row] = cross / sum_p + log(sum_q) - log(sum_p);
}
