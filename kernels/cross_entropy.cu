// Softmax and cross-entropy, forward and backward in one launch: a block takes a row of logits and gives its loss,
// whether it is right, and its gradient. The NumPy twin is mpitrain/ops/cross_entropy.py.
//
//     loss = log(sum_j exp(x_j - m)) + (m - x_label) - smoothing / classes sum_j (x_j - x_label),   m = max_j x_j
//     gradient_j = scale (exp(x_j - m) / sum - (1 - smoothing) [j is the label] - smoothing / classes)
//
// The row is read once. Maximum and sum come from that one pass ("online", Milakov & Gimelshein 2018), since a sum of
// exp(x_j - m) becomes that of a larger m when multiplied by exp(m - larger). Meanwhile each thread puts its numbers
// into shared memory (`held`), from where it takes them again for the gradient: nobody else's, so there is no barrier. A
// row that is too long for that is read twice. Where rows lie on 16-byte boundaries (`packed`), a thread takes 16 bytes
// at a time. How one gets here, step by step: kernels/ladder/cross_entropy_1.cu and so on.
//
// A label that is no class gives NaN, loss and gradient: the device cannot raise an error.

#include "numbers.cuh"
#include "group.cuh"
#include "functions.cuh"
#include "warp.cuh"

struct Min {
    static __device__ __forceinline__ int join(int a, int b) { return min(a, b); }
};

// What is known of a part of a row.
template <typename W>
struct Tally {
    W largest, sum;  // of exp(x - largest)
    W above_label;   // sum of x - x_label
    int first;       // place of the first x equal to x_label

    // The same with a larger `largest`. A part of which nothing is known yet must not meet infinity - infinity.
    __device__ __forceinline__ void raise(W larger) {
        if (sum)
            sum *= exponential(largest - larger);
        largest = larger;
    }
};

// Of all threads of the block, the same in each. The maximum comes first, so that each sum is scaled but once. Called
// once: nobody waits for others to have read before it writes.
template <typename W>
__device__ __forceinline__ Tally<W> over_block(Tally<W> tally) {
    __shared__ Tally<W> of_warp[32];
    const int warps = blockDim.x / 32;
    tally.raise(over_warp<Max>(tally.largest));
    tally.sum = over_warp<Sum>(tally.sum);
    tally.above_label = over_warp<Sum>(tally.above_label);
    tally.first = over_warp<Min>(tally.first);
    if (threadIdx.x % 32 == 0)
        of_warp[threadIdx.x / 32] = tally;
    __syncthreads();
    tally = of_warp[0];
    for (int warp = 1; warp < warps; ++warp)
        tally.largest = Max::join(tally.largest, of_warp[warp].largest);
    tally.sum = tally.above_label = 0;
    for (int warp = 0; warp < warps; ++warp) {
        Tally<W> other = of_warp[warp];
        other.raise(tally.largest);
        tally.sum += other.sum;
        tally.above_label += other.above_label;
        tally.first = min(tally.first, other.first);
    }
    return tally;
}

// exp(x - base). Two of them a number are much for two bytes: half types take the short way, a fused multiply-add and
// the device's own power of 2, whose error they do not see.
template <typename T>
__device__ __forceinline__ wide<T> power(wide<T> x, wide<T> base) {
    const float octaves = 1.4426950408889634f;  // log2(e)
    if constexpr (sizeof(T) == 2)
        return exp2f(x * octaves - base * octaves);
    else
        return exponential(x - base);
}

template <typename T, int length>
__device__ void cross_entropy(const T *__restrict__ logits, T *__restrict__ gradient, wide<T> *loss, int *right,
                              int label, int classes, wide<T> scale, wide<T> smoothing, bool held) {
    using W = wide<T>;
    using Piece = Group<T, length>;
    extern __shared__ __align__(16) unsigned char shared[];
    const Piece *const row = (const Piece *)logits;
    Piece *const kept = (Piece *)shared;
    const W of_label = widen(logits[label]);
    const int pieces = classes / length;

    Tally<W> tally = {-W(infinity()), 0, 0, classes};
#pragma unroll 2
    for (int i = threadIdx.x; i < pieces; i += blockDim.x) {
        const Piece piece = row[i];
        if (held)
            kept[i] = piece;
        W largest = tally.largest;
        for (int k = 0; k < length; ++k) {
            const W x = widen(piece.numbers[k]);
            largest = x > largest ? x : largest;
        }
        if (tally.sum)
            tally.sum *= power<T>(tally.largest, largest);
        tally.largest = largest;
        const W base = largest > -W(infinity()) ? largest : W(0);  // all so far may be masked by -infinity
        for (int k = 0; k < length; ++k) {
            const W x = widen(piece.numbers[k]);
            tally.sum += power<T>(x, base);
            if (x == of_label)
                tally.first = min(tally.first, i * length + k);
            if (smoothing)
                tally.above_label += x - of_label;
        }
    }
    tally = over_block(tally);

    const W even = smoothing / classes, factor = scale / tally.sum;
#pragma unroll 2
    for (int i = threadIdx.x; i < pieces; i += blockDim.x) {
        Piece piece = held ? kept[i] : row[i];
        for (int k = 0; k < length; ++k)
            piece.numbers[k] = narrow<T>(power<T>(widen(piece.numbers[k]), tally.largest) * factor - scale * even);
        ((Piece *)gradient)[i] = piece;
    }
    // The label's own gradient once more, by the thread that has just written it.
    if (threadIdx.x == label / length % blockDim.x) {
        const W target = scale * even + scale * (1 - smoothing);
        gradient[label] = narrow<T>(power<T>(of_label, tally.largest) * factor - target);
        *loss = logarithm(tally.sum) + (tally.largest - of_label) - even * tally.above_label;
        *right = tally.largest == of_label && tally.first == label;
    }
}

// A row that counts for nothing, or whose label is no class.
template <typename T>
__device__ void filled(T *gradient, wide<T> *loss, int *right, int classes, wide<T> value) {
    for (int i = threadIdx.x; i < classes; i += blockDim.x)
        gradient[i] = narrow<T>(value);
    if (threadIdx.x == 0) {
        *loss = value;
        *right = 0;
    }
}

template <typename T>
__device__ void row(const T *logits, const long long *labels, T *gradient, wide<T> *losses, int *rights, int classes,
                    wide<T> scale, wide<T> smoothing, long long ignore, int has_ignore, int packed, int held) {
    const long long label = labels[blockIdx.x], start = blockIdx.x * (long long)classes;
    logits += start;
    gradient += start;
    losses += blockIdx.x;
    rights += blockIdx.x;
    if (has_ignore && label == ignore)
        filled<T>(gradient, losses, rights, classes, 0);
    else if (label < 0 || label >= classes)
        filled<T>(gradient, losses, rights, classes, infinity() - infinity());
    else if (packed)
        cross_entropy<T, Pack<T>::length>(logits, gradient, losses, rights, label, classes, scale, smoothing, held);
    else
        cross_entropy<T, 1>(logits, gradient, losses, rights, label, classes, scale, smoothing, held);
}

#define KERNEL(NAME, T)                                                                                               \
    extern "C" __global__ void __launch_bounds__(1024)                                                                \
        cross_entropy_##NAME(const T *logits, const long long *labels, T *gradient, wide<T> *losses, int *rights,     \
                             int classes, wide<T> scale, wide<T> smoothing, long long ignore, int has_ignore,         \
                             int packed, int held) {                                                                  \
        row(logits, labels, gradient, losses, rights, classes, scale, smoothing, ignore, has_ignore, packed, held);   \
    }

KERNEL(float32, float)
KERNEL(float64, double)
KERNEL(float16, __half)
KERNEL(bfloat16, __nv_bfloat16)
