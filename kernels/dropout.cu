// Dropout by counting: 8 numbers of a sample are dropped or kept by the 128 bits that Philox makes of their place. See
// the NumPy twin mpitrain/ops/dropout.py for what is counted, and mpitrain/ops/philox.py for Philox4x32-10 (Salmon et
// al. 2011).
//
// Forward and backward are the same kernel: drawing again is cheaper here than reading a mask. A thread takes 8
// numbers, 16 bytes at a time where rows and arrays lie on such boundaries (`packed`).

#include "numbers.cuh"
#include "philox.cuh"

constexpr int BLOCK = 8;  // numbers that one counter serves

template <typename T>
__device__ void dropout(const T *x, const long long *samples, T *out, unsigned int level, unsigned int key0,
                        unsigned int key1, unsigned int step, wide<T> scale, int packed, long long rows,
                        long long width) {
    const long long blocks = (width + BLOCK - 1) / BLOCK, threads = gridDim.x * (long long)blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < rows * blocks; i += threads) {
        const long long row = i / blocks, block = i - row * blocks, start = row * width + block * BLOCK;
        const unsigned long long sample = samples[row];
        const Words words = philox({{(unsigned int)block, (unsigned int)sample, (unsigned int)(sample >> 32), step}},
                                   key0, key1);
        const auto kept = [&](int k) { return (words.word[k / 2] >> 16 * (k % 2) & 0xffffu) >= level; };
        const auto taken = [&](T number, int k) { return kept(k) ? narrow<T>(widen(number) * scale) : narrow<T>(0); };
        constexpr int length = Pack<T>::length;
        if (packed) {
#pragma unroll
            for (int first = 0; first < BLOCK; first += length) {
                if (first + block * BLOCK < width) {
                    Pack<T> pack = *(const Pack<T> *)(x + start + first);
#pragma unroll
                    for (int k = 0; k < length; ++k)
                        pack.numbers[k] = taken(pack.numbers[k], first + k);
                    *(Pack<T> *)(out + start + first) = pack;
                }
            }
        } else {
#pragma unroll
            for (int k = 0; k < BLOCK; ++k)
                if (block * BLOCK + k < width)
                    out[start + k] = taken(x[start + k], k);
        }
    }
}

#define KERNEL(NAME, T)                                                                                               \
    extern "C" __global__ void dropout_##NAME(const T *x, const long long *samples, T *out, unsigned int level,       \
                                              unsigned int key0, unsigned int key1, unsigned int step, wide<T> scale, \
                                              int packed, long long rows, long long width) {                          \
        dropout(x, samples, out, level, key0, key1, step, scale, packed, rows, width);                                \
    }

KERNEL(float32, float)
KERNEL(float64, double)
KERNEL(float16, __half)
KERNEL(bfloat16, __nv_bfloat16)
