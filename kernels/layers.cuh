// What LARS and LAMB share: a block does a chunk of one layer, and each layer has a ratio.

#include "flat.cuh"
#include "warp.cuh"

// Where the chunks lie: chunk c is elements [edges[2 c], edges[2 c + 1]) of layer layer[c], which is -1 outside of all.
struct Chunks {
    const long long *edges;
    const int *layer;
    __device__ __forceinline__ long long start() const { return edges[2 * (long long)blockIdx.x]; }
    __device__ __forceinline__ long long stop() const { return edges[2 * (long long)blockIdx.x + 1]; }
    __device__ __forceinline__ int own() const { return layer[blockIdx.x]; }
};

// This block's chunk, by its threads.
template <int N, typename Step>
__device__ __forceinline__ void walk_chunk(const Step &step, bool packed, const Chunks &chunks) {
    walk<N>(step, packed, chunks.start(), chunks.stop(), threadIdx.x, blockDim.x);
}

// Two partial sums of this block; those of a kind lie behind each other.
__device__ __forceinline__ void leave(double one, double other, double *partial) {
    one = over_block<Sum>(one);
    other = over_block<Sum>(other);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = one;
        partial[gridDim.x + blockIdx.x] = other;
    }
}

// above / below, and 1 where either is 0: a layer that is or goes nowhere has no scale of its own yet.
__device__ __forceinline__ double ratio(double above, double below) {
    return above == 0 || below == 0 ? 1 : above / below;
}
