// Scaled dot-product attention and its gradients, a tile at a time (Dao et al. 2022): nothing is ever written that grows
// with the square of the sequence. The ladder that leads here is kernels/ladder/attention_1.cu to _3.cu; its NumPy twin
// is mpitrain/ops/attention.py.
//
//     y_i = sum over j of p_ij v_j,   p_ij = exp(scale q_i k_j - logsumexp_i)
//     ds_ij = p_ij (dy_i v_j - delta_i),  delta_i = dy_i y_i,  dq = scale ds k,  dk = scale ds^T q,  dv = p^T dy
//
// A block owns some rows, OWN to each of its four warps, and 32 others at a time stream past, one to a lane:
//
//     kernel      owns        streams     scores of a warp                sums
//     forward     queries     keys        s[own][lane] = q_own k_lane     y   += p v
//     queries     queries     keys        and dp = dy_own v_lane          dq  += ds k
//     keys        keys        queries     s = k_own q_lane, dp likewise   dk  += ds^T q,  dv += p^T dy
//
// The products of tiles are attention_tile.cuh's. The softmax is online: when a larger score comes, what was summed so far
// is scaled down.
//
// q is multiplied by scale * log2(e) as it is read, so that exp2 does for exp. Tiles that no owned row sees are left out.
// Half types take attention_tensor.cu where the device can.

#include "attention_shape.cuh"
#include "attention_tile.cuh"
#include "numbers.cuh"
#include "warp.cuh"

template <int WIDTH, int OWN, typename T>
__device__ void forward(const T *q, const T *k, const T *v, T *y, float *logsumexp, long long q_stride,
                        long long k_stride, long long v_stride, Shape shape, float *room) {
    const Tile<WIDTH> owned{room}, keys{owned.numbers + WARPS * OWN * owned.ROW}, values{keys.numbers + LANES * keys.ROW};
    const int lane = threadIdx.x % LANES, warp = threadIdx.x / LANES, mine = warp * OWN;
    float *turn = values.numbers + LANES * values.ROW + mine * LANES;
    const int first = blockIdx.x * WARPS * OWN, seen = shape.keys_seen(first, WARPS * OWN);
    load(owned, WARPS * OWN, q, q_stride, first, shape.queries, shape.width, shape.scale / LN2);

    float sums[OWN][WIDTH / LANES] = {}, largest[OWN], total[OWN] = {};  // the total of a row is spread over the lanes
    for (int r = 0; r < OWN; ++r)
        largest[r] = -infinity();
    for (int start = 0; start < seen; start += LANES) {
        __syncthreads();  // the last tile is done with
        load(keys, LANES, k, k_stride, start, shape.keys, shape.width);
        load(values, LANES, v, v_stride, start, shape.keys, shape.width);
        __syncthreads();
        float scores[OWN];
        multiply(owned, keys, scores);
#pragma unroll
        for (int r = 0; r < OWN; ++r) {
            if (!shape.sees(first + mine + r, start + lane))
                scores[r] = -infinity();
            const float before = largest[r];
            largest[r] = max(before, over_warp<Max>(scores[r]));
            // As long as nothing is seen there is nothing to scale, and -inf less -inf would be NaN.
            const float shrunk = largest[r] == -infinity() ? 1 : exp2f(before - largest[r]);
            scores[r] = largest[r] == -infinity() ? 0 : exp2f(scores[r] - largest[r]);
            total[r] = total[r] * shrunk + scores[r];
#pragma unroll
            for (int c = 0; c < WIDTH / LANES; ++c)
                sums[r][c] *= shrunk;
        }
        add_products(scores, turn, values, sums);
    }
#pragma unroll
    for (int r = 0; r < OWN; ++r) {
        total[r] = over_warp<Sum>(total[r]);
        for (int c = 0; c < WIDTH / LANES; ++c)
            sums[r][c] /= total[r] > 0 ? total[r] : 1;
        if (lane == 0 && first + mine + r < shape.queries)
            logsumexp[shape.of_queries() + first + mine + r] =
                total[r] > 0 ? (largest[r] + log2f(total[r])) * LN2 : infinity();
    }
    store<WIDTH, OWN>(y, (long long)shape.heads * shape.width, first, shape.queries, shape.width, sums, 1);
}

// The gradient of the queries, or with KEYS those of the keys and values.
template <bool KEYS, int WIDTH, int OWN, typename T>
__device__ void backward(const T *q, const T *k, const T *v, const T *dy, const float *logsumexp, const float *delta,
                         T *slope, T *dv, long long q_stride, long long k_stride, long long v_stride,
                         long long slope_stride, long long dv_stride, Shape shape, float *room) {
    const long long dy_stride = (long long)shape.heads * shape.width;
    const Tile<WIDTH> owned{room}, owned_too{owned.numbers + WARPS * OWN * owned.ROW};
    const Tile<WIDTH> others{owned_too.numbers + WARPS * OWN * owned.ROW}, others_too{others.numbers + LANES * owned.ROW};
    const int lane = threadIdx.x % LANES, mine = threadIdx.x / LANES * OWN;
    float *turn = others_too.numbers + LANES * owned.ROW + mine * LANES;
    const int own_length = KEYS ? shape.keys : shape.queries, length = KEYS ? shape.queries : shape.keys;
    const int first = blockIdx.x * WARPS * OWN;
    const int begin = KEYS ? shape.first_query(first) / LANES * LANES : 0;
    const int end = KEYS ? length : shape.keys_seen(first, WARPS * OWN);
    const float factor = shape.scale / LN2;
    const float *of_queries = logsumexp + shape.of_queries(), *deltas = delta + shape.of_queries();
    load(owned, WARPS * OWN, KEYS ? k : q, KEYS ? k_stride : q_stride, first, own_length, shape.width, KEYS ? 1 : factor);
    load(owned_too, WARPS * OWN, KEYS ? v : dy, KEYS ? v_stride : dy_stride, first, own_length, shape.width);

    float sums[OWN][WIDTH / LANES] = {}, value_sums[KEYS ? OWN : 1][KEYS ? WIDTH / LANES : 1] = {};
    for (int start = begin; start < end; start += LANES) {
        __syncthreads();  // the last tile is done with
        load(others, LANES, KEYS ? q : k, KEYS ? q_stride : k_stride, start, length, shape.width, KEYS ? factor : 1);
        load(others_too, LANES, KEYS ? dy : v, KEYS ? dy_stride : v_stride, start, length, shape.width);
        __syncthreads();
        float chances[OWN], moves[OWN];
        multiply(owned, others, chances);
        multiply(owned_too, others_too, moves);
#pragma unroll
        for (int r = 0; r < OWN; ++r) {
            const int own = first + mine + r, other = start + lane;
            const int query = KEYS ? other : own, key = KEYS ? own : other;
            const bool seen = shape.sees(query, key);
            chances[r] = seen ? exp2f(chances[r] - of_queries[query] / LN2) : 0;
            moves[r] = seen ? chances[r] * (moves[r] - deltas[query]) : 0;
        }
        add_products(moves, turn, others, sums);
        if constexpr (KEYS)
            add_products(chances, turn, others_too, value_sums);
    }
    store<WIDTH, OWN>(slope, slope_stride, first, own_length, shape.width, sums, KEYS ? LN2 : shape.scale);
    if constexpr (KEYS)
        store<WIDTH, OWN>(dv, dv_stride, first, own_length, shape.width, value_sums, 1);
}

// A warp for each (batch, query, head): delta is (batch, heads, queries).
template <typename T>
__device__ void deltas(const T *y, const T *dy, float *delta, long long rows, int queries, int heads, int width) {
    const long long row = blockIdx.x * (long long)(blockDim.x / LANES) + threadIdx.x / LANES;
    if (row >= rows)
        return;
    float sum = 0;
    for (int column = threadIdx.x % LANES; column < width; column += LANES)
        sum += widen(y[row * width + column]) * widen(dy[row * width + column]);
    sum = over_warp<Sum>(sum);
    const long long place = row / heads, batch = place / queries;
    if (threadIdx.x % LANES == 0)
        delta[(batch * heads + row % heads) * queries + place % queries] = sum;
}

#define ATTENTION(DTYPE, T, WIDTH, OWN)                                                                            \
    extern "C" __global__ void __launch_bounds__(WARPS *LANES, 4) attention_forward_##WIDTH##_##DTYPE(                \
        const T *q, const T *k, const T *v, T *y, float *logsumexp, long long q_stride, long long k_stride,        \
        long long v_stride, SHAPE) {                                                                               \
        extern __shared__ __align__(16) float room[];                                                                            \
        forward<WIDTH, OWN>(q, k, v, y, logsumexp, q_stride, k_stride, v_stride, SHAPED, room);                          \
    }                                                                                                              \
    extern "C" __global__ void __launch_bounds__(WARPS *LANES, 4) attention_queries_##WIDTH##_##DTYPE(                \
        const T *q, const T *k, const T *v, const T *dy, const float *logsumexp, const float *delta, T *dq,        \
        long long q_stride, long long k_stride, long long v_stride, long long dq_stride, SHAPE) {                  \
        extern __shared__ __align__(16) float room[];                                                                            \
        backward<false, WIDTH, OWN>(q, k, v, dy, logsumexp, delta, dq, (T *)0, q_stride, k_stride, v_stride,       \
                                    dq_stride, 0, SHAPED, room);                                                         \
    }                                                                                                              \
    extern "C" __global__ void __launch_bounds__(WARPS *LANES, 4) attention_keys_##WIDTH##_##DTYPE(                   \
        const T *q, const T *k, const T *v, const T *dy, const float *logsumexp, const float *delta, T *dk, T *dv, \
        long long q_stride, long long k_stride, long long v_stride, long long dk_stride, long long dv_stride,      \
        SHAPE) {                                                                                                   \
        extern __shared__ __align__(16) float room[];                                                                            \
        backward<true, WIDTH, OWN>(q, k, v, dy, logsumexp, delta, dk, dv, q_stride, k_stride, v_stride, dk_stride, \
                                   dv_stride, SHAPED, room);                                                             \
    }

#define ATTENTIONS(DTYPE, T)                                                                                       \
    extern "C" __global__ void attention_deltas_##DTYPE(const T *y, const T *dy, float *delta, long long rows,     \
                                                        int queries, int heads, int width) {                       \
        deltas(y, dy, delta, rows, queries, heads, width);                                                         \
    }                                                                                                              \
    ATTENTION(DTYPE, T, 32, 8)                                                                                     \
    ATTENTION(DTYPE, T, 64, 8)                                                                                     \
    ATTENTION(DTYPE, T, 128, 4)

ATTENTIONS(float32, float)
ATTENTIONS(float16, __half)
ATTENTIONS(bfloat16, __nv_bfloat16)
