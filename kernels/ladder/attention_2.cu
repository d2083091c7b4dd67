// Attention, second rung: the threads of a block, one query each, fetch a tile of keys together and all use it from shared
// memory, so memory gives each key once to a block and not once to a query. Still three times: once a pass.

constexpr int WIDTH = 32, TILE = 32;

__device__ void load(float (*tile)[WIDTH], const float *rows, int first, int length) {
    __syncthreads();  // nobody uses the last tile any more
    for (int i = threadIdx.x; i < TILE * WIDTH; i += blockDim.x)
        if (first + i / WIDTH < length)
            tile[i / WIDTH][i % WIDTH] = rows[first * WIDTH + i];
    __syncthreads();
}

__device__ float score(const float *q, const float *k, float scale) {
    float sum = 0;
    for (int d = 0; d < WIDTH; ++d)
        sum += q[d] * k[d];
    return sum * scale;
}

extern "C" __global__ void attention_2_float32(const float *q, const float *k, const float *v, float *y, int length,
                                               float scale) {
    __shared__ float keys[TILE][WIDTH], values[TILE][WIDTH];
    const int query = blockIdx.x * blockDim.x + threadIdx.x;
    const long long head = blockIdx.y * (long long)length * WIDTH;
    float own[WIDTH], sums[WIDTH] = {}, largest = 0, total = 0;
    for (int d = 0; d < WIDTH; ++d)  // who has no query works along, since all must meet at the barriers
        own[d] = query < length ? q[head + query * WIDTH + d] : 0;

    for (int first = 0; first < length; first += TILE) {
        load(keys, k + head, first, length);
        for (int key = 0; key < min(TILE, length - first); ++key) {
            const float found = score(own, keys[key], scale);
            largest = first + key ? fmaxf(largest, found) : found;
        }
    }
    for (int first = 0; first < length; first += TILE) {
        load(keys, k + head, first, length);
        for (int key = 0; key < min(TILE, length - first); ++key)
            total += expf(score(own, keys[key], scale) - largest);
    }
    for (int first = 0; first < length; first += TILE) {
        load(keys, k + head, first, length);
        load(values, v + head, first, length);
        for (int key = 0; key < min(TILE, length - first); ++key) {
            const float chance = expf(score(own, keys[key], scale) - largest) / total;
            for (int d = 0; d < WIDTH; ++d)
                sums[d] += chance * values[key][d];
        }
    }
    if (query < length)
        for (int d = 0; d < WIDTH; ++d)
            y[head + query * WIDTH + d] = sums[d];
}
