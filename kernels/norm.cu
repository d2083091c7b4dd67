// The sum of the squares of a vector, in double, which also tells whether all of it is finite: no square of a float
// overflows there. ladder/norm_1.cu to norm_3.cu lead here; the new idea is to read 16 bytes at a time.
//
// A block leaves one partial sum, and a second launch adds them up in their order. So the result depends on the number
// of blocks, which the launch fixes, and on nothing else: no atomic addition, whose order changes from run to run.

#include "flat.cuh"
#include "warp.cuh"

template <typename T>
struct Squares {
    const T *vector;
    double *sum;  // of this thread

    template <int N>
    __device__ __forceinline__ void at(long long i) const {
        const Group<T, N> numbers = read<N>(vector, i);
        for (int k = 0; k < N; ++k) {
            const double number = widen(numbers[k]);
            *sum += number * number;
        }
    }
};

#define SUM_OF_SQUARES(NAME, T)                                                                                  \
    extern "C" __global__ void sum_of_squares_##NAME(const T *vector, double *partial, long long count) {        \
        constexpr int N = 16 / sizeof(T);                                                                        \
        double sum = 0;                                                                                          \
        walk_all<N>(Squares<T>{vector, &sum}, fits<N>(vector), count);                                           \
        sum = over_block<Sum>(sum);                                                                              \
        if (threadIdx.x == 0)                                                                                    \
            partial[blockIdx.x] = sum;                                                                           \
    }
SUM_OF_SQUARES(float64, double)
SUM_OF_SQUARES(float32, float)
SUM_OF_SQUARES(float16, __half)
SUM_OF_SQUARES(bfloat16, __nv_bfloat16)

// One block for each sum: sums[i] of the partial sums [ranges[2 i], ranges[2 i + 1]), or of all `count` if there are no
// ranges. With more than one kind of sum those of a kind lie behind each other, in `partial` and in `sums`.
extern "C" __global__ void add_partial(const double *partial, const long long *ranges, long long count, int sums_a_kind,
                                       double *sums) {
    const int which = blockIdx.x % sums_a_kind, kind = blockIdx.x / sums_a_kind;
    const long long first = ranges ? ranges[2 * which] : 0, last = ranges ? ranges[2 * which + 1] : count;
    double sum = 0;
    for (long long j = first + threadIdx.x; j < last; j += blockDim.x)
        sum += partial[kind * count + j];
    sum = over_block<Sum>(sum);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum;
}

// What clips scale * vector to a norm of `limit`: see mpitrain/optim/clip.py.
extern "C" __global__ void clip_factor(const double *squares, double limit, double scale, double *norm, float *factor) {
    const double length = fabs(scale) * sqrt(*squares), share = limit / (length + 1e-6);
    *norm = length;
    *factor = (float)(scale * (share < 1 ? share : 1));
}
