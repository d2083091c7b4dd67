// One step of Lion over flat vectors: 20 bytes an element in float32.
//
//     slope  = scale * gradient
//     value  = (1 - lr * weight_decay) * value - lr * sign(beta1 * mean + (1 - beta1) * slope)
//     mean   = beta2 * mean + (1 - beta2) * slope
//
// The NumPy twin is mpitrain/ops/lion.py. Both round after each operation, so this file wants a compiler that does not
// contract any.
//
// Rounds after each operation: --fmad=false

#include "flat.cuh"

template <typename T, typename G, typename C>
struct Lion {
    T *values;
    const G *gradients;
    T *mean;
    C *copy;
    const unsigned char *decayed;
    T blend, mix, keep, take;  // beta and 1 - beta of the direction and of the mean
    T lr, shrink, factor;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<T, N> slope = read_slopes<N>(gradients, i, factor);
        Group<T, N> first = read<N>(mean, i), value = read<N>(values, i);
        const unsigned int bits = decaying<N>(decayed, i);
        for (int k = 0; k < N; ++k) {
            const T way = blend * first[k] + mix * slope[k];
            const T sign = way > 0 ? T(1) : way < 0 ? T(-1) : way;  // 0 and NaN stay
            value[k] = (bits >> k & 1 ? shrink * value[k] : value[k]) - lr * sign;
            first[k] = keep * first[k] + take * slope[k];
        }
        write<N>(mean, i, first);
        write_values<N>(values, copy, i, value);
    }

    __device__ bool packed() const {
        constexpr int N = 16 / sizeof(T);
        return fits<N>(values) && fits<N>(gradients) && fits<N>(mean) && fits<N>(copy);
    }
};

#define LION(SUFFIX, T, G, C)                                                                                          \
    extern "C" __global__ void lion_##SUFFIX(T *values, const G *gradients, T *mean, C *copy,                          \
                                             const unsigned char *decayed, T blend, T mix, T keep, T take, T lr,       \
                                             T shrink, T scale, const float *scale_here, long long count) {            \
        const T factor = Scale<T>{scale, scale_here}.factor();                                                         \
        const Lion<T, G, C> step{values, gradients, mean, copy, decayed, blend, mix, keep, take, lr, shrink, factor};  \
        walk_all<16 / sizeof(T)>(step, step.packed(), count);                                                          \
    }
FOR_ALL_TYPES(LION)
