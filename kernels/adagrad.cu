// One step of Adagrad over flat vectors, 20 bytes an element in float32, or over some rows of a table.
//
//     slope  = scale * gradient + weight_decay * value
//     total += slope^2
//     value -= lr * (slope / (sqrt(total) + eps))
//
// The NumPy twin is mpitrain/ops/adagrad.py. Both round after each operation, so this file wants a compiler that does
// not contract any.
//
// Rounds after each operation: --fmad=false

#include "flat.cuh"

template <typename T, typename G, typename C>
struct Adagrad {
    T *values;
    const G *gradients;
    T *total;
    C *copy;
    const unsigned char *decayed;
    T lr, eps, decay, factor;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        Group<T, N> slope = read_slopes<N>(gradients, i, factor), sum = read<N>(total, i), value = read<N>(values, i);
        const unsigned int bits = decaying<N>(decayed, i);
        for (int k = 0; k < N; ++k) {
            if (decay != 0 && bits >> k & 1)
                slope[k] = slope[k] + decay * value[k];
            sum[k] = sum[k] + slope[k] * slope[k];
            value[k] = value[k] - lr * (slope[k] / (root(sum[k]) + eps));
        }
        write<N>(total, i, sum);
        write_values<N>(values, copy, i, value);
    }

    __device__ bool packed() const {
        constexpr int N = 16 / sizeof(T);
        return fits<N>(values) && fits<N>(gradients) && fits<N>(total) && fits<N>(copy);
    }
};

#define ADAGRAD(SUFFIX, T, G, C)                                                                                 \
    extern "C" __global__ void adagrad_##SUFFIX(T *values, const G *gradients, T *total, C *copy,                \
                                                const unsigned char *decayed, T lr, T eps, T decay, T scale,     \
                                                const float *scale_here, long long count) {                      \
        const T factor = Scale<T>{scale, scale_here}.factor();                                                   \
        const Adagrad<T, G, C> step{values, gradients, total, copy, decayed, lr, eps, decay, factor};            \
        walk_all<16 / sizeof(T)>(step, step.packed(), count);                                                    \
    }
FOR_ALL_TYPES(ADAGRAD)

// A block for each number in `ids`. Of those that name the same row the first to claim it does the row; which it is
// makes no difference to the result. `claimed`, one number a row, starts as 0.
#define ADAGRAD_ROWS(SUFFIX, T, G, C)                                                                            \
    extern "C" __global__ void adagrad_rows_##SUFFIX(T *values, const G *gradients, T *total, C *copy,           \
                                                     const long long *ids, int *claimed, T lr, T eps,            \
                                                     T scale, const float *scale_here, long long width) {        \
        __shared__ bool mine;                                                                                    \
        const long long row = ids[blockIdx.x];                                                                   \
        if (threadIdx.x == 0)                                                                                    \
            mine = atomicExch(&claimed[row], 1) == 0;                                                             \
        __syncthreads();                                                                                         \
        if (!mine)                                                                                               \
            return;                                                                                              \
        const T factor = Scale<T>{scale, scale_here}.factor();                                                   \
        const Adagrad<T, G, C> step{values, gradients, total, copy, nullptr, lr, eps, T(0), factor};             \
        const long long start = row * width;                                                                     \
        walk<16 / sizeof(T)>(step, step.packed(), start, start + width, threadIdx.x, blockDim.x);                \
    }
FOR_ALL_TYPES(ADAGRAD_ROWS)
