// The sum over the rows of a matrix, which is the gradient of a bias: each number is read once, the sum is that of
// float32 (double for double) rounded once, and the same bits come every time.
//
// Two launches. In the first, blocks share the rows: a thread keeps to its columns, 16 bytes of a row at a time where
// rows lie on such boundaries (`packed`), and goes down its block's rows; then the first thread of a column takes what
// the others of its block have found, from shared memory. That gives a matrix with a row for each block. In the second
// launch one block a column does the same with that matrix. Nobody adds to what another adds to, so that the order is
// always one.

#include "numbers.cuh"
#include "group.cuh"

// out, or in the first launch row blockIdx.y of it, = (accumulate ? out : 0) + the sum over this block's rows.
template <typename T, typename Out, int length>
__device__ void row_sum(const T *matrix, Out *out, long long rows, long long width, int accumulate) {
    using W = wide<T>;
    extern __shared__ __align__(16) unsigned char shared[];
    W *const found = (W *)shared;  // length numbers for each thread, neighbours beside each other
    const int threads = blockDim.x * blockDim.y, thread = threadIdx.y * blockDim.x + threadIdx.x;
    const long long column = (blockIdx.x * (long long)blockDim.x + threadIdx.x) * length;
    W sums[length] = {};
    if (column < width) {
        const long long step = gridDim.y * (long long)blockDim.y;
#pragma unroll 4
        for (long long row = blockIdx.y * (long long)blockDim.y + threadIdx.y; row < rows; row += step) {
            const Group<T, length> group = *(const Group<T, length> *)(matrix + row * width + column);
            for (int k = 0; k < length; ++k)
                sums[k] += widen(group.numbers[k]);
        }
    }
    for (int k = 0; k < length; ++k)
        found[k * threads + thread] = sums[k];
    __syncthreads();
    if (threadIdx.y > 0 || column >= width)
        return;
    for (int k = 0; k < length; ++k) {
        Out *const place = out + blockIdx.y * width + column + k;
        W sum = accumulate ? W(widen(*place)) : W(0);
        for (int y = 0; y < blockDim.y; ++y)
            sum += found[k * threads + y * blockDim.x + threadIdx.x];
        *place = narrow<Out>(sum);
    }
}

#define KERNELS(NAME, T)                                                                                          \
    extern "C" __global__ void row_sum_begin_##NAME(const T *matrix, wide<T> *out, int packed, long long rows,    \
                                                    long long width) {                                            \
        if (packed)                                                                                               \
            row_sum<T, wide<T>, Pack<T>::length>(matrix, out, rows, width, 0);                                    \
        else                                                                                                      \
            row_sum<T, wide<T>, 1>(matrix, out, rows, width, 0);                                                  \
    }                                                                                                             \
    extern "C" __global__ void row_sum_end_##NAME(const wide<T> *parts, T *out, int accumulate, long long rows,   \
                                                  long long width) {                                              \
        row_sum<wide<T>, T, 1>(parts, out, rows, width, accumulate);                                              \
    }

KERNELS(float32, float)
KERNELS(float64, double)
KERNELS(float16, __half)
KERNELS(bfloat16, __nv_bfloat16)
