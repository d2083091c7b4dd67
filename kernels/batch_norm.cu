// Batch normalisation of (rows, width) by columns: sums, moments, the result, and the same for the gradient.
//
// The NumPy twin is mpitrain/ops/batch_norm.py. Threads lie along columns (x) and along rows (y), so that neighbours
// read neighbours; where the width and addresses allow it a thread takes 16 bytes at a time. Numbers of a thread and of
// a block are summed in float32 (float64 for float64), after a mean of some rows was taken off; what blocks have is
// added in float64, in a fixed order: no atomics, so the same input gives the same bits.

#include "numbers.cuh"
#include "warp.cuh"

constexpr int SAMPLE = 8;      // rows whose mean is taken off
constexpr int THREADS = 256;   // of a block, x times y; y is a power of two

// Of both sums, the block's total for each column, in the threads y == 0.
template <typename W, int length>
__device__ void over_rows(W (&first)[length], W (&second)[length]) {
    __shared__ W sums[2 * length][THREADS];
    const int thread = threadIdx.y * blockDim.x + threadIdx.x;
    for (int half = blockDim.y / 2; half; half /= 2) {
        if (threadIdx.y >= half && threadIdx.y < 2 * half)
            for (int k = 0; k < length; ++k) {
                sums[k][thread] = first[k];
                sums[length + k][thread] = second[k];
            }
        __syncthreads();
        if (threadIdx.y < half)
            for (int k = 0; k < length; ++k) {
                first[k] += sums[k][thread + half * blockDim.x];
                second[k] += sums[length + k][thread + half * blockDim.x];
            }
    }
}

// parts[blockIdx.y]: of the block's rows the sums of x and of x^2, each (width,).
template <typename T, typename Unit>
__device__ void column_sums(const T *x, double *parts, unsigned rows, int width) {
    constexpr int length = sizeof(Unit) / sizeof(T);
    const int unit = blockIdx.x * blockDim.x + threadIdx.x, units = width / length;
    const unsigned stride = gridDim.y * blockDim.y, sampled = rows < SAMPLE ? rows : SAMPLE;
    wide<T> shift[length] = {}, first[length] = {}, second[length] = {};
    if (unit < units) {
        const Unit *const column = (const Unit *)x + unit;
        for (unsigned row = 0; row < sampled; ++row) {
            const Unit found = column[(long long)row * units];
            for (int k = 0; k < length; ++k)
                shift[k] += widen(((const T *)&found)[k]) / sampled;
        }
        for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += stride) {
            const Unit found = column[(long long)row * units];
            for (int k = 0; k < length; ++k) {
                const wide<T> deviation = widen(((const T *)&found)[k]) - shift[k];
                first[k] += deviation;
                second[k] += deviation * deviation;
            }
        }
    }
    over_rows(first, second);
    if (threadIdx.y == 0 && unit < units) {
        const unsigned before = blockIdx.y * blockDim.y, left = rows % stride;
        const double count = rows / stride * blockDim.y + (left < before ? 0 : min(left - before, blockDim.y));
        for (int k = 0; k < length; ++k) {
            const double taken = shift[k], sum = first[k];
            double *const part = parts + 2ll * blockIdx.y * width + unit * length + k;
            part[0] = sum + count * taken;
            part[width] = second[k] + taken * (2 * sum + count * taken);
        }
    }
}

// The same for dy and dy * xhat.
template <typename T, typename Unit>
__device__ void slope_sums(const T *x, const T *dy, const double *mean, const double *scale, double *parts,
                           unsigned rows, int width) {
    constexpr int length = sizeof(Unit) / sizeof(T);
    const int unit = blockIdx.x * blockDim.x + threadIdx.x, units = width / length;
    wide<T> middle[length], first[length] = {}, second[length] = {};
    if (unit < units) {
        for (int k = 0; k < length; ++k)
            middle[k] = mean[unit * length + k];
        for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
            const Unit found = ((const Unit *)x)[(long long)row * units + unit];
            const Unit slopes = ((const Unit *)dy)[(long long)row * units + unit];
            for (int k = 0; k < length; ++k) {
                const wide<T> slope = widen(((const T *)&slopes)[k]);
                first[k] += slope;
                second[k] += slope * (widen(((const T *)&found)[k]) - middle[k]);
            }
        }
    }
    over_rows(first, second);
    if (threadIdx.y == 0 && unit < units)
        for (int k = 0; k < length; ++k) {
            double *const part = parts + 2ll * blockIdx.y * width + unit * length + k;
            part[0] = first[k];
            part[width] = second[k] * scale[unit * length + k];
        }
}

// totals[blockIdx.x] = sum over the parts of their number blockIdx.x; each part has gridDim.x numbers.
extern "C" __global__ void add_parts(const double *parts, double *totals, int count) {
    double sum = 0;
    for (int part = threadIdx.x; part < count; part += blockDim.x)
        sum += parts[(long long)part * gridDim.x + blockIdx.x];
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0)
        totals[blockIdx.x] = sum;
}

// From (rows, sums of x, sums of x^2): mean, 1 / sqrt(variance + epsilon), and the running moments moved, if given.
extern "C" __global__ void moments(const double *sums, double *mean, double *scale, float *running_mean,
                                   float *running_variance, double epsilon, double momentum, int width) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width)
        return;
    const double rows = sums[0] > 1 ? sums[0] : 1;
    const double middle = sums[1 + column] / rows, square = sums[1 + width + column] / rows - middle * middle;
    const double variance = square > 0 ? square : 0;
    mean[column] = middle;
    scale[column] = 1 / sqrt(variance + epsilon);
    if (running_mean && sums[0] > 0) {
        const double sample = variance * (rows / (rows > 2 ? rows - 1 : 1));
        running_mean[column] += momentum * (middle - running_mean[column]);
        running_variance[column] += momentum * (sample - running_variance[column]);
    }
}

// y = factor * x + constant
template <typename T, typename Unit>
__device__ void normalise(const T *x, T *y, const double *mean, const double *scale, const T *gain, const T *bias,
                          unsigned rows, int width) {
    constexpr int length = sizeof(Unit) / sizeof(T);
    const int unit = blockIdx.x * blockDim.x + threadIdx.x, units = width / length;
    if (unit >= units)
        return;
    wide<T> factor[length], constant[length];
    for (int k = 0; k < length; ++k) {
        const int column = unit * length + k;
        const double by_x = widen(gain[column]) * scale[column];
        factor[k] = by_x;
        constant[k] = widen(bias[column]) - mean[column] * by_x;
    }
    for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
        const Unit found = ((const Unit *)x)[(long long)row * units + unit];
        Unit result;
        for (int k = 0; k < length; ++k)
            ((T *)&result)[k] = narrow<T>(factor[k] * widen(((const T *)&found)[k]) + constant[k]);
        ((Unit *)y)[(long long)row * units + unit] = result;
    }
}

// dx = by_dy * dy + by_x * x + constant, where the moments are of `count` rows; without a count they are constants.
template <typename T, typename Unit>
__device__ void gradient(const T *x, const T *dy, T *dx, const double *mean, const double *scale, const T *gain,
                         const double *sums, const double *count, unsigned rows, int width) {
    constexpr int length = sizeof(Unit) / sizeof(T);
    const int unit = blockIdx.x * blockDim.x + threadIdx.x, units = width / length;
    if (unit >= units)
        return;
    const double share = !count ? 0 : 1 / (*count > 1 ? *count : 1);
    wide<T> by_dy[length], by_x[length], constant[length];
    for (int k = 0; k < length; ++k) {
        const int column = unit * length + k;
        const double factor = widen(gain[column]) * scale[column];
        const double stretch = -factor * scale[column] * sums[width + column] * share;
        by_dy[k] = factor;
        by_x[k] = stretch;
        constant[k] = -factor * sums[column] * share - mean[column] * stretch;
    }
    for (unsigned row = blockIdx.y * blockDim.y + threadIdx.y; row < rows; row += gridDim.y * blockDim.y) {
        const long long at = (long long)row * units + unit;
        const Unit found = ((const Unit *)x)[at], slopes = ((const Unit *)dy)[at];
        Unit result;
        for (int k = 0; k < length; ++k)
            ((T *)&result)[k] = narrow<T>(by_dy[k] * widen(((const T *)&slopes)[k]) +
                                          (by_x[k] * widen(((const T *)&found)[k]) + constant[k]));
        ((Unit *)dx)[at] = result;
    }
}

// `packed` says that units of 16 bytes fit.
#define EITHER(T, kernel, ...) packed ? kernel<T, Pack<T>>(__VA_ARGS__) : kernel<T, T>(__VA_ARGS__)
#define KERNELS(T, NAME)                                                                                               \
    extern "C" __global__ void column_sums_##NAME(const T *x, double *parts, unsigned rows, int width, int packed) {   \
        EITHER(T, column_sums, x, parts, rows, width);                                                                 \
    }                                                                                                                  \
    extern "C" __global__ void slope_sums_##NAME(const T *x, const T *dy, const double *mean, const double *scale,     \
                                                 double *parts, unsigned rows, int width, int packed) {                \
        EITHER(T, slope_sums, x, dy, mean, scale, parts, rows, width);                                                 \
    }                                                                                                                  \
    extern "C" __global__ void normalise_##NAME(const T *x, T *y, const double *mean, const double *scale,             \
                                                const T *gain, const T *bias, unsigned rows, int width, int packed) {  \
        EITHER(T, normalise, x, y, mean, scale, gain, bias, rows, width);                                              \
    }                                                                                                                  \
    extern "C" __global__ void gradient_##NAME(const T *x, const T *dy, T *dx, const double *mean,                     \
                                               const double *scale, const T *gain, const double *sums,                 \
                                               const double *count, unsigned rows, int width, int packed) {            \
        EITHER(T, gradient, x, dy, dx, mean, scale, gain, sums, count, rows, width);                                   \
    }

KERNELS(float, float32)
KERNELS(double, float64)
KERNELS(__half, float16)
KERNELS(__nv_bfloat16, bfloat16)
