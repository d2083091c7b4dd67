// Step 3: maximum and sum in one pass, and joined by shuffles.
//
// A sum of exp(x - m) becomes one for a larger maximum by a multiplication with exp(m - larger), so that both are known
// after one reading ("online", Milakov & Gimelshein 2018). The threads of a warp exchange them through registers,
// without shared memory or barrier; one barrier is left, between the warps' own results and everybody's reading them.
//
// The row is read twice instead of three times. Step 4 is kernels/cross_entropy.cu, which keeps it in shared memory and
// takes 16 bytes at a time.

__device__ void join(float &largest, float &sum, float other_largest, float other_sum) {
    const float larger = other_largest > largest ? other_largest : largest;
    sum = (sum ? sum * expf(largest - larger) : 0) + (other_sum ? other_sum * expf(other_largest - larger) : 0);
    largest = larger;
}

extern "C" __global__ void cross_entropy(const float *logits, const long long *labels, float *gradient, float *losses,
                                         int rows, int classes, float scale) {
    __shared__ float maxima[32], sums[32];
    const long long label = labels[blockIdx.x];
    const float *x = logits + blockIdx.x * (long long)classes;
    float *slope = gradient + blockIdx.x * (long long)classes;

    float largest = x[0], sum = 0;
    for (int j = threadIdx.x; j < classes; j += blockDim.x)
        join(largest, sum, x[j], 1);
    for (int distance = 16; distance; distance /= 2)
        join(largest, sum, __shfl_xor_sync(0xffffffffu, largest, distance),
             __shfl_xor_sync(0xffffffffu, sum, distance));
    if (threadIdx.x % 32 == 0) {
        maxima[threadIdx.x / 32] = largest;
        sums[threadIdx.x / 32] = sum;
    }
    __syncthreads();
    largest = maxima[0], sum = sums[0];
    for (int warp = 1; warp < blockDim.x / 32; ++warp)
        join(largest, sum, maxima[warp], sums[warp]);

    for (int j = threadIdx.x; j < classes; j += blockDim.x)
        slope[j] = scale * (expf(x[j] - largest) / sum - (j == label ? 1.0f : 0.0f));
    if (threadIdx.x == 0)
        losses[blockIdx.x] = logf(sum) + largest - x[label];
}
