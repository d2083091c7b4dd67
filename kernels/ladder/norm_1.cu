// Sum of squares, first rung: right, and nothing else. Each thread takes a stretch of the vector of its own, and the
// first thread of a block adds up what all of them found.
//
// What is slow: at any moment neighbouring threads read numbers far apart, and the memory, which hands out 32 bytes at
// a time, brings eight numbers for each that is wanted.
//
// All rungs leave one partial sum a block; add_partial of ../norm.cu adds them up.

extern "C" __global__ void norm_1(const float *vector, double *partial, long long count) {
    __shared__ double found[1024];
    const long long threads = gridDim.x * (long long)blockDim.x;
    const long long thread = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    const long long stretch = (count + threads - 1) / threads, first = thread * stretch;
    double sum = 0;
    for (long long i = first; i < first + stretch && i < count; ++i)
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
