// What the kernels of attention are told of its shape, and who sees whom. Row (batch, i) of an array starts at
// (batch * length + i) * stride, and head h at h * width behind it; a block works on head blockIdx.y of batch blockIdx.z.

#include "numbers.cuh"

constexpr float LN2 = 0.69314718055994531f;

struct Shape {
    int queries, keys, heads, width;
    bool causal;
    float scale;
    const bool *mask;  // (batch, keys), true for keys that may be seen, or NULL

    // Causal: the last query sees all keys.
    __device__ int ahead() const { return keys - queries; }
    __device__ bool sees(int query, int key) const {
        return query < queries && key < keys && (!causal || key <= query + ahead()) &&
               (!mask || mask[(long long)blockIdx.z * keys + key]);
    }
    // How many keys some query among `count` from `first` on sees, and the first query that sees key `first`.
    __device__ int keys_seen(int first, int count) const {
        return causal ? min(keys, min(first + count, queries) + ahead()) : keys;
    }
    __device__ int first_query(int first) const { return causal ? max(0, first - ahead()) : 0; }
    // Where this block's head lies in arrays of a number a query, (batch, heads, queries).
    __device__ long long of_queries() const { return (blockIdx.z * (long long)heads + blockIdx.y) * queries; }
};

#define SHAPE int queries, int keys, int heads, int width, int causal, float scale, const bool *mask
#define SHAPED                                                                                                     \
    Shape { queries, keys, heads, width, causal != 0, scale, mask }
