// Depthwise convolution, direct: no matrix is laid out, every number of the result sums its own window.
//
//     y[n, i, j, o] = sum over places p of x[n, pixel of p, o / multiplier] * weight[p, o]
//
// The NumPy twin is mpitrain/ops/depthwise.py. Threads lie along channels (x) and along windows or pixels (y). Each
// number is written once, by one thread; the weight's gradient is summed by blocks, each over a fixed part of the
// windows, and the caller adds their parts: no atomics, so the same input gives the same bits.

#include "numbers.cuh"
#include "window.cuh"

template <typename T>
__device__ void depthwise(const T *x, const T *weight, T *y, Window window, int multiplier, unsigned count) {
    const int outputs = window.channels * multiplier, o = blockIdx.x * blockDim.x + threadIdx.x;
    if (o >= outputs)
        return;
    for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < count; row += gridDim.y * blockDim.y) {
        const Place at(row, window.windows_down, window.windows_across);
        wide<T> sum = 0;
        for (int a = 0; a < window.kernel_down; ++a) {
            const int i = at.down * window.stride_down - window.padding_down + a * window.dilation_down;
            for (int b = 0; b < window.kernel_across; ++b) {
                const int j = at.across * window.stride_across - window.padding_across + b * window.dilation_across;
                if (i < 0 || i >= window.height || j < 0 || j >= window.width)
                    continue;
                const long long pixel = ((long long)at.image * window.height + i) * window.width + j;
                sum += widen(x[(long long)pixel * window.channels + o / multiplier]) *
                       widen(weight[(a * window.kernel_across + b) * outputs + o]);
            }
        }
        y[(long long)row * outputs + o] = narrow<T>(sum);
    }
}

template <typename T>
__device__ void depthwise_input_gradient(const T *dy, const T *weight, T *dx, Window window, int multiplier,
                                         unsigned count) {
    const int outputs = window.channels * multiplier, channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= window.channels)
        return;
    for (unsigned pixel = blockIdx.y * blockDim.y + threadIdx.y; pixel < count; pixel += gridDim.y * blockDim.y) {
        const Place at(pixel, window.height, window.width);
        wide<T> sum = 0;
        for (int a = 0; a < window.kernel_down; ++a) {
            const int i = window_of(at.down, a, window.stride_down, window.padding_down, window.dilation_down,
                                    window.windows_down);
            for (int b = 0; i >= 0 && b < window.kernel_across; ++b) {
                const int j = window_of(at.across, b, window.stride_across, window.padding_across,
                                        window.dilation_across, window.windows_across);
                if (j < 0)
                    continue;
                const long long row = ((long long)at.image * window.windows_down + i) * window.windows_across + j;
                const T *const kernels = weight + (a * window.kernel_across + b) * outputs;
                for (int o = channel * multiplier; o < (channel + 1) * multiplier; ++o)
                    sum += widen(dy[row * outputs + o]) * widen(kernels[o]);
            }
        }
        dx[(long long)pixel * window.channels + channel] = narrow<T>(sum);
    }
}

// parts[blockIdx.y, place, o]: the block's windows are those of its threads y, which shared memory joins, 32 results
// wide and 8 threads deep.
template <typename T>
__device__ void depthwise_weight_gradient(const T *x, const T *dy, wide<T> *parts, Window window, int multiplier,
                                          unsigned count) {
    __shared__ wide<T> sums[8][32];
    const int outputs = window.channels * multiplier, o = blockIdx.x * 32 + threadIdx.x, place = blockIdx.z;
    const int a = place / window.kernel_across, b = place - a * window.kernel_across;
    wide<T> sum = 0;
    for (unsigned row = blockIdx.y * 8 + threadIdx.y; o < outputs && row < count; row += gridDim.y * 8) {
        const Place at(row, window.windows_down, window.windows_across);
        const int i = at.down * window.stride_down - window.padding_down + a * window.dilation_down;
        const int j = at.across * window.stride_across - window.padding_across + b * window.dilation_across;
        if (i < 0 || i >= window.height || j < 0 || j >= window.width)
            continue;
        const long long pixel = ((long long)at.image * window.height + i) * window.width + j;
        sum += widen(x[(long long)pixel * window.channels + o / multiplier]) * widen(dy[(long long)row * outputs + o]);
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && o < outputs) {
        for (int other = 1; other < 8; ++other)
            sum += sums[other][threadIdx.x];
        parts[((long long)blockIdx.y * window.places() + place) * outputs + o] = sum;
    }
}

// `count` is the number of windows, or of pixels, in the batch.
#define KERNELS(T, NAME)                                                                                               \
    extern "C" __global__ void depthwise_##NAME(const T *x, const T *weight, T *y, WINDOW_NUMBERS, int multiplier,     \
                                                unsigned count) {                                                     \
        depthwise<T>(x, weight, y, WINDOW, multiplier, count);                                                         \
    }                                                                                                                  \
    extern "C" __global__ void depthwise_input_gradient_##NAME(const T *dy, const T *weight, T *dx, WINDOW_NUMBERS,    \
                                                               int multiplier, unsigned count) {                      \
        depthwise_input_gradient<T>(dy, weight, dx, WINDOW, multiplier, count);                                        \
    }                                                                                                                  \
    extern "C" __global__ void depthwise_weight_gradient_##NAME(                                                       \
        const T *x, const T *dy, wide<T> *parts, WINDOW_NUMBERS, int multiplier, unsigned count) {                    \
        depthwise_weight_gradient<T>(x, dy, parts, WINDOW, multiplier, count);                                         \
    }

KERNELS(float, float32)
KERNELS(double, float64)
KERNELS(__half, float16)
KERNELS(__nv_bfloat16, bfloat16)
