// __half (IEEE 754 binary16) and __nv_bfloat16 as 16 bits that convert to float and back, rounding to nearest, ties to
// even, as CUDA's do. Arithmetic is left out on purpose: our kernels compute in float.

struct __half {
    unsigned short bits;
    __half() = default;
    __half(float number);
    operator float() const;
};

struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float number);
    operator float() const;
};

inline unsigned int __float_as_uint(float number) {
    unsigned int bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

inline float __uint_as_float(unsigned int bits) {
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

inline float __half2float(__half half) {
    const unsigned int sign = (half.bits & 0x8000u) << 16, rest = half.bits & 0x7fffu;
    if (rest >= 0x7c00u)  // infinity, or NaN with its payload
        return __uint_as_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest < 0x0400u) {  // zero, or subnormal: a multiple of 2^-24
        const float magnitude = rest * 5.9604644775390625e-08f;
        return __uint_as_float(sign | __float_as_uint(magnitude));
    }
    return __uint_as_float(sign | ((rest << 13) + 0x38000000u));  // the exponent's bias grows from 15 to 127
}

inline __half __float2half(float number) {
    const unsigned int bits = __float_as_uint(number), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
    unsigned int half;
    if (rest > 0x7f800000u)
        half = 0x7fffu;  // CUDA's one NaN
    else if (rest >= 0x477ff000u)
        half = 0x7c00u;  // 65520 and above round to infinity
    else if (rest < 0x38800000u)  // below 2^-14: adding 0.5 rounds to a multiple of 2^-24 in the lowest bits
        half = __float_as_uint(__uint_as_float(rest) + 0.5f) - 0x3f000000u;
    else
        half = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
    __half result;
    result.bits = (unsigned short)(sign | half);
    return result;
}

inline float __bfloat162float(__nv_bfloat16 number) { return __uint_as_float((unsigned int)number.bits << 16); }

inline __nv_bfloat16 __float2bfloat16(float number) {
    const unsigned int bits = __float_as_uint(number);
    __nv_bfloat16 result;
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        result.bits = 0x7fffu;  // CUDA's one NaN
    else
        result.bits = (unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
    return result;
}

inline __half::__half(float number) : __half(__float2half(number)) {}
inline __half::operator float() const { return __half2float(*this); }
inline __nv_bfloat16::__nv_bfloat16(float number) : __nv_bfloat16(__float2bfloat16(number)) {}
inline __nv_bfloat16::operator float() const { return __bfloat162float(*this); }
inline __half __float2half_rn(float number) { return __float2half(number); }
inline __nv_bfloat16 __float2bfloat16_rn(float number) { return __float2bfloat16(number); }
inline unsigned short __half_as_ushort(__half half) { return half.bits; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 number) { return number.bits; }
