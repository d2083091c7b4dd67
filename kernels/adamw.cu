// One step of Adam or AdamW over flat vectors: 28 bytes an element, be it in float32 alone or with float32 values,
// bfloat16 gradients in and bfloat16 values out.
//
//     slope  = scale * gradient                                 (AdamW)
//     slope  = scale * gradient + weight_decay * value          (Adam)
//     mean   = beta1 * mean + (1 - beta1) * slope
//     square = beta2 * square + (1 - beta2) * slope^2
//     value  = (1 - lr * weight_decay) * value                  (AdamW)
//     value -= rate * mean / (sqrt(square) + floor)
//
// rate and floor hold the corrections of the moments; mpitrain/ops/adamw.py, the NumPy twin, tells how. Both round
// after each operation, so this file wants a compiler that does not contract any.
//
// Rounds after each operation: --fmad=false

#include "flat.cuh"

template <typename T>
struct Numbers {
    T keep1, take1, keep2, take2;  // beta and 1 - beta of both moments
    T rate, floor;
    T decay;   // of Adam, else 0
    T shrink;  // 1 - lr * weight_decay of AdamW, else 1
};

template <typename T, typename G, typename C>
struct Adamw {
    T *values;
    const G *gradients;
    T *mean, *square;
    C *copy;
    const unsigned char *decayed;
    Numbers<T> by;
    T factor;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        Group<T, N> slope = read_slopes<N>(gradients, i, factor), value = read<N>(values, i);
        Group<T, N> first = read<N>(mean, i), second = read<N>(square, i);
        const unsigned int bits = decaying<N>(decayed, i);
        for (int k = 0; k < N; ++k) {
            const bool decays = bits >> k & 1;
            if (by.decay != 0 && decays)
                slope[k] = slope[k] + by.decay * value[k];
            first[k] = by.keep1 * first[k] + by.take1 * slope[k];
            second[k] = by.keep2 * second[k] + by.take2 * (slope[k] * slope[k]);
            const T move = by.rate * (first[k] / (root(second[k]) + by.floor));
            value[k] = (decays ? by.shrink * value[k] : value[k]) - move;
        }
        write<N>(mean, i, first);
        write<N>(square, i, second);
        write_values<N>(values, copy, i, value);
    }

    __device__ bool packed() const {
        constexpr int N = 16 / sizeof(T);
        return fits<N>(values) && fits<N>(gradients) && fits<N>(mean) && fits<N>(square) && fits<N>(copy);
    }
};

#define ADAMW(SUFFIX, T, G, C)                                                                                       \
    extern "C" __global__ void adamw_##SUFFIX(T *values, const G *gradients, T *mean, T *square, C *copy,            \
                                              const unsigned char *decayed, T keep1, T take1, T keep2, T take2,      \
                                              T rate, T floor, T decay, T shrink, T scale, const float *scale_here,  \
                                              long long count) {                                                     \
        const T factor = Scale<T>{scale, scale_here}.factor();                                                       \
        const Numbers<T> by{keep1, take1, keep2, take2, rate, floor, decay, shrink};                                 \
        const Adamw<T, G, C> step{values, gradients, mean, square, copy, decayed, by, factor};                       \
        walk_all<16 / sizeof(T)>(step, step.packed(), count);                                                        \
    }
FOR_ALL_TYPES(ADAMW)
