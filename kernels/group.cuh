// Some numbers that lie beside each other and are read or written at once: as many as are 16 bytes, or one where these
// do not lie on a 16-byte boundary.

template <typename T, int length>
struct alignas(length * sizeof(T)) Group {
    T numbers[length];
};
