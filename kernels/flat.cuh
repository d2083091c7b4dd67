// What the steps of all optimisers share: each number of the flat vectors is read once and written once, 16 bytes of
// the values at a time.
//
// T is the type of the values and of the optimiser's own vectors, float or double; G that of the gradients, C that of
// the copy. A step is a struct whose `at<N>(i)` does elements i to i + N.

#include "group.cuh"
#include "numbers.cuh"

// A C++ compiler may take float's for double's.
__device__ __forceinline__ float root(float x) { return sqrtf(x); }
__device__ __forceinline__ double root(double x) { return sqrt(x); }

template <int N, typename T>
__device__ __forceinline__ Group<T, N> read(const T *vector, long long i) {
    return *(const Group<T, N> *)(vector + i);
}

template <int N, typename T>
__device__ __forceinline__ void write(T *vector, long long i, const Group<T, N> &numbers) {
    *(Group<T, N> *)(vector + i) = numbers;
}

// What a scale is: a number that lies here, or, with null, one known on the host.
template <typename T>
struct Scale {
    T known;
    const float *here;
    __device__ __forceinline__ T factor() const { return here ? (T)*here : known; }
};

// Gradients in the type of the values, times the factor.
template <int N, typename T, typename G>
__device__ __forceinline__ Group<T, N> read_slopes(const G *gradients, long long i, T factor) {
    const Group<G, N> given = read<N>(gradients, i);
    Group<T, N> slopes;
    for (int k = 0; k < N; ++k)
        slopes[k] = (T)widen(given[k]) * factor;
    return slopes;
}

// Values to their vector, and rounded to the copy if there is one.
template <int N, typename T, typename C>
__device__ __forceinline__ void write_values(T *values, C *copy, long long i, const Group<T, N> &value) {
    write<N>(values, i, value);
    if (copy) {
        Group<C, N> rounded;
        for (int k = 0; k < N; ++k)
            rounded[k] = narrow<C>(value[k]);
        write<N>(copy, i, rounded);
    }
}

// Bit k tells whether element i + k decays: one bit an element, or null for all of them. i is a multiple of N.
template <int N>
__device__ __forceinline__ unsigned int decaying(const unsigned char *decayed, long long i) {
    return decayed ? decayed[i / 8] >> (i % 8) : 0xffu;
}

// Whether whole packs of N can be read from element 0 of a vector on.
template <int N, typename T>
__device__ __forceinline__ bool fits(const T *vector) {
    return (unsigned long long)vector % (sizeof(T) * N) == 0;
}

// Elements [start, stop) by threads number `thread` of `threads`: packs of N if all vectors fit them, what is left over
// at both ends one by one.
template <int N, typename Step>
__device__ __forceinline__ void walk(const Step &step, bool packed, long long start, long long stop, long long thread,
                                     long long threads) {
    long long first = (start + N - 1) / N, last = stop / N;  // packs
    if (!packed || first >= last)
        first = last = stop / N + 1;  // none, and all is in front
    for (long long i = first + thread; i < last; i += threads)
        step.template at<N>(i * N);
    const long long front = first * N < stop ? first * N : stop;
#pragma unroll 1
    for (long long i = start + thread; i < front; i += threads)
        step.template at<1>(i);
#pragma unroll 1
    for (long long i = last * N + thread; i < stop; i += threads)
        step.template at<1>(i);
}

// By all threads of a grid of any size.
template <int N, typename Step>
__device__ __forceinline__ void walk_all(const Step &step, bool packed, long long count) {
    walk<N>(step, packed, 0, count, blockIdx.x * (long long)blockDim.x + threadIdx.x,
            gridDim.x * (long long)blockDim.x);
}

// Kernels are named by the types of gradients and copy. KERNEL(suffix, T, G, C) makes one.
#define FOR_ALL_TYPES(KERNEL)                                       \
    KERNEL(float64_float64, double, double, double)                 \
    KERNEL(float32_float32, float, float, float)                    \
    KERNEL(float32_float16, float, float, __half)                   \
    KERNEL(float32_bfloat16, float, float, __nv_bfloat16)           \
    KERNEL(float16_float16, float, __half, __half)                  \
    KERNEL(bfloat16_bfloat16, float, __nv_bfloat16, __nv_bfloat16)
