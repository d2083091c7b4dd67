// A vector in 8 bits an element and a scale for each group of elements, and back. A block does a group; it reads it
// twice, the second time from the cache.
//
//     scale = max |x| / 127        code = x * (127 / max |x|), rounded        x ~ code * scale
//
// All in float. A group whose numbers are all below 1e-30 is 0. Rounded to nearest, ties to even; or, `random`, down
// after a random number from [0, 1) has been added: number i's is word i % 4 of Philox's counter (i / 4, step).
//
// Rounds after each operation: --fmad=false

#include "flat.cuh"
#include "philox.cuh"
#include "warp.cuh"

template <typename T>
struct Largest {
    const T *vector;
    float *largest;  // of this thread

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<T, N> numbers = read<N>(vector, i);
        for (int k = 0; k < N; ++k)
            *largest = fmaxf(*largest, fabsf((float)widen(numbers[k])));
    }
};

template <typename T>
struct Encode {
    const T *vector;
    signed char *codes;
    float inverse;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<T, N> numbers = read<N>(vector, i);
        Group<signed char, N> some;
        for (int k = 0; k < N; ++k)
            some[k] = (signed char)fmaxf(-127, fminf(127, rintf((float)widen(numbers[k]) * inverse)));
        write<N>(codes, i, some);
    }
};

template <typename T>
struct EncodeRandom {
    const T *vector;
    signed char *codes;
    float inverse;
    unsigned int key0, key1, step;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<T, N> numbers = read<N>(vector, i);
        Group<signed char, N> some;
        Words words;
        for (int k = 0; k < N; ++k) {
            if (k == 0 || (i + k) % 4 == 0) {
                const unsigned long long counter = (i + k) / 4;
                words = philox({{(unsigned int)counter, (unsigned int)(counter >> 32), step, 0}}, key0, key1);
            }
            const float chance = (words.word[(i + k) % 4] >> 8) * 5.9604644775390625e-08f;  // 2^-24
            const float code = floorf((float)widen(numbers[k]) * inverse + chance);
            some[k] = (signed char)fmaxf(-127, fminf(127, code));
        }
        write<N>(codes, i, some);
    }
};

template <typename T>
struct Decode {
    const signed char *codes;
    T *vector;
    float scale;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<signed char, N> some = read<N>(codes, i);
        Group<T, N> numbers;
        for (int k = 0; k < N; ++k)
            numbers[k] = narrow<T>(some[k] * scale);
        write<N>(vector, i, numbers);
    }
};

// Group blockIdx.x is elements [first, last).
__device__ __forceinline__ long long first_of(long long group) { return blockIdx.x * group; }
__device__ __forceinline__ long long last_of(long long group, long long count) {
    const long long last = (blockIdx.x + 1ll) * group;
    return last < count ? last : count;
}

#define QUANTISE(NAME, T)                                                                                              \
    extern "C" __global__ void quantise_##NAME(const T *vector, signed char *codes, float *scales, long long group,    \
                                               long long count, int random, unsigned int key0, unsigned int key1,      \
                                               unsigned int step) {                                                    \
        constexpr int N = 16 / sizeof(T);                                                                              \
        const long long first = first_of(group), last = last_of(group, count);                                         \
        const bool packed = fits<N>(vector) && fits<N>(codes);                                                         \
        float largest = 0;                                                                                             \
        walk<N>(Largest<T>{vector, &largest}, packed, first, last, threadIdx.x, blockDim.x);                           \
        largest = over_block<Max>(largest);                                                                            \
        const bool nothing = largest < 1e-30f;                                                                         \
        if (threadIdx.x == 0)                                                                                          \
            scales[blockIdx.x] = nothing ? 0 : largest / 127;                                                          \
        const float inverse = nothing ? 0 : 127 / largest;                                                             \
        const EncodeRandom<T> by_chance{vector, codes, inverse, key0, key1, step};                                     \
        if (random)                                                                                                    \
            walk<N>(by_chance, packed, first, last, threadIdx.x, blockDim.x);                                          \
        else                                                                                                           \
            walk<N>(Encode<T>{vector, codes, inverse}, packed, first, last, threadIdx.x, blockDim.x);                  \
    }                                                                                                                  \
    extern "C" __global__ void dequantise_##NAME(const signed char *codes, const float *scales, T *vector,             \
                                                 long long group, long long count) {                                   \
        constexpr int N = 16 / sizeof(T);                                                                              \
        const Decode<T> decode{codes, vector, scales[blockIdx.x]};                                                     \
        const bool packed = fits<N>(vector) && fits<N>(codes);                                                         \
        walk<N>(decode, packed, first_of(group), last_of(group, count), threadIdx.x, blockDim.x);                      \
    }
QUANTISE(float64, double)
QUANTISE(float32, float)
QUANTISE(float16, __half)
QUANTISE(bfloat16, __nv_bfloat16)
