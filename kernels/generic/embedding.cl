/* Rows of weight[vocabulary, width] picked and summed by ids[bags, terms], and the derivatives. An id is never used as an
 * address before it is known to be one. */

/* y[bags, width]: sum, or mean, over the ids that are not `padding` (< 0: none is). NaN where an id is out of range. With
 * `scaled`, rows are multiplied by scale[bags, terms]. Work-item per element of y. */
__kernel void embedding(__global const int *ids, __global const float *weight, __global const float *scale,
                        __global float *y, int scaled, int mean, int padding, int vocabulary, int terms, int bags,
                        int width) {
    size_t i = get_global_id(0), bag = i / width;
    if (bag >= (size_t)bags)
        return;
    float sum = 0.0f;
    int used = 0;
    for (size_t t = bag * terms; t < (bag + 1) * terms; t++) {
        int id = ids[t];
        if (padding >= 0 && id == padding)
            continue;
        float v = id >= 0 && id < vocabulary ? weight[(size_t)id * width + i % width] : NAN;
        sum += scaled ? scale[t] * v : v;
        used++;
    }
    y[i] = mean && used > 0 ? sum / (float)used : sum;
}

/* What is sorted: ids that have no row to add to come last. */
static int key(int id, int vocabulary, int padding) {
    return id < 0 || id >= vocabulary || (padding >= 0 && id == padding) ? vocabulary : id;
}

/* order[positions]: the positions of ids, by key and then by place; keys[positions]: their keys. Work-item per position, which
 * counts those that come before it. */
__kernel void embedding_sort(__global const int *ids, __global int *order, __global int *keys, int positions,
                             int vocabulary, int padding) {
    int i = (int)get_global_id(0), rank = 0;
    if (i >= positions)
        return;
    int mine = key(ids[i], vocabulary, padding);
    for (int j = 0; j < positions; j++) {
        int other = key(ids[j], vocabulary, padding);
        rank += other < mine || (other == mine && j < i);
    }
    order[rank] = i;
    keys[rank] = mine;
}

/* The first place in keys[positions] that is not below `wanted`. */
static int bisect(__global const int *keys, int positions, int wanted) {
    int low = 0, high = positions;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (keys[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* dweight[vocabulary, width]: sums over the positions of each row, in runs of 32, of dy[position / terms], times
 * share[position] with `shared`. Work-item per element. */
__kernel void embedding_rows(__global const float *dy, __global const int *order, __global const int *keys,
                             __global const float *share, __global float *dweight, int shared, int terms, int positions,
                             int vocabulary, int width) {
    size_t i = get_global_id(0);
    if (i >= (size_t)vocabulary * width)
        return;
    int row = (int)(i / width), at = bisect(keys, positions, row);
    float total = 0.0f;
    while (at < positions && keys[at] == row) {
        float run = 0.0f;
        for (int k = 0; k < 32 && at < positions && keys[at] == row; k++, at++) {
            float d = dy[(size_t)(order[at] / terms) * width + i % width];
            run += shared ? share[order[at]] * d : d;
        }
        total += run;
    }
    dweight[i] = total;
}

/* share[bags, terms] = 1 / (ids of the bag that are not padding). Work-item per bag. */
__kernel void bag_shares(__global const int *ids, __global float *share, int bags, int terms, int padding) {
    int bag = (int)get_global_id(0), used = 0;
    if (bag >= bags)
        return;
    size_t first = (size_t)bag * terms;
    for (int t = 0; t < terms; t++)
        used += padding < 0 || ids[first + t] != padding;
    for (int t = 0; t < terms; t++)
        share[first + t] = 1.0f / (float)max(used, 1);
}

/* y[position] = v[position / terms] . weight[id]; 0 for padding, NaN for an id out of range. Work-item per position. */
__kernel void gather_dot(__global const float *v, __global const int *ids, __global const float *weight,
                         __global float *y, int vocabulary, int padding, int terms, int positions, int width) {
    int i = (int)get_global_id(0);
    if (i >= positions)
        return;
    int row = key(ids[i], vocabulary, padding);
    __global const float *d = v + (size_t)(i / terms) * width;
    float sum = row < vocabulary || (padding >= 0 && ids[i] == padding) ? 0.0f : NAN;
    for (int k = 0; row < vocabulary && k < width; k++)
        sum += d[k] * weight[(size_t)row * width + k];
    y[i] = sum;
}
