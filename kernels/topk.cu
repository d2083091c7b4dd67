// The k numbers of a vector that are largest in magnitude, ties by the lower index, in the order of their indices.
// Without their sign, a float's bits are an integer of the same order, whose digits, of 8 bits, are found from the top:
//
//     for each digit:   topk_count   how many keys that begin like the k-th have each next digit
//                       topk_digit   which of the 256 is the k-th's, and how many are wanted among those that share it
//     topk_tally        how many keys above the k-th, and like it, each block has in its part of the vector
//     topk_offsets      and how many all blocks before it have
//     topk_gather       each block writes its own behind theirs
//
// Counts are integers, so atomic additions give the same in any order. Nothing waits for the host. (Radix selection as
// in Alabi et al. 2012, Fast k-selection algorithms for graphics processing units.)

#include "numbers.cuh"
#include "warp.cuh"

typedef unsigned long long Key;

__device__ __forceinline__ Key magnitude(double x) { return (Key)__double_as_longlong(x) & 0x7fffffffffffffffull; }
__device__ __forceinline__ Key magnitude(float x) { return (unsigned int)__float_as_int(x) & 0x7fffffffu; }
__device__ __forceinline__ Key magnitude(__half x) { return __half_as_ushort(x) & 0x7fffu; }
__device__ __forceinline__ Key magnitude(__nv_bfloat16 x) { return __bfloat16_as_ushort(x) & 0x7fffu; }

struct State {
    Key prefix;        // the digits of the k-th key that are known
    long long wanted;  // how many of the keys that begin with them
};

template <typename T>
__device__ void count_digits(const T *vector, const State *state, int *counts, int shift, long long count) {
    __shared__ int own[256];
    for (int digit = threadIdx.x; digit < 256; digit += blockDim.x)
        own[digit] = 0;
    __syncthreads();
    const Key prefix = state->prefix;
    // Numbers of a gradient share few first digits: a thread keeps count while the same comes again, since additions to
    // one place wait for each other.
    int last = 0, times = 0;
    const long long threads = gridDim.x * (long long)blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < count; i += threads) {
        const Key key = magnitude(vector[i]) >> shift;
        const int digit = key & 255;
        if (key >> 8 != prefix)
            continue;
        if (digit != last && times) {
            atomicAdd(&own[last], times);
            times = 0;
        }
        last = digit;
        ++times;
    }
    if (times)
        atomicAdd(&own[last], times);
    __syncthreads();
    for (int digit = threadIdx.x; digit < 256; digit += blockDim.x)
        if (own[digit])
            atomicAdd(&counts[digit], own[digit]);
}

// One block.
extern "C" __global__ void topk_digit(State *state, const int *counts) {
    __shared__ int own[256];
    for (int digit = threadIdx.x; digit < 256; digit += blockDim.x)
        own[digit] = counts[digit];
    __syncthreads();
    if (threadIdx.x)
        return;
    int digit = 255;
    long long wanted = state->wanted;
    while (own[digit] < wanted)
        wanted -= own[digit--];
    *state = {state->prefix << 8 | digit, wanted};
}

// Elements [first, last) are this block's, of parts that are a multiple of its threads.
struct Part {
    long long first, last;
};

__device__ __forceinline__ Part part(long long count) {
    const long long share = (count + gridDim.x - 1) / gridDim.x;
    const long long each = (share + blockDim.x - 1) / blockDim.x * blockDim.x;
    const long long first = blockIdx.x * each, last = first + each;
    return {first < count ? first : count, last < count ? last : count};
}

template <typename T>
__device__ void tally(const T *vector, const State *state, int *tallies, long long count) {
    const Part mine = part(count);
    const Key edge = state->prefix;
    int above = 0, like = 0;
    for (long long i = mine.first + threadIdx.x; i < mine.last; i += blockDim.x) {
        const Key key = magnitude(vector[i]);
        above += key > edge;
        like += key == edge;
    }
    above = over_block<Sum>(above);
    like = over_block<Sum>(like);
    if (threadIdx.x == 0) {
        tallies[2 * blockIdx.x] = above;
        tallies[2 * blockIdx.x + 1] = like;
    }
}

// One block, with a thread for each of the others: each tally becomes the sum of those before it.
extern "C" __global__ void topk_offsets(int *tallies, int blocks) {
    __shared__ int all[2 * 1024];
    for (int i = threadIdx.x; i < 2 * blocks; i += blockDim.x)
        all[i] = tallies[i];
    __syncthreads();
    int above = 0, like = 0;
    for (int block = 0; block < (int)threadIdx.x && block < blocks; ++block) {
        above += all[2 * block];
        like += all[2 * block + 1];
    }
    if ((int)threadIdx.x < blocks) {
        tallies[2 * threadIdx.x] = above;
        tallies[2 * threadIdx.x + 1] = like;
    }
}

// How many threads of this block before this one say yes, and how many in all; for two questions at once.
struct Rank {
    int above, like, all_above, all_like;
};

__device__ __forceinline__ Rank rank(bool above, bool like) {
    __shared__ int of_warp[2][32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    const unsigned int before = (1u << lane) - 1;
    const unsigned int yes_above = __ballot_sync(0xffffffffu, above), yes_like = __ballot_sync(0xffffffffu, like);
    __syncthreads();  // nobody reads the last tile's numbers any more
    if (lane == 0) {
        of_warp[0][warp] = __popc(yes_above);
        of_warp[1][warp] = __popc(yes_like);
    }
    __syncthreads();
    Rank rank{__popc(yes_above & before), __popc(yes_like & before), 0, 0};
    for (int other = 0; other < warps; ++other) {
        rank.above += other < warp ? of_warp[0][other] : 0;
        rank.like += other < warp ? of_warp[1][other] : 0;
        rank.all_above += of_warp[0][other];
        rank.all_like += of_warp[1][other];
    }
    return rank;
}

template <typename T>
__device__ void gather(const T *vector, const State *state, const int *offsets, int *indices, T *values,
                       long long count) {
    const Part mine = part(count);
    const Key edge = state->prefix;
    const long long wanted = state->wanted;
    long long above = offsets[2 * blockIdx.x], like = offsets[2 * blockIdx.x + 1];
    for (long long tile = mine.first; tile < mine.last; tile += blockDim.x) {
        const long long i = tile + threadIdx.x;
        const Key key = i < mine.last ? magnitude(vector[i]) : 0;
        const bool is_above = i < mine.last && key > edge, is_like = i < mine.last && key == edge;
        const Rank before = rank(is_above, is_like);
        const long long likes = like + before.like;
        if (is_above || (is_like && likes < wanted)) {
            const long long place = above + before.above + (likes < wanted ? likes : wanted);
            indices[place] = (int)i;
            values[place] = vector[i];
        }
        above += before.all_above;
        like += before.all_like;
    }
}

#define TOPK(NAME, T)                                                                                               \
    extern "C" __global__ void topk_count_##NAME(const T *vector, const State *state, int *counts, int shift,       \
                                                 long long count) {                                                 \
        count_digits(vector, state, counts, shift, count);                                                          \
    }                                                                                                               \
    extern "C" __global__ void topk_tally_##NAME(const T *vector, const State *state, int *tallies,                 \
                                                 long long count) {                                                 \
        tally(vector, state, tallies, count);                                                                       \
    }                                                                                                               \
    extern "C" __global__ void topk_gather_##NAME(const T *vector, const State *state, const int *offsets,          \
                                                  int *indices, T *values, long long count) {                       \
        gather(vector, state, offsets, indices, values, count);                                                     \
    }
TOPK(float64, double)
TOPK(float32, float)
TOPK(float16, __half)
TOPK(bfloat16, __nv_bfloat16)
