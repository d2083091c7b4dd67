// Rows of matrices, by whole groups of numbers: a thread's part of one row, or of the same row of two matrices, kept in
// registers.

#include "group.cuh"
#include "numbers.cuh"
#include "warp.cuh"

template <typename T>
constexpr int HELD = 64 / sizeof(wide<T>);  // numbers of a row that a thread keeps in registers: 16, or 8 doubles

// Who works on a row: the whole block, or one warp of it.
template <bool BLOCK>
struct Team {
    static __device__ int threads() { return BLOCK ? blockDim.x : 32; }
    static __device__ int thread() { return BLOCK ? threadIdx.x : threadIdx.x % 32; }
    static __device__ long long row() {
        return BLOCK ? blockIdx.x : blockIdx.x * (long long)(blockDim.x / 32) + threadIdx.x / 32;
    }
    template <typename W>
    static __device__ W sum(W value) {
        if constexpr (BLOCK)
            return over_block<Sum>(value);
        else
            return over_warp<Sum>(value);
    }
};

// A thread's part of a row, or of several side by side. `keep` loads as much of it as there are registers for; `each`
// calls visit(numbers, first) for each group: N numbers of each row, widened, and the column of the first of them. What
// was not kept is loaded anew.
template <typename T, int N, bool BLOCK, int ROWS>
struct Part {
    using W = wide<T>;
    static constexpr int GROUPS = HELD<T> / N;
    struct Numbers {
        W of[ROWS][N];
    };
    const T *rows[ROWS];
    int groups;
    Numbers held[GROUPS];

    __device__ Numbers load(int group) const {
        Numbers loaded;
#pragma unroll
        for (int row = 0; row < ROWS; ++row) {
            const Group<T, N> raw = ((const Group<T, N> *)rows[row])[group];
#pragma unroll
            for (int n = 0; n < N; ++n)
                loaded.of[row][n] = widen(raw.numbers[n]);
        }
        return loaded;
    }

    __device__ void keep() {
#pragma unroll
        for (int k = 0; k < GROUPS; ++k) {
            const int group = Team<BLOCK>::thread() + k * Team<BLOCK>::threads();
            if (group < groups)
                held[k] = load(group);
        }
    }

    template <typename Visit>
    __device__ void each(Visit visit) const {
        int group = Team<BLOCK>::thread();
#pragma unroll
        for (int k = 0; k < GROUPS; ++k, group += Team<BLOCK>::threads())
            if (group < groups)
                visit(held[k], group * N);
        for (; group < groups; group += Team<BLOCK>::threads())
            visit(load(group), group * N);
    }
};

template <typename T, int N>
__device__ void store(T *row, int first, const wide<T> (&numbers)[N]) {
    Group<T, N> raw;
#pragma unroll
    for (int n = 0; n < N; ++n)
        raw.numbers[n] = narrow<T>(numbers[n]);
    *(Group<T, N> *)(row + first) = raw;
}

template <typename T, int N>
__device__ Group<T, N> fetch(const T *vector, int first) {
    return *(const Group<T, N> *)(vector + first);
}
