// Sums and maxima over a warp and over a block, by shuffles (S. Wilt, The CUDA Handbook, 2013, chapter 12 on reductions).
// All threads of the warp or block call them, and all of them get the result. A block is a whole number of warps, at most
// 32, in one dimension.

struct Sum {
    template <typename T>
    static __device__ __forceinline__ T join(T a, T b) {
        return a + b;
    }
};

struct Max {
    template <typename T>
    static __device__ __forceinline__ T join(T a, T b) {
        return a > b ? a : b;
    }
};

template <typename Join, typename T>
__device__ __forceinline__ T over_warp(T value) {
    for (int distance = 16; distance; distance /= 2)
        value = Join::join(value, __shfl_xor_sync(0xffffffffu, value, distance));
    return value;
}

// One number a warp in shared memory, which every thread then joins in the same order: all see the same sum, bit by bit.
template <typename Join, typename T>
__device__ __forceinline__ T over_block(T value) {
    __shared__ T of_warp[32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    value = over_warp<Join>(value);
    __syncthreads();  // nobody reads the last call's numbers any more
    if (lane == 0)
        of_warp[warp] = value;
    __syncthreads();
    value = of_warp[0];
    for (int other = 1; other < warps; ++other)
        value = Join::join(value, of_warp[other]);
    return value;
}
