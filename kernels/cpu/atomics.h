// Atomic functions: fibers change only at barriers and warp functions, so that plain reads and writes are whole.

namespace cuda_on_cpu {
template <typename T>
struct Same {
    using type = T;
};
}  // namespace cuda_on_cpu

#define CUDA_ATOMIC(NAME, NEW)                                                 \
    template <typename T>                                                      \
    T NAME(T *address, typename cuda_on_cpu::Same<T>::type value) {            \
        const T old = *address;                                                \
        *address = NEW;                                                        \
        return old;                                                            \
    }

CUDA_ATOMIC(atomicAdd, T(old + value))
CUDA_ATOMIC(atomicSub, T(old - value))
CUDA_ATOMIC(atomicMax, value > old ? value : old)
CUDA_ATOMIC(atomicMin, value < old ? value : old)
CUDA_ATOMIC(atomicExch, value)
CUDA_ATOMIC(atomicOr, old | value)
CUDA_ATOMIC(atomicAnd, old &value)
CUDA_ATOMIC(atomicXor, old ^ value)

#undef CUDA_ATOMIC

// Counts up to `last`, then begins at 0 again.
inline unsigned int atomicInc(unsigned int *address, unsigned int last) {
    const unsigned int old = *address;
    *address = old >= last ? 0 : old + 1;
    return old;
}

template <typename T>
T atomicCAS(T *address, typename cuda_on_cpu::Same<T>::type expected, typename cuda_on_cpu::Same<T>::type value) {
    const T old = *address;
    if (old == expected)
        *address = value;
    return old;
}

inline void __threadfence() {}
inline void __threadfence_block() {}
