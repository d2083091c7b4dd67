// Sum of squares, fourth rung. The new idea: threads of a warp read each other's registers (shuffles), without shared
// memory and without barriers. One number a warp goes through shared memory, and one barrier is left.
//
// What is slow: a thread asks for 4 bytes at a time, so a load instruction for each number. ../norm.cu, the last rung,
// asks for 16.

extern "C" __global__ void norm_4(const float *vector, double *partial, long long count) {
    __shared__ double of_warp[32];
    const long long threads = gridDim.x * (long long)blockDim.x;
    const long long thread = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    double sum = 0;
    for (long long i = thread; i < count; i += threads)
        sum += (double)vector[i] * vector[i];
    for (int distance = 16; distance > 0; distance /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, distance);
    if (threadIdx.x % 32 == 0)
        of_warp[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        double all = 0;
        for (int warp = 0; warp < blockDim.x / 32; ++warp)
            all += of_warp[warp];
        partial[blockIdx.x] = all;
    }
}
