// Some numbers that lie beside each other and are read or written at once: as many as are 16 bytes, or one where these
// do not lie on a 16-byte boundary.

template <typename T, int length>
struct alignas(length * sizeof(T)) Group {
    T numbers[length];
    __device__ __forceinline__ T &operator[](int k) { return numbers[k]; }
    __device__ __forceinline__ const T &operator[](int k) const { return numbers[k]; }
};
