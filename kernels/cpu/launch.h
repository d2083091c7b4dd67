// Runs a kernel over a grid, and tells what arguments it takes.

#include <link.h>
#include <type_traits>
#include <utility>

namespace cuda_on_cpu {

static std::vector<char> dynamic_memory;
constexpr size_t CANARY = 64;  // bytes behind the dynamic shared memory that must stay as they are

// Where the first 16-byte boundary of the dynamic shared memory lies. `extern __shared__ T name[]` becomes a pointer to it.
inline void *dynamic_shared() { return (void *)(((uintptr_t)dynamic_memory.data() + 15) & ~(uintptr_t)15); }

__shared__ volatile char first_touch;  // makes the system set up the thread-local memory of this library

struct Segment {
    void *start;
    size_t bytes;
};

static int find_shared(dl_phdr_info *library, size_t, void *found) {
    const uintptr_t here = (uintptr_t)&dynamic_memory;
    bool ours = false;
    size_t bytes = 0;
    for (int i = 0; i < library->dlpi_phnum; ++i) {
        const auto &part = library->dlpi_phdr[i];
        const uintptr_t start = library->dlpi_addr + part.p_vaddr;
        ours |= part.p_type == PT_LOAD && here >= start && here < start + part.p_memsz;
        if (part.p_type == PT_TLS)
            bytes = part.p_memsz;
    }
    if (ours)
        *(Segment *)found = {library->dlpi_tls_data, bytes};
    return ours;
}

static void arrange(std::vector<int> &numbers, unsigned int seed, std::mt19937 &generator) {
    for (size_t i = 0; i < numbers.size(); ++i)
        numbers[i] = (int)i;
    if (seed == 1)
        std::reverse(numbers.begin(), numbers.end());
    else if (seed > 1)
        std::shuffle(numbers.begin(), numbers.end(), generator);
}

// Sorts `order` so that the threads of a warp follow each other, the warps as their first threads did.
static void keep_warps_together() {
    std::vector<int> turn(threads.size() / warpSize + 1, -1);
    int turns = 0;
    for (int thread : order)
        if (turn[thread / warpSize] < 0)
            turn[thread / warpSize] = turns++;
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return turn[a / warpSize] < turn[b / warpSize]; });
}

// shape: grid x, y, z, block x, y, z. Returns whether all went well; `error` says what did not.
static bool run_grid(const unsigned int *shape, size_t shared_bytes, unsigned int seed) {
    gridDim = {shape[0], shape[1], shape[2]};
    blockDim = {shape[3], shape[4], shape[5]};
    threads.resize(shape[3] * shape[4] * shape[5]);
    order.resize(threads.size());
    dynamic_memory.resize(shared_bytes + 16 + CANARY);
    error[0] = 0;

    first_touch = 0;
    Segment shared{nullptr, 0};
    dl_iterate_phdr(find_shared, &shared);

    std::mt19937 generator(seed);
    std::vector<int> blocks(shape[0] * shape[1] * shape[2]);
    arrange(blocks, seed, generator);
    arrange(order, seed, generator);
    for (unsigned int block : blocks) {
        blockIdx = {block % shape[0], block / shape[0] % shape[1], block / (shape[0] * shape[1])};
        if (seed > 1)
            std::shuffle(order.begin(), order.end(), generator);
        warp_by_warp = seed == 1 || (seed > 1 && generator() & 1u);
        if (warp_by_warp)
            keep_warps_together();
        memset(shared.start, 0xff, shared.bytes);
        memset(dynamic_memory.data(), 0xff, dynamic_memory.size());
        bool well = run_block();
        const char *canary = (const char *)dynamic_shared() + shared_bytes;
        for (size_t i = 0; well && i < CANARY; ++i)
            if (canary[i] != (char)0xff) {
                fail("a write behind the end of the dynamic shared memory");
                well = false;
            }
        if (!well || error[0]) {
            forget_fibers();
            return false;
        }
    }
    return true;
}

template <typename T>
struct Type {  // a letter as NumPy's kinds are, and the size in bytes; anything unknown is '?'
    static constexpr char kind = std::is_same<T, bool>::value               ? 'b'
                                 : std::is_floating_point<T>::value         ? 'f'
                                 : std::is_same<T, __half>::value           ? 'f'
                                 : std::is_same<T, __nv_bfloat16>::value    ? 'e'
                                 : !std::is_integral<T>::value              ? '?'
                                 : std::is_unsigned<T>::value               ? 'u'
                                                                            : 'i';
    static constexpr char size = '0' + (kind == '?' ? 0 : sizeof(T));
};
template <>
struct Type<void> {
    static constexpr char kind = '?', size = '0';
};

template <typename T>
inline void describe(char *&text) {
    using Pointee = typename std::remove_cv<typename std::remove_pointer<T>::type>::type;
    if (std::is_pointer<T>::value)
        *text++ = '*';
    *text++ = Type<Pointee>::kind;
    *text++ = Type<Pointee>::size;
    *text++ = ' ';
}

// kernel_of<&k>: the kernel k with its arguments taken from where `arguments` points.
template <auto kernel>
struct Kernel;

template <typename... A, void (*kernel)(A...)>
struct Kernel<kernel> {
    template <size_t... I>
    static void call(void **arguments, std::index_sequence<I...>) {
        kernel(*(typename std::remove_cv<A>::type *)arguments[I]...);
    }
    static void run(void **arguments) { call(arguments, std::index_sequence_for<A...>{}); }
    static const char *signature() {
        static char text[4 * sizeof...(A) + 1];
        char *end = text;
        (describe<A>(end), ...);
        return text;
    }
};

}  // namespace cuda_on_cpu

// What Python calls: NAME_on_cpu launches, NAME_signature tells the types of its arguments.
#define CUDA_ON_CPU_KERNEL(NAME)                                                                                       \
    extern "C" const char *NAME##_signature() { return cuda_on_cpu::Kernel<&NAME>::signature(); }                      \
    extern "C" const char *NAME##_on_cpu(const unsigned int *shape, size_t shared_bytes, unsigned int seed,            \
                                         void **arguments) {                                                           \
        cuda_on_cpu::kernel = cuda_on_cpu::Kernel<&NAME>::run;                                                         \
        cuda_on_cpu::arguments = arguments;                                                                            \
        return cuda_on_cpu::run_grid(shape, shared_bytes, seed) ? nullptr : cuda_on_cpu::error;                        \
    }
