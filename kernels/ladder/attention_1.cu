// Attention, first rung: the formula as it stands. A thread takes a query and goes over all keys three times: for the
// largest score, for the sum of the exponentials, for the sum of the values. Each score is computed three times, from
// keys that every thread fetches for itself.
//
// Here and on the next rungs q, k, v and y are (heads, length, WIDTH) in float32, without mask.

constexpr int WIDTH = 32;

__device__ float score(const float *q, const float *k, float scale) {
    float sum = 0;
    for (int d = 0; d < WIDTH; ++d)
        sum += q[d] * k[d];
    return sum * scale;
}

extern "C" __global__ void attention_1_float32(const float *q, const float *k, const float *v, float *y, int length,
                                               float scale) {
    const int query = blockIdx.x * blockDim.x + threadIdx.x;
    const long long head = blockIdx.y * (long long)length * WIDTH;
    if (query >= length)
        return;
    const float *own = q + head + query * WIDTH, *keys = k + head, *values = v + head;

    float largest = score(own, keys, scale);
    for (int key = 1; key < length; ++key)
        largest = fmaxf(largest, score(own, keys + key * WIDTH, scale));
    float total = 0;
    for (int key = 0; key < length; ++key)
        total += expf(score(own, keys + key * WIDTH, scale) - largest);
    float sums[WIDTH] = {};
    for (int key = 0; key < length; ++key) {
        const float chance = expf(score(own, keys + key * WIDTH, scale) - largest) / total;
        for (int d = 0; d < WIDTH; ++d)
            sums[d] += chance * values[key * WIDTH + d];
    }
    for (int d = 0; d < WIDTH; ++d)
        y[head + query * WIDTH + d] = sums[d];
}
