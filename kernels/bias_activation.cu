// y = f(x + bias) and, for the backward of silu and gelu, slope = f'(x + bias); dx = dy f'. See its NumPy twin
// mpitrain/ops/bias_activation.py for the formulas.
//
// Every number is read once and written once, 16 bytes at a time where rows and arrays lie on such boundaries
// (`packed`, which the launch finds out), else one by one. A thread keeps to its columns and goes down the rows, so
// that it reads its piece of the bias once. Blocks are two-dimensional: x over the columns of a row, y over rows.
// Without a bias all numbers are one row.

#include "numbers.cuh"
#include "group.cuh"
#include "functions.cuh"

template <typename W>
__device__ __forceinline__ W sigmoid(W z) {
    return W(0.5) * tangent(W(0.5) * z) + W(0.5);
}

// Each has `forward`, which gives y and, if it has one to keep, the slope; and `slope`, from what the backward is
// given.
struct Identity {
    template <typename W>
    static __device__ __forceinline__ W forward(W z, W &) { return z; }
    template <typename W>
    static __device__ __forceinline__ W slope(W) { return 1; }
};

struct Relu {
    template <typename W>
    static __device__ __forceinline__ W forward(W z, W &) { return z > 0 || z != z ? z : W(0); }  // NaN stays
    template <typename W>
    static __device__ __forceinline__ W slope(W y) { return y > 0 ? W(1) : W(0); }
};

struct Gelu {
    template <typename W>
    static __device__ __forceinline__ W forward(W z, W &slope) {
        const W steepness = W(0.7978845608028654), cubic = W(0.044715);  // sqrt(2 / pi)
        const W gate = sigmoid(2 * steepness * z * (1 + cubic * z * z)), y = z * gate;
        slope = gate + y * (1 - gate) * 2 * steepness * (1 + 3 * cubic * z * z);
        return y;
    }
    template <typename W>
    static __device__ __forceinline__ W slope(W kept) { return kept; }
};

struct Silu {
    template <typename W>
    static __device__ __forceinline__ W forward(W z, W &slope) {
        const W gate = sigmoid(z), y = z * gate;
        slope = gate + y * (1 - gate);
        return y;
    }
    template <typename W>
    static __device__ __forceinline__ W slope(W kept) { return kept; }
};

struct Tanh {
    template <typename W>
    static __device__ __forceinline__ W forward(W z, W &) { return tangent(z); }
    template <typename W>
    static __device__ __forceinline__ W slope(W y) { return 1 - y * y; }
};

struct Sigmoid {
    template <typename W>
    static __device__ __forceinline__ W forward(W z, W &) { return sigmoid(z); }
    template <typename W>
    static __device__ __forceinline__ W slope(W y) { return y - y * y; }
};

template <typename F, typename T, int length>
__device__ void forward(const T *x, const T *bias, T *out, T *slope, long long rows, long long width) {
    const long long column = (blockIdx.x * (long long)blockDim.x + threadIdx.x) * length;
    if (column >= width)
        return;
    wide<T> offset[length];
    for (int k = 0; k < length; ++k)
        offset[k] = bias ? widen(bias[column + k]) : wide<T>(0);
    for (long long row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
        const long long start = row * width + column;
        const Group<T, length> numbers = *(const Group<T, length> *)(x + start);
        Group<T, length> results, slopes;
        for (int k = 0; k < length; ++k) {
            wide<T> steep = 0;
            results.numbers[k] = narrow<T>(F::forward(widen(numbers.numbers[k]) + offset[k], steep));
            slopes.numbers[k] = narrow<T>(steep);
        }
        *(Group<T, length> *)(out + start) = results;
        if (slope)
            *(Group<T, length> *)(slope + start) = slopes;
    }
}

template <typename F, typename T, int length>
__device__ void backward(const T *kept, const T *dy, T *out, long long count) {
    const long long start = (blockIdx.x * (long long)blockDim.x + threadIdx.x) * length;
    if (start >= count)
        return;
    const Group<T, length> known = *(const Group<T, length> *)(kept + start);
    Group<T, length> slopes = *(const Group<T, length> *)(dy + start);
    for (int k = 0; k < length; ++k)
        slopes.numbers[k] = narrow<T>(widen(slopes.numbers[k]) * F::slope(widen(known.numbers[k])));
    *(Group<T, length> *)(out + start) = slopes;
}

// The number of the activation is its place in the twin's table; a block branches on it once.
#define EACH_ACTIVATION(CALL)         \
    switch (activation) {             \
    case 0: CALL(Identity); break;    \
    case 1: CALL(Relu); break;        \
    case 2: CALL(Gelu); break;        \
    case 3: CALL(Silu); break;        \
    case 4: CALL(Tanh); break;        \
    case 5: CALL(Sigmoid); break;     \
    }

#define FORWARD(F)                                                            \
    if (packed)                                                               \
        forward<F, T, Pack<T>::length>(x, bias, out, slope, rows, width);     \
    else                                                                      \
        forward<F, T, 1>(x, bias, out, slope, rows, width)

#define BACKWARD(F)                                               \
    if (packed)                                                   \
        backward<F, T, Pack<T>::length>(kept, dy, out, count);    \
    else                                                          \
        backward<F, T, 1>(kept, dy, out, count)

#define KERNELS(NAME, TYPE)                                                                                           \
    extern "C" __global__ void bias_activation_##NAME(const TYPE *x, const TYPE *bias, TYPE *out, TYPE *slope,        \
                                                      int activation, int packed, long long rows, long long width) {  \
        using T = TYPE;                                                                                               \
        EACH_ACTIVATION(FORWARD)                                                                                      \
    }                                                                                                                 \
    extern "C" __global__ void activation_backward_##NAME(const TYPE *kept, const TYPE *dy, TYPE *out,                \
                                                          int activation, int packed, long long count) {              \
        using T = TYPE;                                                                                               \
        EACH_ACTIVATION(BACKWARD)                                                                                     \
    }

KERNELS(float32, float)
KERNELS(float64, double)
KERNELS(float16, __half)
KERNELS(bfloat16, __nv_bfloat16)
