// Layer and RMS normalisation of the rows of a matrix. A row is read once, into registers, so that first its mean and
// then the squares of its distances from it cost no more traffic than one pass.
//
//     y = (x - mean) rstd gain + bias,  rstd = 1 / sqrt(mean((x - mean)^2) + eps)         RMS norm: the mean is NULL, 0
//     dx = rstd (s - mean(s) - h mean(s h)),  h = (x - mean) rstd,  s = dy gain           RMS norm: without mean(s)
//     dgain = sum over rows of dy h,  dbias = sum over rows of dy
//
// A warp takes a short row, a block a longer one; what of it exceeds the registers is read again.
// Where all rows lie on 16-byte boundaries a thread reads 16 bytes at a time.
//
// The sums over rows come in two stages, each in one order, so that they have the same bits every time: blocks of rows,
// then the blocks. The NumPy twin is mpitrain/ops/normalise.py.

#include "numbers.cuh"
#include "rows.cuh"
#include "warp.cuh"

constexpr int MOST_THREADS = 512;  // of a block: 128 registers each

template <typename T, int N, bool BLOCK>
__device__ void forward(const T *x, const T *gain, const T *bias, T *y, wide<T> *mean, wide<T> *rstd, long long rows,
                        int width, wide<T> eps) {
    using W = wide<T>;
    const long long row = Team<BLOCK>::row();
    if (row >= rows)
        return;  // whole warps, or nobody
    Part<T, N, BLOCK, 1> part{{x + row * width}, width / N};
    part.keep();
    W middle = 0;
    if (mean) {
        part.each([&](const auto &numbers, int) {
            for (int n = 0; n < N; ++n)
                middle += numbers.of[0][n];
        });
        middle = Team<BLOCK>::sum(middle) / width;
    }
    W squares = 0;
    part.each([&](const auto &numbers, int) {
        for (int n = 0; n < N; ++n)
            squares += (numbers.of[0][n] - middle) * (numbers.of[0][n] - middle);
    });
    const W scale = W(1) / sqrt(Team<BLOCK>::sum(squares) / width + eps);
    part.each([&](const auto &numbers, int first) {
        const Group<T, N> gains = fetch<T, N>(gain, first);
        W result[N];
        for (int n = 0; n < N; ++n)
            result[n] = (numbers.of[0][n] - middle) * scale * widen(gains.numbers[n]);
        if (bias) {
            const Group<T, N> biases = fetch<T, N>(bias, first);
            for (int n = 0; n < N; ++n)
                result[n] += widen(biases.numbers[n]);
        }
        store<T, N>(y + row * width, first, result);
    });
    if (Team<BLOCK>::thread() == 0) {
        if (mean)
            mean[row] = middle;
        rstd[row] = scale;
    }
}

template <typename T, int N, bool BLOCK>
__device__ void backward(const T *x, const wide<T> *mean, const wide<T> *rstd, const T *gain, const T *dy, T *dx,
                         long long rows, int width) {
    using W = wide<T>;
    const long long row = Team<BLOCK>::row();
    if (row >= rows)
        return;
    Part<T, N, BLOCK, 2> part{{x + row * width, dy + row * width}, width / N};
    part.keep();
    const W middle = mean ? mean[row] : W(0), scale = rstd[row];
    W sum = 0, product = 0;
    part.each([&](const auto &numbers, int first) {
        const Group<T, N> gains = fetch<T, N>(gain, first);
        for (int n = 0; n < N; ++n) {
            const W s = numbers.of[1][n] * widen(gains.numbers[n]);
            sum += s;
            product += s * ((numbers.of[0][n] - middle) * scale);
        }
    });
    sum = mean ? Team<BLOCK>::sum(sum) / width : W(0);
    product = Team<BLOCK>::sum(product) / width;
    part.each([&](const auto &numbers, int first) {
        const Group<T, N> gains = fetch<T, N>(gain, first);
        W result[N];
        for (int n = 0; n < N; ++n) {
            const W h = (numbers.of[0][n] - middle) * scale;
            result[n] = scale * (numbers.of[1][n] * widen(gains.numbers[n]) - sum - h * product);
        }
        store<T, N>(dx + row * width, first, result);
    });
}

// The first stage of the sums over rows: block (c, b) sums the columns of its 32 groups over every `gridDim.y`-th part of
// the rows, its warps taking turns, and leaves two rows of `partial` (blocks, 2, width): dgain, dbias.
template <typename T, int N>
__device__ void sums(const T *x, const wide<T> *mean, const wide<T> *rstd, const T *dy, wide<T> *partial,
                     long long rows, int width) {
    using W = wide<T>;
    constexpr int WARPS = 8;
    __shared__ W of_warp[WARPS][2][32 * N + 1];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, first = (blockIdx.x * 32 + lane) * N;
    const long long share = (rows + gridDim.y - 1) / gridDim.y, begin = blockIdx.y * share;
    const long long end = begin + share < rows ? begin + share : rows;
    W gains[N] = {}, biases[N] = {};
    if (first < width) {
#pragma unroll 4  // so that several rows are on their way at once
        for (long long row = begin + warp; row < end; row += WARPS) {
            const Group<T, N> numbers = fetch<T, N>(x + row * width, first), slopes = fetch<T, N>(dy + row * width, first);
            const W middle = mean ? mean[row] : W(0), scale = rstd[row];
#pragma unroll
            for (int n = 0; n < N; ++n) {
                const W slope = widen(slopes.numbers[n]);
                gains[n] += slope * ((widen(numbers.numbers[n]) - middle) * scale);
                biases[n] += slope;
            }
        }
    }
    for (int n = 0; n < N; ++n) {
        of_warp[warp][0][n * 32 + lane] = gains[n];
        of_warp[warp][1][n * 32 + lane] = biases[n];
    }
    __syncthreads();
    for (int which = threadIdx.x; which < 2 * 32 * N; which += blockDim.x) {
        const int kind = which / (32 * N), column = which % (32 * N);
        const int at = blockIdx.x * 32 * N + column;
        W total = 0;
        for (int other = 0; other < WARPS; ++other)
            total += of_warp[other][kind][column % N * 32 + column / N];
        if (at < width)
            partial[(blockIdx.y * 2ll + kind) * width + at] = total;
    }
}

// The second stage: a thread for each of the 2 * width sums.
template <typename W>
__device__ void join(const W *partial, W *slopes, int blocks, int columns) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= columns)
        return;
    W total = 0;
    for (int block = 0; block < blocks; ++block)
        total += partial[(long long)block * columns + column];
    slopes[column] = total;
}

template <typename T>
__device__ bool in_packs(int width, const T *a, const T *b, const T *c, const T *d) {
    return width % Pack<T>::length == 0 && aligned(a) && aligned(b) && aligned(c) && aligned(d);
}

// Which of the four ways a row goes, all threads alike.
#define EACH_WAY(T, packs, function, ...)                                                                          \
    const bool by_block = threads_of_row > 32;                                                                     \
    if ((packs) && by_block)                                                                                       \
        function<T, Pack<T>::length, true>(__VA_ARGS__);                                                           \
    else if (packs)                                                                                                \
        function<T, Pack<T>::length, false>(__VA_ARGS__);                                                          \
    else if (by_block)                                                                                             \
        function<T, 1, true>(__VA_ARGS__);                                                                         \
    else                                                                                                           \
        function<T, 1, false>(__VA_ARGS__);

#define LAYER_NORM(DTYPE, T)                                                                                       \
    extern "C" __global__ void __launch_bounds__(MOST_THREADS) layer_norm_forward_##DTYPE(                         \
        const T *x, const T *gain, const T *bias, T *y, wide<T> *mean, wide<T> *rstd, long long rows, int width,   \
        wide<T> eps, int threads_of_row) {                                                                         \
        EACH_WAY(T, in_packs(width, x, y, gain, bias), forward, x, gain, bias, y, mean, rstd, rows, width, eps)    \
    }                                                                                                              \
    extern "C" __global__ void __launch_bounds__(MOST_THREADS) layer_norm_backward_##DTYPE(                        \
        const T *x, const wide<T> *mean, const wide<T> *rstd, const T *gain, const T *dy, T *dx, long long rows,   \
        int width, int threads_of_row) {                                                                           \
        EACH_WAY(T, in_packs(width, x, dy, dx, gain), backward, x, mean, rstd, gain, dy, dx, rows, width)          \
    }                                                                                                              \
    extern "C" __global__ void __launch_bounds__(256) layer_norm_sums_##DTYPE(                                     \
        const T *x, const wide<T> *mean, const wide<T> *rstd, const T *dy, wide<T> *partial, long long rows,       \
        int width, int packs) {                                                                                    \
        if (packs)                                                                                                 \
            sums<T, Pack<T>::length>(x, mean, rstd, dy, partial, rows, width);                                     \
        else                                                                                                       \
            sums<T, 1>(x, mean, rstd, dy, partial, rows, width);                                                   \
    }

LAYER_NORM(float32, float)
LAYER_NORM(float64, double)
LAYER_NORM(float16, __half)
LAYER_NORM(bfloat16, __nv_bfloat16)

extern "C" __global__ void layer_norm_join_float32(const float *partial, float *slopes, int blocks, int columns) {
    join(partial, slopes, blocks, columns);
}
extern "C" __global__ void layer_norm_join_float64(const double *partial, double *slopes, int blocks, int columns) {
    join(partial, slopes, blocks, columns);
}
