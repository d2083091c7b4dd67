// Windows of images as the rows of a matrix (im2col), and the sum of such a matrix back into images (col2im).
//
//     matrix[group, window, place, channel of the group]    window: number of all the batch's, image by image
//
// The NumPy twin is mpitrain/ops/columns.py. Threads lie along channels (x) and along windows or pixels (y), so that
// neighbours read and write neighbours; where channels and addresses allow it, a thread takes 16 bytes at a time. Both
// gather: every number is written by one thread, once, and sums have an order of their own. No atomics, so the same
// input gives the same bits.

#include "numbers.cuh"
#include "window.cuh"

template <typename T, typename Unit>
__device__ void im2col(const T *x, T *matrix, Window window, int groups, unsigned count) {
    constexpr int length = sizeof(Unit) / sizeof(T);
    const int units = window.channels / length, of_group = units / groups, places = window.places();
    const int column = blockIdx.x * blockDim.x + threadIdx.x;  // a place and a unit of channels
    if (column >= places * units)
        return;
    const int place = column / units, unit = column - place * units, group = unit / of_group;
    const int a = place / window.kernel_across, b = place - a * window.kernel_across;
    Unit *const out = (Unit *)matrix + ((long long)group * count * places + place) * of_group + unit - group * of_group;
    for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < count; row += gridDim.y * blockDim.y) {
        const Place at(row, window.windows_down, window.windows_across);
        const int i = at.down * window.stride_down - window.padding_down + a * window.dilation_down;
        const int j = at.across * window.stride_across - window.padding_across + b * window.dilation_across;
        Unit found = {};
        if (i >= 0 && i < window.height && j >= 0 && j < window.width)
            found = ((const Unit *)x)[((long long)at.image * window.height + i) * window.width * units +
                                      (long long)j * units + unit];
        out[(long long)row * places * of_group] = found;
    }
}

template <typename T, typename Unit>
__device__ void col2im(const T *matrix, T *dx, Window window, int groups, unsigned count) {
    constexpr int length = sizeof(Unit) / sizeof(T);
    const int units = window.channels / length, of_group = units / groups, places = window.places();
    const int unit = blockIdx.x * blockDim.x + threadIdx.x;
    if (unit >= units)
        return;
    const int group = unit / of_group;
    const long long images = count / (unsigned)window.pixels();
    const long long before = group * images * window.windows() * places * of_group;  // the groups before it
    const Unit *const in = (const Unit *)matrix + before + unit - group * of_group;
    for (unsigned pixel = blockIdx.y * blockDim.y + threadIdx.y; pixel < count; pixel += gridDim.y * blockDim.y) {
        const Place at(pixel, window.height, window.width);
        wide<T> sums[length] = {};
        for (int a = 0; a < window.kernel_down; ++a) {
            const int i = window_of(at.down, a, window.stride_down, window.padding_down, window.dilation_down,
                                    window.windows_down);
            for (int b = 0; i >= 0 && b < window.kernel_across; ++b) {
                const int j = window_of(at.across, b, window.stride_across, window.padding_across,
                                        window.dilation_across, window.windows_across);
                if (j < 0)
                    continue;
                const long long row = ((long long)at.image * window.windows_down + i) * window.windows_across + j;
                const Unit found = in[(row * places + a * window.kernel_across + b) * of_group];
                for (int k = 0; k < length; ++k)
                    sums[k] += widen(((const T *)&found)[k]);
            }
        }
        Unit total;
        for (int k = 0; k < length; ++k)
            ((T *)&total)[k] = narrow<T>(sums[k]);
        ((Unit *)dx)[(long long)pixel * units + unit] = total;
    }
}

// `count` is the number of windows, or of pixels, in the batch; `packed` says that units of 16 bytes fit.
#define KERNELS(T, NAME)                                                                                               \
    extern "C" __global__ void im2col_##NAME(const T *x, T *matrix, WINDOW_NUMBERS, int groups, unsigned count,       \
                                             int packed) {                                                             \
        if (packed)                                                                                                    \
            im2col<T, Pack<T>>(x, matrix, WINDOW, groups, count);                                                      \
        else                                                                                                           \
            im2col<T, T>(x, matrix, WINDOW, groups, count);                                                            \
    }                                                                                                                  \
    extern "C" __global__ void col2im_##NAME(const T *matrix, T *dx, WINDOW_NUMBERS, int groups, unsigned count,      \
                                             int packed) {                                                             \
        if (packed)                                                                                                    \
            col2im<T, Pack<T>>(matrix, dx, WINDOW, groups, count);                                                     \
        else                                                                                                           \
            col2im<T, T>(matrix, dx, WINDOW, groups, count);                                                           \
    }

KERNELS(float, float32)
KERNELS(double, float64)
KERNELS(__half, float16)
KERNELS(__nv_bfloat16, bfloat16)
