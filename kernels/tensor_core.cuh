// The product of the tensor cores: c (16 x 8) += a (16 x 16) b (16 x 8) by a warp, a and b in a half type, c in float.
//
// Each lane holds a few numbers of each matrix. With group = lane / 4 and pair = lane % 4 * 2 (PTX ISA, mma.m16n8k16):
//
//     a[0..3]   two numbers each, of columns pair, pair + 1 and rows group, group + 8; then the same 8 columns on
//     b[0..1]   two numbers each, of column group and rows pair, pair + 1; then 8 rows on
//     c[0..3]   columns pair, pair + 1 of row group; then of row group + 8
//
// So c, rounded, is an a again: two 16 x 8 of it side by side. On the CPU lanes show each other what they hold.

#include "numbers.cuh"

template <typename T>
__device__ __forceinline__ unsigned int two(T low, T high) {
    return *(const unsigned short *)&low | (unsigned int)*(const unsigned short *)&high << 16;
}

#ifdef CUDA_ON_CPU

template <typename T>
inline float one_of(unsigned int both, int which) {
    const unsigned short bits = both >> 16 * which;
    return widen(*(const T *)&bits);
}

template <typename T>
inline void tensor_core(float (&c)[4], const unsigned int (&a)[4], const unsigned int (&b)[2]) {
    __shared__ unsigned int shown[32][32][6];
    unsigned int(&warp)[32][6] = shown[threadIdx.x / 32];
    const int lane = threadIdx.x % 32;
    for (int i = 0; i < 6; ++i)
        warp[lane][i] = i < 4 ? a[i] : b[i - 4];
    __syncwarp();
    for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; ++k)
            c[i] += one_of<T>(warp[row % 8 * 4 + k % 8 / 2][row / 8 + k / 8 * 2], k % 2) *
                    one_of<T>(warp[column * 4 + k % 8 / 2][4 + k / 8], k % 2);
    }
    __syncwarp();
}

#else

#if __CUDA_ARCH__ >= 800
#define TENSOR_CORE(TYPE)                                                                                          \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." TYPE "." TYPE ".f32 "                                    \
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"                                 \
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                                  \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
#define TENSOR_CORE(TYPE) __trap();  // has none that takes these shapes: nobody launches such a kernel there
#endif

template <typename T>
__device__ __forceinline__ void tensor_core(float (&c)[4], const unsigned int (&a)[4], const unsigned int (&b)[2]);
template <>
__device__ __forceinline__ void tensor_core<__half>(float (&c)[4], const unsigned int (&a)[4],
                                                    const unsigned int (&b)[2]) {
    TENSOR_CORE("f16")
}
template <>
__device__ __forceinline__ void tensor_core<__nv_bfloat16>(float (&c)[4], const unsigned int (&a)[4],
                                                           const unsigned int (&b)[2]) {
    TENSOR_CORE("bf16")
}

#endif
