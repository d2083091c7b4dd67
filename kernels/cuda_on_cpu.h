// CUDA's C++ on the CPU: a kernel's own source, built by g++ and run thread by thread, so that kernels are tested and
// the emulated device trains where there is no GPU. Set in front of the source by mpitrain/emulated/compile.py.
//
// The threads of a block are fibers on one thread of the operating system (cpu/fibers.h): each runs until it reaches a
// barrier or a warp function, in an order that a seed chooses: 0 natural, all in step; 1 reversed, each warp running
// ahead of the others as far as it gets; any other shuffled, and a coin says for each block whether warps run ahead.
// Blocks follow one another in such an order too. Before each block its shared memory is filled with NaN. A barrier
// that not all threads reach raises an error where a GPU would hang.
//
// What it cannot show: races between blocks, and instructions that only the device has. The device fuses
// multiplications into additions and flushes tiny numbers to zero: compare with a tolerance there.

#pragma once

#define CUDA_ON_CPU

#include <cmath>
#include <cstdint>
#include <cstring>

#define __global__ __attribute__((used))  // a mark by which compile.py finds the kernels
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
// One block runs at a time, so one copy will do. Thread-local variables, those of templates too, lie side by side in a
// segment of their own, which is how cpu/launch.h finds them.
#define __shared__ static thread_local

struct uint3 {
    unsigned int x, y, z;
};
struct dim3 {
    unsigned int x = 1, y = 1, z = 1;
};

static uint3 threadIdx, blockIdx;
static dim3 blockDim, gridDim;
static const int warpSize = 32;

#include "cpu/vectors.h"
#include "cpu/half.h"
#include "cpu/fibers.h"
#include "cpu/warp.h"
#include "cpu/atomics.h"
#include "cpu/arithmetic.h"
#include "cpu/launch.h"
