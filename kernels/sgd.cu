// One step of SGD with momentum over flat vectors.
//
//     slope    = scale * gradient + weight_decay * value
//     velocity = momentum * velocity + slope
//     value   -= lr * velocity                            (plain)
//     value   -= lr * (slope + momentum * velocity)       (Nesterov)
//
// The NumPy twin is mpitrain/ops/sgd.py. Both round after each multiplication and each addition, in this order, so this
// file wants a compiler that does not contract them into fused multiply-adds (NVRTC --fmad=false, g++
// -ffp-contract=off). That costs nothing: the step waits for memory, 20 bytes an element in float32.
//
// Rounds after each operation: --fmad=false

#include "flat.cuh"

template <typename T, typename G, typename C>
struct Sgd {
    T *values;
    const G *gradients;
    T *velocity;
    C *copy;
    const unsigned char *decayed;
    T lr, momentum, decay, factor;
    bool nesterov;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        Group<T, N> slope = read_slopes<N>(gradients, i, factor), speed = read<N>(velocity, i);
        Group<T, N> value = read<N>(values, i);
        const unsigned int bits = decaying<N>(decayed, i);
        for (int k = 0; k < N; ++k) {
            if (decay != 0 && bits >> k & 1)
                slope[k] = slope[k] + decay * value[k];
            speed[k] = momentum * speed[k] + slope[k];
            value[k] = value[k] - lr * (nesterov ? slope[k] + momentum * speed[k] : speed[k]);
        }
        write<N>(velocity, i, speed);
        write_values<N>(values, copy, i, value);
    }

    __device__ bool packed() const {
        constexpr int N = 16 / sizeof(T);
        return fits<N>(values) && fits<N>(gradients) && fits<N>(velocity) && fits<N>(copy);
    }
};

#define SGD(SUFFIX, T, G, C)                                                                                        \
    extern "C" __global__ void sgd_##SUFFIX(T *values, const G *gradients, T *velocity, C *copy,                    \
                                            const unsigned char *decayed, T lr, T momentum, T decay, int nesterov,  \
                                            T scale, const float *scale_here, long long count) {                    \
        const T factor = Scale<T>{scale, scale_here}.factor();                                                      \
        const Sgd<T, G, C> step{values, gradients, velocity, copy,   decayed,                                       \
                                lr,     momentum,  decay,    factor, nesterov != 0};                                \
        walk_all<16 / sizeof(T)>(step, step.packed(), count);                                                       \
    }
FOR_ALL_TYPES(SGD)
