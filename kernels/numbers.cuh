// Numbers of all the types that arrays have, and the type in which kernels compute with them: float, or double for
// double. `widen` takes a number there and `narrow<T>` brings it back, rounded to nearest.

#ifndef CUDA_ON_CPU
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

template <typename T>
struct Wide {
    using type = float;
};
template <>
struct Wide<double> {
    using type = double;
};
template <typename T>
using wide = typename Wide<T>::type;

__device__ __forceinline__ float widen(float number) { return number; }
__device__ __forceinline__ double widen(double number) { return number; }
__device__ __forceinline__ float widen(__half number) { return __half2float(number); }
__device__ __forceinline__ float widen(__nv_bfloat16 number) { return __bfloat162float(number); }

template <typename T>
struct Narrow {
    static __device__ __forceinline__ T from(T number) { return number; }
};
template <>
struct Narrow<__half> {
    static __device__ __forceinline__ __half from(float number) { return __float2half(number); }
};
template <>
struct Narrow<__nv_bfloat16> {
    static __device__ __forceinline__ __nv_bfloat16 from(float number) { return __float2bfloat16(number); }
};
template <typename T>
__device__ __forceinline__ T narrow(wide<T> number) {
    return Narrow<T>::from(number);
}

// NVRTC has no INFINITY.
__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

// 16 bytes of numbers, which a thread reads or writes at once where they lie on a 16-byte boundary.
template <typename T>
struct alignas(16) Pack {
    static constexpr int length = 16 / sizeof(T);
    T numbers[length];
};

template <typename T>
__device__ __forceinline__ bool aligned(const T *address) {
    return (unsigned long long)address % 16 == 0;
}
