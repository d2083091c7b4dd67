// The attention of attention.cu for half types, with the same blocks, rows owned and rows that stream past, but on tensor
// cores: a warp owns 16 rows, and its products are 16 x 8 numbers each (tensor_core.cuh says who holds which).
//
// Scores become probabilities where they are: the numbers of an owned row lie in four neighbouring lanes. Rounded to the
// half type they are at once the left factor of the next product. Tiles stay in the half type in shared memory, their
// rows padded by 16 bytes, so that the eight rows a warp reads at once lie in different banks.

#include "attention_shape.cuh"
#include "numbers.cuh"
#include "tensor_core.cuh"
#include "warp.cuh"

constexpr int WARPS = 4, OWN = 16, LANES = 32, STREAMED = 32;
constexpr int OWNED = WARPS * OWN;

template <typename T, int WIDTH>
struct Tile {
    static constexpr int ROW = WIDTH + 8;
    T *numbers;

    __device__ unsigned int along(int row, int column) const {  // two numbers of a row
        return *(const unsigned int *)(numbers + row * ROW + column);
    }
    __device__ unsigned int down(int row, int column) const {  // two of a column
        return two(numbers[row * ROW + column], numbers[(row + 1) * ROW + column]);
    }
    // Rows first, first + 1, ... of this block's head; zeros where there are none. By the whole block.
    __device__ void load(int rows, const T *array, long long stride, int first, int length, int width) {
        const T *start = array + (blockIdx.z * (long long)length + first) * stride + blockIdx.y * (long long)width;
        if (aligned(start) && stride % 8 == 0 && width % 8 == 0) {
            for (int i = threadIdx.x; i < rows * (WIDTH / 8); i += blockDim.x) {
                const int row = i / (WIDTH / 8), column = i % (WIDTH / 8) * 8;
                uint4 pack = {0, 0, 0, 0};
                if (first + row < length && column < width)
                    pack = *(const uint4 *)(start + row * stride + column);
                *(uint4 *)(numbers + row * ROW + column) = pack;
            }
        } else {
            for (int i = threadIdx.x; i < rows * WIDTH; i += blockDim.x) {
                const int row = i / WIDTH, column = i % WIDTH;
                const bool there = first + row < length && column < width;
                numbers[row * ROW + column] = there ? start[row * stride + column] : narrow<T>(0.0f);
            }
        }
    }
};

__device__ __forceinline__ int group() { return threadIdx.x % LANES / 4; }
__device__ __forceinline__ int pair() { return threadIdx.x % 4 * 2; }
// Of number `n` of a product: its row among those the block owns, and its column within the 8.
__device__ __forceinline__ int row_of(int n) { return threadIdx.x / LANES * OWN + group() + n / 2 * 8; }
__device__ __forceinline__ int column_of(int n) { return pair() + n % 2; }

// products = the owned rows of this warp times all streamed rows.
template <typename T, int WIDTH>
__device__ void multiply(Tile<T, WIDTH> owned, Tile<T, WIDTH> streamed, float (&products)[STREAMED / 8][4]) {
    for (int tile = 0; tile < STREAMED / 8; ++tile)
        for (int n = 0; n < 4; ++n)
            products[tile][n] = 0;
#pragma unroll
    for (int d = 0; d < WIDTH; d += 16) {
        unsigned int a[4];
#pragma unroll
        for (int i = 0; i < 4; ++i)
            a[i] = owned.along(row_of(i % 2 * 2), d + i / 2 * 8 + pair());
#pragma unroll
        for (int tile = 0; tile < STREAMED / 8; ++tile) {
            const int row = tile * 8 + group();
            const unsigned int b[2] = {streamed.along(row, d + pair()), streamed.along(row, d + 8 + pair())};
            tensor_core<T>(products[tile], a, b);
        }
    }
}

// sums += factors (16 x STREAMED) times the streamed rows.
template <typename T, int WIDTH>
__device__ void add_products(const float (&factors)[STREAMED / 8][4], Tile<T, WIDTH> streamed,
                             float (&sums)[WIDTH / 8][4]) {
#pragma unroll
    for (int row = 0; row < STREAMED; row += 16) {
        unsigned int a[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const float *both = factors[row / 8 + i / 2] + i % 2 * 2;
            a[i] = two(narrow<T>(both[0]), narrow<T>(both[1]));
        }
#pragma unroll
        for (int tile = 0; tile < WIDTH / 8; ++tile) {
            const int column = tile * 8 + group();
            const unsigned int b[2] = {streamed.down(row + pair(), column), streamed.down(row + 8 + pair(), column)};
            tensor_core<T>(sums[tile], a, b);
        }
    }
}

template <typename T, int TILES>
__device__ void store(T *array, long long stride, int first, int length, int width, const float (&sums)[TILES][4],
                      float factor) {
#pragma unroll
    for (int tile = 0; tile < TILES; ++tile)
#pragma unroll
        for (int n = 0; n < 4; ++n) {
            const int row = first + row_of(n), column = tile * 8 + column_of(n);
            if (row < length && column < width)
                array[(blockIdx.z * (long long)length + row) * stride + blockIdx.y * (long long)width + column] =
                    narrow<T>(sums[tile][n] * factor);
        }
}

// Over the four lanes that share a row.
template <typename Join>
__device__ float over_row(float value) {
    value = Join::join(value, __shfl_xor_sync(0xffffffffu, value, 1));
    return Join::join(value, __shfl_xor_sync(0xffffffffu, value, 2));
}

template <int WIDTH, typename T>
__device__ void forward(const T *q, const T *k, const T *v, T *y, float *logsumexp, long long q_stride,
                        long long k_stride, long long v_stride, Shape shape, T *room) {
    Tile<T, WIDTH> owned{room}, keys{owned.numbers + OWNED * owned.ROW}, values{keys.numbers + STREAMED * keys.ROW};
    const int first = blockIdx.x * OWNED, seen = shape.keys_seen(first, OWNED);
    owned.load(OWNED, q, q_stride, first, shape.queries, shape.width);

    // Of rows `group` and `group` + 8; the totals are spread over the lanes of a row.
    float sums[WIDTH / 8][4] = {}, largest[2] = {-infinity(), -infinity()}, total[2] = {};
    for (int start = 0; start < seen; start += STREAMED) {
        __syncthreads();  // the last tile is done with
        keys.load(STREAMED, k, k_stride, start, shape.keys, shape.width);
        values.load(STREAMED, v, v_stride, start, shape.keys, shape.width);
        __syncthreads();
        float scores[STREAMED / 8][4], most[2] = {-infinity(), -infinity()}, shrunk[2];
        multiply(owned, keys, scores);
#pragma unroll
        for (int tile = 0; tile < STREAMED / 8; ++tile)
#pragma unroll
            for (int n = 0; n < 4; ++n) {
                const bool sees = shape.sees(first + row_of(n), start + tile * 8 + column_of(n));
                scores[tile][n] = sees ? scores[tile][n] * (shape.scale / LN2) : -infinity();
                most[n / 2] = max(most[n / 2], scores[tile][n]);
            }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            most[half] = max(largest[half], over_row<Max>(most[half]));
            // As long as nothing is seen there is nothing to scale, and -inf less -inf would be NaN.
            shrunk[half] = most[half] == -infinity() ? 1 : exp2f(largest[half] - most[half]);
            largest[half] = most[half];
            total[half] *= shrunk[half];
        }
#pragma unroll
        for (int tile = 0; tile < STREAMED / 8; ++tile)
#pragma unroll
            for (int n = 0; n < 4; ++n) {
                scores[tile][n] = most[n / 2] == -infinity() ? 0 : exp2f(scores[tile][n] - most[n / 2]);
                total[n / 2] += scores[tile][n];
            }
#pragma unroll
        for (int tile = 0; tile < WIDTH / 8; ++tile)
#pragma unroll
            for (int n = 0; n < 4; ++n)
                sums[tile][n] *= shrunk[n / 2];
        add_products(scores, values, sums);
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        total[half] = over_row<Sum>(total[half]);
        const int query = first + row_of(2 * half);
        if (pair() == 0 && query < shape.queries)
            logsumexp[shape.of_queries() + query] =
                total[half] > 0 ? (largest[half] + log2f(total[half])) * LN2 : infinity();
    }
#pragma unroll
    for (int tile = 0; tile < WIDTH / 8; ++tile)
#pragma unroll
        for (int n = 0; n < 4; ++n)
            sums[tile][n] /= total[n / 2] > 0 ? total[n / 2] : 1;
    store(y, (long long)shape.heads * shape.width, first, shape.queries, shape.width, sums, 1);
}

// The gradient of the queries, or with KEYS those of the keys and values.
template <bool KEYS, int WIDTH, typename T>
__device__ void backward(const T *q, const T *k, const T *v, const T *dy, const float *logsumexp, const float *delta,
                         T *slope, T *dv, long long q_stride, long long k_stride, long long v_stride,
                         long long slope_stride, long long dv_stride, Shape shape, T *room) {
    const long long dy_stride = (long long)shape.heads * shape.width;
    Tile<T, WIDTH> owned{room}, owned_too{owned.numbers + OWNED * owned.ROW};
    Tile<T, WIDTH> others{owned_too.numbers + OWNED * owned.ROW}, others_too{others.numbers + STREAMED * owned.ROW};
    const int own_length = KEYS ? shape.keys : shape.queries, length = KEYS ? shape.queries : shape.keys;
    const int first = blockIdx.x * OWNED;
    const int begin = KEYS ? shape.first_query(first) / STREAMED * STREAMED : 0;
    const int end = KEYS ? length : shape.keys_seen(first, OWNED);
    owned.load(OWNED, KEYS ? k : q, KEYS ? k_stride : q_stride, first, own_length, shape.width);
    owned_too.load(OWNED, KEYS ? v : dy, KEYS ? v_stride : dy_stride, first, own_length, shape.width);

    float sums[WIDTH / 8][4] = {}, value_sums[KEYS ? WIDTH / 8 : 1][4] = {};
    for (int start = begin; start < end; start += STREAMED) {
        __syncthreads();  // the last tile is done with
        others.load(STREAMED, KEYS ? q : k, KEYS ? q_stride : k_stride, start, length, shape.width);
        others_too.load(STREAMED, KEYS ? dy : v, KEYS ? dy_stride : v_stride, start, length, shape.width);
        __syncthreads();
        float chances[STREAMED / 8][4], moves[STREAMED / 8][4];
        multiply(owned, others, chances);
        multiply(owned_too, others_too, moves);
#pragma unroll
        for (int tile = 0; tile < STREAMED / 8; ++tile)
#pragma unroll
            for (int n = 0; n < 4; ++n) {
                const int own = first + row_of(n), other = start + tile * 8 + column_of(n);
                const int query = KEYS ? other : own;
                const bool seen = shape.sees(query, KEYS ? own : other);
                const float score = chances[tile][n] * shape.scale;
                chances[tile][n] = seen ? exp2f((score - logsumexp[shape.of_queries() + query]) / LN2) : 0;
                moves[tile][n] = seen ? chances[tile][n] * (moves[tile][n] - delta[shape.of_queries() + query]) : 0;
            }
        add_products(moves, others, sums);
        if constexpr (KEYS)
            add_products(chances, others_too, value_sums);
    }
    store(slope, slope_stride, first, own_length, shape.width, sums, shape.scale);
    if constexpr (KEYS)
        store(dv, dv_stride, first, own_length, shape.width, value_sums, 1);
}

#define ATTENTION(DTYPE, T, WIDTH)                                                                                 \
    extern "C" __global__ void __launch_bounds__(WARPS *LANES, 2) attention_tensor_forward_##WIDTH##_##DTYPE(      \
        const T *q, const T *k, const T *v, T *y, float *logsumexp, long long q_stride, long long k_stride,        \
        long long v_stride, SHAPE) {                                                                               \
        extern __shared__ __align__(16) unsigned char room[];                                                      \
        forward<WIDTH>(q, k, v, y, logsumexp, q_stride, k_stride, v_stride, SHAPED, (T *)room);                    \
    }                                                                                                              \
    extern "C" __global__ void __launch_bounds__(WARPS *LANES, 2) attention_tensor_queries_##WIDTH##_##DTYPE(      \
        const T *q, const T *k, const T *v, const T *dy, const float *logsumexp, const float *delta, T *dq,        \
        long long q_stride, long long k_stride, long long v_stride, long long dq_stride, SHAPE) {                  \
        extern __shared__ __align__(16) unsigned char room[];                                                      \
        backward<false, WIDTH>(q, k, v, dy, logsumexp, delta, dq, (T *)0, q_stride, k_stride, v_stride, dq_stride, \
                               0, SHAPED, (T *)room);                                                              \
    }                                                                                                              \
    extern "C" __global__ void __launch_bounds__(WARPS *LANES, 2) attention_tensor_keys_##WIDTH##_##DTYPE(         \
        const T *q, const T *k, const T *v, const T *dy, const float *logsumexp, const float *delta, T *dk, T *dv, \
        long long q_stride, long long k_stride, long long v_stride, long long dk_stride, long long dv_stride,      \
        SHAPE) {                                                                                                   \
        extern __shared__ __align__(16) unsigned char room[];                                                      \
        backward<true, WIDTH>(q, k, v, dy, logsumexp, delta, dk, dv, q_stride, k_stride, v_stride, dk_stride,      \
                              dv_stride, SHAPED, (T *)room);                                                       \
    }

ATTENTION(float16, __half, 32)
ATTENTION(float16, __half, 64)
ATTENTION(float16, __half, 128)
ATTENTION(bfloat16, __nv_bfloat16, 32)
ATTENTION(bfloat16, __nv_bfloat16, 64)
ATTENTION(bfloat16, __nv_bfloat16, 128)
