// Tiles of rows in shared memory and their two products, a warp at a time: of a few owned rows with 32 others, a lane to
// each, and of what came out with the others again, a lane to each column.
//
// All numbers are float32 here, whatever the arrays hold, zeros where there is nothing. A lane reads its row four numbers
// at a time (rows are padded by four, so lanes meet in no bank), and the owned rows as broadcasts. Between the products
// the factors go through shared memory once, to turn them.

#include "numbers.cuh"

constexpr int WARPS = 4, LANES = 32;

template <int WIDTH>
struct Tile {
    static constexpr int ROW = WIDTH + 4;
    float *numbers;
    __device__ const float4 *row(int i) const { return (const float4 *)(numbers + i * ROW); }
    __device__ float at(int i, int column) const { return numbers[i * ROW + column]; }
};

// Rows first, first + 1, ... of this block's head, times `factor`; by the whole block, between barriers of the caller.
template <int WIDTH, typename T>
__device__ void load(Tile<WIDTH> tile, int rows, const T *array, long long stride, int first, int length, int width,
                     float factor = 1) {
    constexpr int N = Pack<T>::length;
    const T *start = array + (blockIdx.z * (long long)length + first) * stride + blockIdx.y * (long long)width;
    if (aligned(start) && stride % N == 0 && width % N == 0) {
        for (int i = threadIdx.x; i < rows * (WIDTH / N); i += blockDim.x) {
            const int row = i / (WIDTH / N), column = i % (WIDTH / N) * N;
            const bool there = first + row < length && column < width;
            Pack<T> pack;
            if (there)
                pack = *(const Pack<T> *)(start + row * stride + column);
#pragma unroll
            for (int n = 0; n < N; ++n)
                tile.numbers[row * tile.ROW + column + n] = there ? widen(pack.numbers[n]) * factor : 0;
        }
    } else {
        for (int i = threadIdx.x; i < rows * WIDTH; i += blockDim.x) {
            const int row = i / WIDTH, column = i % WIDTH;
            const bool there = first + row < length && column < width;
            tile.numbers[row * tile.ROW + column] = there ? widen(start[row * stride + column]) * factor : 0;
        }
    }
}

// products[r] = owned row r of this warp times this lane's row.
template <int WIDTH, int OWN>
__device__ void multiply(Tile<WIDTH> owned, Tile<WIDTH> streamed, float (&products)[OWN]) {
    const int lane = threadIdx.x % LANES, mine = threadIdx.x / LANES * OWN;
#pragma unroll
    for (int r = 0; r < OWN; ++r)
        products[r] = 0;
    const float4 *other = streamed.row(lane);
#pragma unroll 2
    for (int d = 0; d < WIDTH / 4; ++d) {
        const float4 b = other[d];
#pragma unroll
        for (int r = 0; r < OWN; ++r) {
            const float4 a = owned.row(mine + r)[d];
            products[r] += a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;
        }
    }
}

// sums[r][c] += over the 32 streamed rows j of factors[r][j] * streamed[j][lane + 32 c]; `turn` is this warp's room.
template <int WIDTH, int OWN>
__device__ void add_products(const float (&factors)[OWN], float *turn, Tile<WIDTH> streamed,
                             float (&sums)[OWN][WIDTH / LANES]) {
    const int lane = threadIdx.x % LANES;
    __syncwarp();
#pragma unroll
    for (int r = 0; r < OWN; ++r)
        turn[r * LANES + lane] = factors[r];
    __syncwarp();
#pragma unroll 2
    for (int j = 0; j < LANES; j += 4) {
        float4 factor[OWN];
#pragma unroll
        for (int r = 0; r < OWN; ++r)
            factor[r] = *(const float4 *)(turn + r * LANES + j);
#pragma unroll
        for (int c = 0; c < WIDTH / LANES; ++c) {
            const int column = lane + c * LANES;
            const float b[4] = {streamed.at(j, column), streamed.at(j + 1, column), streamed.at(j + 2, column),
                                streamed.at(j + 3, column)};
#pragma unroll
            for (int r = 0; r < OWN; ++r)
                sums[r][c] += factor[r].x * b[0] + factor[r].y * b[1] + factor[r].z * b[2] + factor[r].w * b[3];
        }
    }
}

template <int WIDTH, int OWN, typename T>
__device__ void store(T *array, long long stride, int first, int length, int width, const float (&sums)[OWN][WIDTH / LANES],
                      float factor) {
    const int lane = threadIdx.x % LANES, mine = first + threadIdx.x / LANES * OWN;
    for (int r = 0; r < OWN; ++r)
        for (int c = 0; c < WIDTH / LANES; ++c)
            if (mine + r < length && lane + c * LANES < width)
                array[(blockIdx.z * (long long)length + mine + r) * stride + blockIdx.y * (long long)width + lane +
                      c * LANES] = narrow<T>(sums[r][c] * factor);
}
