// A vector in another type, rounded to nearest, ties to even; what is too large becomes infinite. As many elements at a
// time as are 16 bytes in the wider of the two types. From double to a half type it goes by float, and so rounds twice.

#include "flat.cuh"

template <typename From, typename To>
struct Cast {
    const From *from;
    To *to;

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<From, N> given = read<N>(from, i);
        Group<To, N> cast;
        for (int k = 0; k < N; ++k)
            cast[k] = narrow<To>((wide<To>)widen(given[k]));
        write<N>(to, i, cast);
    }
};

#define CAST(SUFFIX, From, To)                                                                             \
    extern "C" __global__ void cast_##SUFFIX(const From *from, To *to, long long count) {                  \
        constexpr int N = 16 / (sizeof(From) > sizeof(To) ? sizeof(From) : sizeof(To));                    \
        walk_all<N>(Cast<From, To>{from, to}, fits<N>(from) && fits<N>(to), count);                        \
    }
CAST(float32_float16, float, __half)
CAST(float32_bfloat16, float, __nv_bfloat16)
CAST(float32_float64, float, double)
CAST(float16_float32, __half, float)
CAST(float16_bfloat16, __half, __nv_bfloat16)
CAST(float16_float64, __half, double)
CAST(bfloat16_float32, __nv_bfloat16, float)
CAST(bfloat16_float16, __nv_bfloat16, __half)
CAST(bfloat16_float64, __nv_bfloat16, double)
CAST(float64_float32, double, float)
CAST(float64_float16, double, __half)
CAST(float64_bfloat16, double, __nv_bfloat16)
