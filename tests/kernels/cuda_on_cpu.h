// Enough of CUDA to run an elementwise kernel on the CPU: the blocks of a grid and the threads of a block one after the
// other, in natural or in reversed order. There is no shared memory and no barrier, so a kernel that needs one does not
// compile. Forced into the .cu file ahead of its first line (g++ -include).

#pragma once

#define __global__
#define __device__

struct Dimension {
    unsigned int x;
};

static thread_local Dimension gridDim, blockDim, blockIdx, threadIdx;

template <typename Kernel, typename... Arguments>
void launch(unsigned int blocks, unsigned int threads, bool reversed, Kernel kernel, Arguments... arguments) {
    gridDim.x = blocks;
    blockDim.x = threads;
    for (unsigned int b = 0; b < blocks; ++b)
        for (unsigned int t = 0; t < threads; ++t) {
            blockIdx.x = reversed ? blocks - 1 - b : b;
            threadIdx.x = reversed ? threads - 1 - t : t;
            kernel(arguments...);
        }
}
