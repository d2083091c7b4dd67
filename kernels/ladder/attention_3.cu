// Attention, third rung: one pass. The largest score so far stands in for the largest of all; when a larger one comes, the
// sums are scaled down to it, once a tile (Milakov and Gimelshein 2018). So each score is computed once, and nothing has
// to be known of the keys to come. What is left to do, in kernels/attention.cu: a thread still reads two numbers of
// shared memory for each multiplication; there a warp shares several queries, and each number read serves them all.

constexpr int WIDTH = 32, TILE = 32;

__device__ void load(float (*tile)[WIDTH], const float *rows, int first, int length) {
    __syncthreads();  // nobody uses the last tile any more
    for (int i = threadIdx.x; i < TILE * WIDTH; i += blockDim.x)
        if (first + i / WIDTH < length)
            tile[i / WIDTH][i % WIDTH] = rows[first * WIDTH + i];
    __syncthreads();
}

extern "C" __global__ void attention_3_float32(const float *q, const float *k, const float *v, float *y, int length,
                                               float scale) {
    __shared__ float keys[TILE][WIDTH], values[TILE][WIDTH];
    const int query = blockIdx.x * blockDim.x + threadIdx.x;
    const long long head = blockIdx.y * (long long)length * WIDTH;
    float own[WIDTH], scores[TILE], sums[WIDTH] = {}, largest = 0, total = 0;
    for (int d = 0; d < WIDTH; ++d)  // who has no query works along, since all must meet at the barriers
        own[d] = query < length ? q[head + query * WIDTH + d] : 0;

    for (int first = 0; first < length; first += TILE) {
        const int count = min(TILE, length - first);
        load(keys, k + head, first, length);
        load(values, v + head, first, length);
        float before = largest;
#pragma unroll  // so that the scores are registers
        for (int key = 0; key < TILE; ++key) {
            if (key >= count)
                break;
            scores[key] = 0;
            for (int d = 0; d < WIDTH; ++d)
                scores[key] += own[d] * keys[key][d];
            scores[key] *= scale;
            largest = first + key ? fmaxf(largest, scores[key]) : scores[key];
        }
        const float shrunk = first ? expf(before - largest) : 0;
        total *= shrunk;
        for (int d = 0; d < WIDTH; ++d)
            sums[d] *= shrunk;
#pragma unroll
        for (int key = 0; key < TILE; ++key) {
            if (key >= count)
                break;
            const float chance = expf(scores[key] - largest);
            total += chance;
            for (int d = 0; d < WIDTH; ++d)
                sums[d] += chance * values[key][d];
        }
    }
    if (query < length)
        for (int d = 0; d < WIDTH; ++d)
            y[head + query * WIDTH + d] = sums[d] / total;
}
