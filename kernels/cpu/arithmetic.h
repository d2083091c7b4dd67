// The device's functions on numbers that the C library has not got. Fast ones are exact here.

using std::max;
using std::min;

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / sqrt(x); }

namespace cuda_on_cpu {
inline float fast_exp(float x) { return expf(x); }
inline float fast_log(float x) { return logf(x); }
inline float fast_pow(float x, float y) { return powf(x, y); }
inline float fast_sin(float x) { return sinf(x); }
inline float fast_cos(float x) { return cosf(x); }
}  // namespace cuda_on_cpu

// The C library has names such as __expf of its own, which it does not show.
#define __expf cuda_on_cpu::fast_exp
#define __logf cuda_on_cpu::fast_log
#define __powf cuda_on_cpu::fast_pow
#define __sinf cuda_on_cpu::fast_sin
#define __cosf cuda_on_cpu::fast_cos

inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }
inline float __saturatef(float x) { return x > 0.0f ? x < 1.0f ? x : 1.0f : 0.0f; }
inline int __float2int_rn(float x) { return (int)nearbyintf(x); }
inline int __float2int_rz(float x) { return (int)x; }

inline int __float_as_int(float number) { return (int)__float_as_uint(number); }
inline float __int_as_float(int bits) { return __uint_as_float((unsigned int)bits); }

inline long long __double_as_longlong(double number) {
    long long bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

inline double __longlong_as_double(long long bits) {
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

inline unsigned int __umulhi(unsigned int x, unsigned int y) { return (unsigned long long)x * y >> 32; }
inline int __popc(unsigned int x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
inline int __ffs(int x) { return __builtin_ffs(x); }

template <typename T>
T __ldg(const T *address) {
    return *address;
}
template <typename T>
T __ldcs(const T *address) {
    return *address;
}
template <typename T>
void __stcs(T *address, T value) {
    *address = value;
}
