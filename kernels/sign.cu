// The signs of a vector, a bit each, and back. A thread makes a byte of 8 numbers, reading 16 bytes at a time.
//
// sign_pack also leaves each block's sum of magnitudes, which norm.cu adds up; their mean is the scale (Bernstein et
// al. 2018, signSGD; Karimireddy et al. 2019, Error feedback fixes signSGD, whose compressor is mean |x| * sign(x)).

#include "flat.cuh"
#include "warp.cuh"

template <typename T>
__device__ __forceinline__ Group<T, 8> read_eight(const T *vector, long long i, bool packed) {
    constexpr int N = 16 / sizeof(T) < 8 ? 16 / sizeof(T) : 8;
    Group<T, 8> eight;
    if (packed)
        for (int k = 0; k < 8; k += N) {
            const Group<T, N> some = read<N>(vector, i + k);
            for (int j = 0; j < N; ++j)
                eight[k + j] = some[j];
        }
    else
        for (int k = 0; k < 8; ++k)
            eight[k] = vector[i + k];
    return eight;
}

// A bit is 1 where the number is below 0; bit i % 8 of byte i / 8 is that of number i. Behind the last one bits are 0.
template <typename T>
__device__ void pack_signs(const T *vector, unsigned char *bits, double *partial, long long count) {
    const bool packed = fits<16 / sizeof(T)>(vector);
    double sum = 0;
    for (long long byte = blockIdx.x * (long long)blockDim.x + threadIdx.x; byte < (count + 7) / 8;
         byte += gridDim.x * (long long)blockDim.x) {
        Group<T, 8> eight;
        if (8 * byte + 8 <= count)
            eight = read_eight(vector, 8 * byte, packed);
        else
            for (int k = 0; k < 8; ++k)
                eight[k] = 8 * byte + k < count ? vector[8 * byte + k] : narrow<T>(0);
        unsigned int signs = 0;
        for (int k = 0; k < 8; ++k) {
            const wide<T> number = widen(eight[k]);
            signs |= (unsigned int)(number < 0) << k;
            sum += number < 0 ? -number : number;
        }
        bits[byte] = (unsigned char)signs;
    }
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0)
        partial[blockIdx.x] = sum;
}

extern "C" __global__ void sign_scale(const double *sum, long long count, float *scale) {
    *scale = (float)(*sum / count);
}

template <typename T>
struct Unpack {
    const unsigned char *bits;
    T *vector;
    float scale;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const unsigned int signs = bits[i / 8] >> (i % 8);
        Group<T, N> numbers;
        for (int k = 0; k < N; ++k)
            numbers[k] = narrow<T>(signs >> k & 1 ? -scale : scale);
        write<N>(vector, i, numbers);
    }
};

#define SIGN(NAME, T)                                                                                             \
    extern "C" __global__ void sign_pack_##NAME(const T *vector, unsigned char *bits, double *partial,            \
                                                long long count) {                                                \
        pack_signs(vector, bits, partial, count);                                                                 \
    }                                                                                                             \
    extern "C" __global__ void sign_unpack_##NAME(const unsigned char *bits, const float *scale, T *vector,       \
                                                  long long count) {                                              \
        constexpr int N = 16 / sizeof(T);                                                                         \
        walk_all<N>(Unpack<T>{bits, vector, *scale}, fits<N>(vector), count);                                     \
    }
SIGN(float64, double)
SIGN(float32, float)
SIGN(float16, __half)
SIGN(bfloat16, __nv_bfloat16)
