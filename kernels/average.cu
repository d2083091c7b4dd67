// A moving average of a flat vector: average += take * (value - average), 12 bytes an element in float32. The NumPy
// twin is mpitrain/ops/average.py. Both round after each operation, so this file wants a compiler that does not
// contract any.
//
// Rounds after each operation: --fmad=false

#include "flat.cuh"

template <typename T>
struct Average {
    T *average;
    const T *values;
    T take;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        Group<T, N> own = read<N>(average, i);
        const Group<T, N> value = read<N>(values, i);
        for (int k = 0; k < N; ++k)
            own[k] = own[k] + take * (value[k] - own[k]);
        write<N>(average, i, own);
    }
};

#define AVERAGE(NAME, T)                                                                                     \
    extern "C" __global__ void average_##NAME(T *average, const T *values, T take, long long count) {        \
        constexpr int N = 16 / sizeof(T);                                                                    \
        walk_all<N>(Average<T>{average, values, take}, fits<N>(average) && fits<N>(values), count);          \
    }
AVERAGE(float32, float)
AVERAGE(float64, double)
