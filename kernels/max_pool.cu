// Max pooling: the largest number of each window and the number of its place, and the gradient's way back to it.
//
// The NumPy twin is mpitrain/ops/max_pool.py. Threads lie along channels (x) and along windows or pixels (y). With ties
// the first place wins. The backward gathers: a pixel asks the few windows that see it whether it was their largest, so
// there are no atomics, and the same input gives the same bits.

#include "numbers.cuh"
#include "window.cuh"

template <typename T>
__device__ void max_pool(const T *x, T *y, unsigned char *winner, Window window, unsigned count) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= window.channels)
        return;
    for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < count; row += gridDim.y * blockDim.y) {
        const Place at(row, window.windows_down, window.windows_across);
        wide<T> largest = -infinity();
        int number = 0;
        for (int place = 0; place < window.places(); ++place) {
            const int a = place / window.kernel_across, b = place - a * window.kernel_across;
            const int i = at.down * window.stride_down - window.padding_down + a * window.dilation_down;
            const int j = at.across * window.stride_across - window.padding_across + b * window.dilation_across;
            if (i < 0 || i >= window.height || j < 0 || j >= window.width)
                continue;
            const wide<T> found =
                widen(x[(((long long)at.image * window.height + i) * window.width + j) * window.channels + channel]);
            if (found > largest) {
                largest = found;
                number = place;
            } else if (found != found) {
                largest = found;  // What is not a number stays, as in NumPy.
            }
        }
        y[(long long)row * window.channels + channel] = narrow<T>(largest);
        winner[(long long)row * window.channels + channel] = (unsigned char)number;
    }
}

template <typename T>
__device__ void max_pool_gradient(const T *dy, const unsigned char *winner, T *dx, Window window, unsigned count) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= window.channels)
        return;
    for (unsigned pixel = blockIdx.y * blockDim.y + threadIdx.y; pixel < count; pixel += gridDim.y * blockDim.y) {
        const Place at(pixel, window.height, window.width);
        wide<T> sum = 0;
        for (int place = 0; place < window.places(); ++place) {
            const int a = place / window.kernel_across, b = place - a * window.kernel_across;
            const int i = window_of(at.down, a, window.stride_down, window.padding_down, window.dilation_down,
                                    window.windows_down);
            const int j = window_of(at.across, b, window.stride_across, window.padding_across, window.dilation_across,
                                    window.windows_across);
            if (i < 0 || j < 0)
                continue;
            const long long row = ((long long)at.image * window.windows_down + i) * window.windows_across + j;
            if (winner[(long long)row * window.channels + channel] == place)
                sum += widen(dy[(long long)row * window.channels + channel]);
        }
        dx[(long long)pixel * window.channels + channel] = narrow<T>(sum);
    }
}

// `count` is the number of windows, or of pixels, in the batch.
#define KERNELS(T, NAME)                                                                                               \
    extern "C" __global__ void max_pool_##NAME(const T *x, T *y, unsigned char *winner, WINDOW_NUMBERS,                \
                                               unsigned count) {                                                      \
        max_pool<T>(x, y, winner, WINDOW, count);                                                                      \
    }                                                                                                                  \
    extern "C" __global__ void max_pool_gradient_##NAME(const T *dy, const unsigned char *winner, T *dx,               \
                                                        WINDOW_NUMBERS, unsigned count) {                             \
        max_pool_gradient<T>(dy, winner, dx, WINDOW, count);                                                           \
    }

KERNELS(float, float32)
KERNELS(double, float64)
KERNELS(__half, float16)
KERNELS(__nv_bfloat16, bfloat16)
