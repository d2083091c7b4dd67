// Sum of squares, second rung. The new idea: neighbouring threads read neighbouring numbers, all of a grid's width
// further in each turn. A warp's 32 numbers are then four whole pieces of memory, and every byte that is brought is
// used.
//
// What is slow: one thread adds up its block's sums while 255 wait.

extern "C" __global__ void norm_2(const float *vector, double *partial, long long count) {
    __shared__ double found[1024];
    const long long threads = gridDim.x * (long long)blockDim.x;
    const long long thread = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    double sum = 0;
    for (long long i = thread; i < count; i += threads)
        sum += (double)vector[i] * vector[i];
    found[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        double all = 0;
        for (int other = 0; other < blockDim.x; ++other)
            all += found[other];
        partial[blockIdx.x] = all;
    }
}
