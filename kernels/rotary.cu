// Rotary positions, in place: pair i of each head at position p is turned by the angle p base^(-2i / width) (Su et al.
// 2021, equation 34). A thread turns one pair of all heads at its position: the angle, in double precision since float
// would lose a thousandth of a turn at position 10,000, is computed once for all of them.
//
// Row r of `rows` starts at x + r * stride and stands at position r % length. The NumPy twin is mpitrain/ops/rotary.py.

#include "numbers.cuh"

template <typename T>
__device__ void rotate(T *x, long long rows, int length, int heads, int width, long long stride, double base, int back) {
    const int pairs = width / 2;
    const long long threads = gridDim.x * (long long)blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < rows * pairs; i += threads) {
        const long long row = i / pairs;
        const int pair = i % pairs;
        const double angle = (row % length) * pow(base, -2.0 * pair / width);
        const wide<T> cosine = cos(angle), sine = back ? -sin(angle) : sin(angle);
        T *numbers = x + row * stride + 2 * pair;
        for (int head = 0; head < heads; ++head, numbers += width) {
            const wide<T> a = widen(numbers[0]), b = widen(numbers[1]);
            numbers[0] = narrow<T>(a * cosine - b * sine);
            numbers[1] = narrow<T>(a * sine + b * cosine);
        }
    }
}

#define ROTARY(DTYPE, T)                                                                                           \
    extern "C" __global__ void rotary_##DTYPE(T *x, long long rows, int length, int heads, int width,              \
                                              long long stride, double base, int back) {                           \
        rotate(x, rows, length, heads, width, stride, base, back);                                                 \
    }

ROTARY(float32, float)
ROTARY(float64, double)
ROTARY(float16, __half)
ROTARY(bfloat16, __nv_bfloat16)
