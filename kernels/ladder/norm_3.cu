// Sum of squares, third rung. The new idea: a tree. In each round half of the threads add the sum of a partner, so that
// 256 sums are one after 8 rounds. Partners are half of what is left apart: whole warps fall idle, and those that work
// read neighbouring places of shared memory. A block is a power of two of threads.
//
// What is slow: a barrier in each round, for sums that soon lie in a single warp.

extern "C" __global__ void norm_3(const float *vector, double *partial, long long count) {
    __shared__ double found[1024];
    const long long threads = gridDim.x * (long long)blockDim.x;
    const long long thread = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    double sum = 0;
    for (long long i = thread; i < count; i += threads)
        sum += (double)vector[i] * vector[i];
    found[threadIdx.x] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half)
            found[threadIdx.x] += found[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0)
        partial[blockIdx.x] = found[0];
}
