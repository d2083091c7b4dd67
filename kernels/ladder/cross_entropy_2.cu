// Step 2: a block takes a row, and its threads meet in shared memory.
//
// Neighbouring threads read neighbouring numbers now, and every row has many threads. What they found, maxima and then
// sums, is joined by a tree: half of the threads take what the other half has, then half of these, and so on. It takes
// log2(threads) barriers a tree; the number of threads must be a power of 2, and at most 1024.

__shared__ float found[1024];

template <typename Join>
__device__ float over_block(float value, Join join) {
    found[threadIdx.x] = value;
    for (int half = blockDim.x / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            found[threadIdx.x] = join(found[threadIdx.x], found[threadIdx.x + half]);
    }
    __syncthreads();
    value = found[0];
    __syncthreads();  // all have read it before the next tree begins
    return value;
}

extern "C" __global__ void cross_entropy(const float *logits, const long long *labels, float *gradient, float *losses,
                                         int rows, int classes, float scale) {
    const long long label = labels[blockIdx.x];
    const float *x = logits + blockIdx.x * (long long)classes;
    float *slope = gradient + blockIdx.x * (long long)classes;

    float largest = x[0];
    for (int j = threadIdx.x; j < classes; j += blockDim.x)
        largest = x[j] > largest ? x[j] : largest;
    largest = over_block(largest, [](float a, float b) { return a > b ? a : b; });
    float sum = 0;
    for (int j = threadIdx.x; j < classes; j += blockDim.x)
        sum += expf(x[j] - largest);
    sum = over_block(sum, [](float a, float b) { return a + b; });
    for (int j = threadIdx.x; j < classes; j += blockDim.x)
        slope[j] = scale * (expf(x[j] - largest) / sum - (j == label ? 1.0f : 0.0f));
    if (threadIdx.x == 0)
        losses[blockIdx.x] = logf(sum) + largest - x[label];
}
