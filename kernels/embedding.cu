// Rows of a table by number, and the gradient of the table: each row's is the sum over all places that took it.
//
// gather: a thread takes 16 bytes of a row at a time where rows lie on such boundaries. An id that is not in the table
// gives NaN: nobody waits here for an error, but a loss of NaN is seen.
//
// scatter: atomics would add in another order every time. The places come sorted by id instead, so that those of one id
// lie side by side, and the sums come in two stages, each in one order:
//
//     ids      3 3 3 5 | 5 5 5 5 | 5 7 7 9        a block takes PLACES of them (here 4)
//     sums     inside its places it writes those of 3, 7; what goes on beyond them it leaves in `edges`: 5, 5, 5, 9
//     join     the block in which such an id begins adds up its edges: 5 from three blocks
//
// The NumPy twin is mpitrain/ops/embedding.py.

#include "numbers.cuh"
#include "rows.cuh"

template <typename T, int N>
__device__ void gather(const T *table, const long long *ids, T *rows, long long places, long long count, int width) {
    const int groups = width / N;
    const long long threads = gridDim.x * (long long)blockDim.x;
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < places * groups; i += threads) {
        const long long place = i / groups, id = ids[place];
        Group<T, N> taken;
        if (id >= 0 && id < count) {
            taken = ((const Group<T, N> *)(table + id * width))[i % groups];
        } else {
            for (int n = 0; n < N; ++n)
                taken.numbers[n] = narrow<T>(wide<T>(__int_as_float(0x7fc00000)));
        }
        ((Group<T, N> *)rows)[i] = taken;
    }
}

// What becomes of a finished sum: a row of the gradient, or of the edges.
template <typename T>
__device__ void put(T *gradient, wide<T> sum, int add) {
    *gradient = narrow<T>(add ? widen(*gradient) + sum : sum);
}

// Block b sums places [b * PLACES, (b + 1) * PLACES), each thread a column. `edges` is (blocks, 2, width): what its first
// id, begun before, adds up to here, and what its last id, which goes on, does; an id that does both is a first.
constexpr int PLACES = 32;

template <typename T>
__device__ void sums(T *gradient, const long long *ids, const long long *order, const T *rows, wide<T> *edges,
                     long long places, long long count, int width, int add) {
    const long long begin = blockIdx.x * (long long)PLACES;
    const long long end = begin + PLACES < places ? begin + PLACES : places;
    for (int column = threadIdx.x; column < width; column += blockDim.x) {
        long long first = begin;  // of the places of one id
        wide<T> sum = 0;
        for (long long place = begin; place < end; ++place) {
            sum += widen(rows[order[place] * width + column]);
            const long long id = ids[place];
            if (place + 1 < end && ids[place + 1] == id)
                continue;
            const bool begun_before = first == begin && begin > 0 && ids[begin - 1] == id;
            const bool goes_on = place + 1 < places && ids[place + 1] == id;
            if (begun_before || goes_on)
                edges[(blockIdx.x * 2ll + (begun_before ? 0 : 1)) * width + column] = sum;
            else if (id >= 0 && id < count)
                put(gradient + id * width + column, sum, add);
            first = place + 1;
            sum = 0;
        }
    }
}

template <typename T>
__device__ void join(T *gradient, const long long *ids, const wide<T> *edges, long long places, long long count,
                     int width, int add) {
    const long long begin = blockIdx.x * (long long)PLACES, next = begin + PLACES;
    if (next >= places)
        return;
    const long long id = ids[next - 1];
    if (ids[next] != id || id < 0 || id >= count)
        return;
    if (begin > 0 && ids[begin] == id && ids[begin - 1] == id)
        return;  // begun before this block
    for (int column = threadIdx.x; column < width; column += blockDim.x) {
        wide<T> sum = edges[(blockIdx.x * 2ll + 1) * width + column];
        for (long long start = next, block = blockIdx.x + 1; start < places && ids[start] == id; start += PLACES, ++block)
            sum += edges[block * 2 * width + column];
        put(gradient + id * width + column, sum, add);
    }
}

#define EMBEDDING(DTYPE, T)                                                                                        \
    extern "C" __global__ void embedding_gather_##DTYPE(const T *table, const long long *ids, T *rows,             \
                                                        long long places, long long count, int width) {            \
        if (width % Pack<T>::length == 0 && aligned(table) && aligned(rows))                                       \
            gather<T, Pack<T>::length>(table, ids, rows, places, count, width);                                    \
        else                                                                                                       \
            gather<T, 1>(table, ids, rows, places, count, width);                                                  \
    }                                                                                                              \
    extern "C" __global__ void embedding_sums_##DTYPE(T *gradient, const long long *ids, const long long *order,   \
                                                      const T *rows, wide<T> *edges, long long places,             \
                                                      long long count, int width, int add) {                       \
        sums(gradient, ids, order, rows, edges, places, count, width, add);                                        \
    }                                                                                                              \
    extern "C" __global__ void embedding_join_##DTYPE(T *gradient, const long long *ids, const wide<T> *edges,     \
                                                      long long places, long long count, int width, int add) {     \
        join(gradient, ids, edges, places, count, width, add);                                                     \
    }

EMBEDDING(float32, float)
EMBEDDING(float64, double)
EMBEDDING(float16, __half)
EMBEDDING(bfloat16, __nv_bfloat16)
