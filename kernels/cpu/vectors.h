// CUDA's vectors of two and four numbers.

#define CUDA_VECTOR(NAME, T)                                                                                       \
    struct alignas(2 * sizeof(T)) NAME##2 {                                                                        \
        T x, y;                                                                                                    \
    };                                                                                                             \
    struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) NAME##4 {                                              \
        T x, y, z, w;                                                                                              \
    };                                                                                                             \
    inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }                                                     \
    inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }

CUDA_VECTOR(float, float)
CUDA_VECTOR(double, double)
CUDA_VECTOR(int, int)
CUDA_VECTOR(uint, unsigned int)

#undef CUDA_VECTOR
