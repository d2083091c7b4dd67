// One step of LARS over a flat vector of several layers, in two passes: 28 bytes an element in float32, of which the
// first pass reads 8 for the norms. Between the two norm.cu adds up the partial sums of each layer.
//
//     slope    = scale * gradient + weight_decay * value
//     velocity = momentum * velocity + lr * ratio * slope
//     value   -= velocity
//     ratio    = trust * |value| / (|scale * gradient| + weight_decay * |value|)
//
// The NumPy twin is mpitrain/ops/lars.py.
//
// Rounds after each operation: --fmad=false

#include "layers.cuh"

template <typename T, typename G>
struct Norms {
    const T *values;
    const G *gradients;
    double *lengths, *slopes;  // of this thread

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<T, N> value = read<N>(values, i);
        const Group<G, N> gradient = read<N>(gradients, i);
        for (int k = 0; k < N; ++k) {
            const double v = value[k], g = widen(gradient[k]);
            *lengths += v * v;
            *slopes += g * g;
        }
    }
};

#define LARS_NORMS(SUFFIX, T, G)                                                                                     \
    extern "C" __global__ void lars_norms_##SUFFIX(const T *values, const G *gradients, const long long *edges,      \
                                                   const int *layer, double *partial) {                              \
        constexpr int N = 16 / sizeof(T);                                                                            \
        double lengths = 0, slopes = 0;                                                                              \
        const Norms<T, G> norms{values, gradients, &lengths, &slopes};                                               \
        const Chunks chunks{edges, layer};                                                                           \
        if (chunks.own() >= 0)                                                                                       \
            walk_chunk<N>(norms, fits<N>(values) && fits<N>(gradients), chunks);                                     \
        leave(lengths, slopes, partial);                                                                             \
    }
LARS_NORMS(float64, double, double)
LARS_NORMS(float32, float, float)
LARS_NORMS(float16, float, __half)
LARS_NORMS(bfloat16, float, __nv_bfloat16)

template <typename T, typename G, typename C>
struct Lars {
    T *values;
    const G *gradients;
    T *velocity;
    C *copy;
    T rate, momentum, decay, factor;  // rate is lr * ratio

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        Group<T, N> slope = read_slopes<N>(gradients, i, factor), speed = read<N>(velocity, i);
        Group<T, N> value = read<N>(values, i);
        for (int k = 0; k < N; ++k) {
            if (decay != 0)
                slope[k] = slope[k] + decay * value[k];
            speed[k] = momentum * speed[k] + rate * slope[k];
            value[k] = value[k] - speed[k];
        }
        write<N>(velocity, i, speed);
        write_values<N>(values, copy, i, value);
    }

    __device__ bool packed() const {
        constexpr int N = 16 / sizeof(T);
        return fits<N>(values) && fits<N>(gradients) && fits<N>(velocity) && fits<N>(copy);
    }
};

// sums: the squares of every layer's values, then those of its gradients.
#define LARS(SUFFIX, T, G, C)                                                                                         \
    extern "C" __global__ void lars_##SUFFIX(T *values, const G *gradients, T *velocity, C *copy,                     \
                                             const long long *edges, const int *layer, const double *sums,            \
                                             int layers, double lr, double decay, double trust, T momentum, T scale,  \
                                             const float *scale_here) {                                               \
        const Chunks chunks{edges, layer};                                                                            \
        const T factor = Scale<T>{scale, scale_here}.factor();                                                        \
        const int own = chunks.own();                                                                                 \
        double rate = lr;                                                                                             \
        if (own >= 0) {                                                                                               \
            const double length = sqrt(sums[own]), slope = sqrt(sums[layers + own]);                                  \
            rate *= ratio(trust * length, slope * factor + decay * length);                                           \
        }                                                                                                             \
        const Lars<T, G, C> step{values,  gradients, velocity,                 copy,                                  \
                                 T(rate), momentum,  T(own >= 0 ? decay : 0),  factor};                               \
        walk_chunk<16 / sizeof(T)>(step, step.packed(), chunks);                                                      \
    }
FOR_ALL_TYPES(LARS)
