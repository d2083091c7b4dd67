// Warp functions. Each lane brings a number and waits until all lanes that the mask names have brought theirs, then reads.

namespace cuda_on_cpu {

inline int lane() { return current % warpSize; }

template <typename T>
inline void meet(unsigned int mask, T value) {
    static_assert(sizeof(T) <= 8, "a warp function moves up to 8 bytes");
    Thread &self = threads[current];
    if (!(mask >> lane() & 1u))
        fail("a lane calls a warp function whose mask does not name it");
    self.mask = mask;
    self.given = 0;
    memcpy(&self.given, &value, sizeof value);
    wait_as(State::in_warp_function);
}

// What lane `source` of this warp brought. From a lane that has ended, that the mask leaves out, or that the block has
// not got, a GPU takes something undefined. Here it is NaN, which shows.
template <typename T>
inline T shuffle(unsigned int mask, T value, int source) {
    meet(mask, value);
    T taken;
    memset((void *)&taken, 0xff, sizeof taken);
    if (threads[current].present >> source & 1u)
        memcpy((void *)&taken, &threads[current - lane() + source].shown, sizeof taken);
    return taken;
}

}  // namespace cuda_on_cpu

inline void __syncwarp(unsigned int mask = 0xffffffffu) { cuda_on_cpu::meet(mask, 0); }

template <typename T>
T __shfl_sync(unsigned int mask, T value, int source, int width = 32) {
    const int lane = cuda_on_cpu::lane();
    return cuda_on_cpu::shuffle(mask, value, (lane & ~(width - 1)) + (source & (width - 1)));
}

template <typename T>
T __shfl_xor_sync(unsigned int mask, T value, int flipped, int width = 32) {
    const int lane = cuda_on_cpu::lane(), source = lane ^ flipped;
    return cuda_on_cpu::shuffle(mask, value, source < (lane | (width - 1)) + 1 ? source : lane);
}

template <typename T>
T __shfl_down_sync(unsigned int mask, T value, int distance, int width = 32) {
    const int lane = cuda_on_cpu::lane();
    return cuda_on_cpu::shuffle(mask, value, (lane & (width - 1)) + distance < width ? lane + distance : lane);
}

template <typename T>
T __shfl_up_sync(unsigned int mask, T value, int distance, int width = 32) {
    const int lane = cuda_on_cpu::lane();
    return cuda_on_cpu::shuffle(mask, value, (lane & (width - 1)) >= distance ? lane - distance : lane);
}

inline unsigned int __ballot_sync(unsigned int mask, int predicate) {
    using namespace cuda_on_cpu;
    meet(mask, (unsigned int)(predicate != 0));
    unsigned int votes = 0;
    for (int source = 0; source < warpSize; ++source)
        if (threads[current].present >> source & 1u)
            votes |= (unsigned int)threads[current - lane() + source].shown << source;
    return votes;
}

inline int __any_sync(unsigned int mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

// True if no lane that takes part says no: those that have ended have no say.
inline int __all_sync(unsigned int mask, int predicate) { return __ballot_sync(mask, !predicate) == 0; }
