// The functions of mathematics for float and double under one name. NVRTC and g++ differ in what plain `exp` takes.

__device__ __forceinline__ float exponential(float x) { return expf(x); }
__device__ __forceinline__ double exponential(double x) { return exp(x); }
__device__ __forceinline__ float logarithm(float x) { return logf(x); }
__device__ __forceinline__ double logarithm(double x) { return log(x); }
__device__ __forceinline__ float tangent(float x) { return tanhf(x); }  // the hyperbolic one
__device__ __forceinline__ double tangent(double x) { return tanh(x); }
