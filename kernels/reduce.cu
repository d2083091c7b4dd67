// What a rank does with what has arrived, for schedules whose data lie on a device.
//
//     reduce_OP_TYPE    own = own (op) incoming            op: sum, prod, min, max
//     scale_TYPE        target = weight * source
//     mix_TYPE          own = keep * own + weight * incoming
//     divide_TYPE       values = values / size             a mean of a sum
//
// The NumPy twin is mpitrain/ops/reduce.py. Half types are computed with in float32 and rounded once; minimum and
// maximum are NaN if either number is, as NumPy's are. A kernel waits for memory (12 bytes an element in float32 for a
// reduction), so any grid will do (grid-stride loop), and a small one leaves the device to the computation that runs
// beside. Where both vectors start on a 16-byte boundary, a thread takes 16 bytes of each at a time; the rest, and
// slices that start elsewhere, go one by one: chunks of a schedule start anywhere.
//
// Rounds after each operation: --fmad=false

#include "numbers.cuh"

// Integers are computed with as they are.
template <>
struct Wide<int> {
    using type = int;
};
template <>
struct Wide<long long> {
    using type = long long;
};
__device__ __forceinline__ int widen(int number) { return number; }
__device__ __forceinline__ long long widen(long long number) { return number; }

struct Added {
    template <typename W>
    static __device__ __forceinline__ W join(W own, W incoming) {
        return own + incoming;
    }
};
struct Multiplied {
    template <typename W>
    static __device__ __forceinline__ W join(W own, W incoming) {
        return own * incoming;
    }
};
struct Smaller {
    template <typename W>
    static __device__ __forceinline__ W join(W own, W incoming) {
        return incoming < own || incoming != incoming ? incoming : own;
    }
};
struct Larger {
    template <typename W>
    static __device__ __forceinline__ W join(W own, W incoming) {
        return incoming > own || incoming != incoming ? incoming : own;
    }
};

// target = join(target, source), in packs where both allow it.
template <typename T, typename Join>
__device__ void each(T *target, const T *source, long long count, Join join) {
    const long long thread = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    const long long threads = gridDim.x * (long long)blockDim.x;
    const long long packs = aligned(target) && aligned(source) ? count / Pack<T>::length : 0;

    for (long long i = thread; i < packs; i += threads) {
        Pack<T> own = ((Pack<T> *)target)[i];
        const Pack<T> incoming = ((const Pack<T> *)source)[i];
        for (int k = 0; k < Pack<T>::length; ++k)
            own.numbers[k] = narrow<T>(join(widen(own.numbers[k]), widen(incoming.numbers[k])));
        ((Pack<T> *)target)[i] = own;
    }
    for (long long i = packs * Pack<T>::length + thread; i < count; i += threads)
        target[i] = narrow<T>(join(widen(target[i]), widen(source[i])));
}

template <typename T, typename Join>
__device__ void reduce(T *own, const T *incoming, long long count) {
    each(own, incoming, count, [](wide<T> a, wide<T> b) { return Join::join(a, b); });
}

#define REDUCE(OP, JOIN, NAME, T)                                                                        \
    extern "C" __global__ void reduce_##OP##_##NAME(T *own, const T *incoming, long long count) {        \
        reduce<T, JOIN>(own, incoming, count);                                                           \
    }

#define REDUCTIONS(NAME, T)           \
    REDUCE(sum, Added, NAME, T)       \
    REDUCE(prod, Multiplied, NAME, T) \
    REDUCE(min, Smaller, NAME, T)     \
    REDUCE(max, Larger, NAME, T)

REDUCTIONS(float64, double)
REDUCTIONS(float32, float)
REDUCTIONS(float16, __half)
REDUCTIONS(bfloat16, __nv_bfloat16)
REDUCTIONS(int32, int)
REDUCTIONS(int64, long long)

#define WEIGHTS(NAME, T)                                                                                           \
    extern "C" __global__ void scale_##NAME(T *target, const T *source, wide<T> weight, long long count) {         \
        each(target, source, count, [weight](wide<T>, wide<T> value) { return value * weight; });                  \
    }                                                                                                              \
    extern "C" __global__ void mix_##NAME(T *own, const T *incoming, wide<T> keep, wide<T> weight, long long count) { \
        each(own, incoming, count, [keep, weight](wide<T> a, wide<T> b) { return keep * a + weight * b; });        \
    }                                                                                                              \
    extern "C" __global__ void divide_##NAME(T *values, wide<T> size, long long count) {                           \
        each(values, values, count, [size](wide<T> value, wide<T>) { return value / size; });                      \
    }

WEIGHTS(float64, double)
WEIGHTS(float32, float)
WEIGHTS(float16, __half)
WEIGHTS(bfloat16, __nv_bfloat16)
