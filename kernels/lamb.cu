// One step of LAMB over a flat vector of several layers, in two passes: 40 bytes an element in float32. The first moves
// the moments and leaves the norms' partial sums, which norm.cu adds up; the second steps.
//
//     mean   = beta1 * mean + (1 - beta1) * slope               with slope = scale * gradient
//     square = beta2 * square + (1 - beta2) * slope^2
//     move   = correct * (mean / (sqrt(square) + floor)) + weight_decay * value
//     value -= lr * ratio * move                                with ratio = |value| / |move|
//
// correct and floor hold the corrections of the moments, as in adamw.cu. To keep the moves between the passes instead
// of computing them twice would move as many bytes and take a vector more. The NumPy twin is mpitrain/ops/lamb.py.
//
// Rounds after each operation: --fmad=false

#include "layers.cuh"

template <typename T>
struct Move {
    T correct, floor, decay;
    __device__ __forceinline__ T operator()(T value, T first, T second) const {
        const T adam = correct * (first / (root(second) + floor));
        return decay != 0 ? adam + decay * value : adam;
    }
};

template <typename T, typename G>
struct Moments {
    const T *values;
    const G *gradients;
    T *mean, *square;
    T keep1, take1, keep2, take2;  // beta and 1 - beta of both moments
    Move<T> move;
    T factor;
    bool inside;                // of a layer, whose norms are wanted
    double *lengths, *moves;    // of this thread

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<T, N> slope = read_slopes<N>(gradients, i, factor);
        Group<T, N> first = read<N>(mean, i), second = read<N>(square, i);
        for (int k = 0; k < N; ++k) {
            first[k] = keep1 * first[k] + take1 * slope[k];
            second[k] = keep2 * second[k] + take2 * (slope[k] * slope[k]);
        }
        write<N>(mean, i, first);
        write<N>(square, i, second);
        if (!inside)
            return;
        const Group<T, N> value = read<N>(values, i);
        for (int k = 0; k < N; ++k) {
            const double v = value[k], m = move(value[k], first[k], second[k]);
            *lengths += v * v;
            *moves += m * m;
        }
    }

    __device__ bool packed() const {
        constexpr int N = 16 / sizeof(T);
        return fits<N>(values) && fits<N>(gradients) && fits<N>(mean) && fits<N>(square);
    }
};

#define LAMB_MOMENTS(SUFFIX, T, G)                                                                                    \
    extern "C" __global__ void lamb_moments_##SUFFIX(                                                                 \
        const T *values, const G *gradients, T *mean, T *square, const long long *edges, const int *layer,            \
        double *partial, T keep1, T take1, T keep2, T take2, T correct, T floor, T decay, T scale,                    \
        const float *scale_here) {                                                                                    \
        const Chunks chunks{edges, layer};                                                                            \
        const T factor = Scale<T>{scale, scale_here}.factor();                                                        \
        double lengths = 0, moves = 0;                                                                                \
        const Moments<T, G> step{values, gradients, mean,  square, keep1, take1, keep2, take2,                        \
                                 Move<T>{correct, floor, decay}, factor, chunks.own() >= 0, &lengths, &moves};        \
        walk_chunk<16 / sizeof(T)>(step, step.packed(), chunks);                                                      \
        leave(lengths, moves, partial);                                                                               \
    }
LAMB_MOMENTS(float64, double, double)
LAMB_MOMENTS(float32, float, float)
LAMB_MOMENTS(float16, float, __half)
LAMB_MOMENTS(bfloat16, float, __nv_bfloat16)

template <typename T, typename C>
struct Lamb {
    T *values;
    const T *mean, *square;
    C *copy;
    Move<T> move;
    T rate;  // lr * ratio

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<T, N> first = read<N>(mean, i), second = read<N>(square, i);
        Group<T, N> value = read<N>(values, i);
        for (int k = 0; k < N; ++k)
            value[k] = value[k] - rate * move(value[k], first[k], second[k]);
        write_values<N>(values, copy, i, value);
    }

    __device__ bool packed() const {
        constexpr int N = 16 / sizeof(T);
        return fits<N>(values) && fits<N>(mean) && fits<N>(square) && fits<N>(copy);
    }
};

// sums: the squares of every layer's values, then those of its moves.
#define LAMB(SUFFIX, T, C)                                                                                           \
    extern "C" __global__ void lamb_##SUFFIX(T *values, const T *mean, const T *square, C *copy,                     \
                                             const long long *edges, const int *layer, const double *sums,           \
                                             int layers, double lr, T correct, T floor, T decay) {                   \
        const Chunks chunks{edges, layer};                                                                           \
        const int own = chunks.own();                                                                                \
        const double rate = own >= 0 ? lr * ratio(sqrt(sums[own]), sqrt(sums[layers + own])) : lr;                   \
        const Move<T> move{correct, floor, own >= 0 ? decay : T(0)};                                                 \
        const Lamb<T, C> step{values, mean, square, copy, move, T(rate)};                                            \
        walk_chunk<16 / sizeof(T)>(step, step.packed(), chunks);                                                     \
    }
LAMB(float64, double, double)
LAMB(float32, float, float)
LAMB(float16, float, __half)
LAMB(bfloat16, float, __nv_bfloat16)
