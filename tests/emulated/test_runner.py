"""CUDA on the CPU: what a GPU does is done, and where a GPU would hang or compute nonsense, it is said."""

import numpy as np
import pytest

import mpitrain.emulated as xp
from kernels import SEEDS, kernel, thread_order
from mpitrain.emulated import LaunchError

INDICES = """
extern "C" __global__ void indices(int *out) {
    const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] += 100 * block + thread;
}
"""

# Every thread writes its own place and reads its neighbour's.
SHIFT = """
template <typename T> __device__ void shift(const T *in, T *out) {
    __shared__ T places[1024];
    places[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = places[(threadIdx.x + 1) % blockDim.x];
}
extern "C" __global__ void shift_float32(const float *in, float *out) { shift(in, out); }
extern "C" __global__ void shift_dynamic(const float *in, float *out) {
    extern __shared__ float places[];
    places[threadIdx.x] = in[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = places[(threadIdx.x + 1) % blockDim.x];
}
extern "C" __global__ void past_the_end(float *out) {
    extern __shared__ float places[];
    places[threadIdx.x + 1] = out[threadIdx.x];
}
extern "C" __global__ void unwritten(float *out) {
    __shared__ float places[2];
    if (blockIdx.x == 0) places[0] = 7.0f;
    out[2 * blockIdx.x] = places[0];
    out[2 * blockIdx.x + 1] = places[1];
}
"""


def vector(*numbers, dtype=np.float32):
    return xp.asarray(np.array(numbers, dtype))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_thread_of_every_block_runs_once(seed):
    out = xp.zeros(2 * 3 * 2 * 4 * 3 * 2, np.int32)
    with thread_order(seed):
        kernel(INDICES, "indices")((2, 3, 2), (4, 3, 2), (out,))
    np.testing.assert_array_equal(out.get().reshape(12, 24), 100 * np.arange(12)[:, None] + np.arange(24))


@pytest.mark.parametrize("name", ["shift_float32", "shift_dynamic"])
@pytest.mark.parametrize("threads", [1, 31, 33, 1024])
def test_barrier(name, threads):
    numbers = np.random.default_rng(0).standard_normal(threads).astype(np.float32)
    for seed in SEEDS:
        out = xp.empty(threads, np.float32)
        with thread_order(seed):
            kernel(SHIFT, name)((1,), (threads,), (xp.asarray(numbers), out), shared_mem=4 * threads)
        np.testing.assert_array_equal(out.get(), np.roll(numbers, -1))


@pytest.mark.parametrize("name", ["shift_float32", "shift_dynamic"])
def test_without_the_barrier_every_order_goes_wrong(name):
    numbers = np.arange(64, dtype=np.float32)
    for seed in SEEDS:
        out = xp.empty(64, np.float32)
        with thread_order(seed):
            kernel(SHIFT.replace("__syncthreads();", ""), name)((1,), (64,), (xp.asarray(numbers), out), shared_mem=256)
        assert np.isnan(out.get()).any()


def test_shared_memory_begins_as_nan_in_every_block():
    out = xp.zeros(4, np.float32)
    kernel(SHIFT, "unwritten")((2,), (1,), (out,))
    np.testing.assert_array_equal(out.get(), [7, np.nan, np.nan, np.nan])


def test_write_behind_dynamic_shared_memory():
    with pytest.raises(LaunchError) as error:
        kernel(SHIFT, "past_the_end")((1,), (4,), (xp.zeros(4, np.float32),), shared_mem=16)
    assert (
        str(error.value)
        == "past_the_end: a write behind the end of the dynamic shared memory: block (0, 0, 0), thread 3"
    )


WRONG = """
extern "C" __global__ void two_barriers(int *out) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
}
extern "C" __global__ void barrier_and_warp(int *out) {
    if (threadIdx.x == 3)
        __syncwarp(3u << 3);
    else
        __syncthreads();
}
extern "C" __global__ void not_named(int *out) { __syncwarp(0x7fffffffu); }
extern "C" __global__ void early_end(int *out) {
    if (threadIdx.x < 5)
        return;
    __syncthreads();
    out[threadIdx.x] = 1;
}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("two_barriers", "threads of one block wait at different barriers, lines 4 and 6: block (0, 0, 0)"),
        ("barrier_and_warp", "63 threads at a barrier and 1 in a warp function wait for others: block (0, 0, 0)"),
        ("not_named", "a lane calls a warp function whose mask does not name it: block (0, 0, 0), thread 31"),
    ],
)
def test_what_would_hang_is_an_error(name, text):
    for _ in range(2):  # and the library works on after it
        with pytest.raises(LaunchError) as error:
            kernel(WRONG, name)((2,), (64,), (xp.zeros(64, np.int32),))
        assert str(error.value) == f"{name}: {text}"


def test_threads_that_have_ended_are_not_waited_for():
    out = xp.zeros(40, np.int32)
    kernel(WRONG, "early_end")((1,), (40,), (out,))
    np.testing.assert_array_equal(out.get(), np.arange(40) >= 5)


WARP = """
extern "C" __global__ void shuffles(const float *in, float *out, int amount, int width) {
    const int n = blockDim.x, t = threadIdx.x;
    const float mine = in[t];
    out[t] = __shfl_sync(0xffffffffu, mine, amount, width);
    out[n + t] = __shfl_xor_sync(0xffffffffu, mine, amount, width);
    out[2 * n + t] = __shfl_down_sync(0xffffffffu, mine, amount, width);
    out[3 * n + t] = __shfl_up_sync(0xffffffffu, mine, amount, width);
}
extern "C" __global__ void votes(const int *in, unsigned int *out) {
    const int n = blockDim.x, t = threadIdx.x;
    if (t == 1) return;
    out[t] = __ballot_sync(0xffffffffu, in[t]);
    out[n + t] = __any_sync(0xffffffffu, in[t]);
    out[2 * n + t] = __all_sync(0xffffffffu, in[t]);
}
// Halves of a warp go through different numbers of calls before they meet.
extern "C" __global__ void halves(int *out) {
    int mine = threadIdx.x;
    if (threadIdx.x < 16)
        for (int distance = 8; distance; distance /= 2)
            mine += __shfl_xor_sync(0x0000ffffu, mine, distance);
    else
        mine += __shfl_xor_sync(0xffff0000u, mine, 1);
    out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, mine, 16);
}
"""


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("amount", "width"), [(1, 32), (3, 8), (16, 32), (5, 16)])
def test_shuffles(seed, amount, width):
    """The tables of the CUDA C++ Programming Guide, section on warp shuffle functions."""
    numbers = np.random.default_rng(1).standard_normal(64).astype(np.float32)
    out = xp.empty((4, 64), np.float32)
    with thread_order(seed):
        kernel(WARP, "shuffles")((1,), (64,), (xp.asarray(numbers), out, np.int32(amount), np.int32(width)))
    thread = np.arange(64)
    lane, segment = thread % width, thread // width * width
    from_lane = segment + amount % width
    flipped = thread ^ amount
    flipped = np.where(flipped < segment + width, flipped, thread)
    down = np.where(lane + amount < width, thread + amount, thread)
    up = np.where(lane >= amount, thread - amount, thread)
    np.testing.assert_array_equal(out.get(), numbers[[from_lane, flipped, down, up]])


def test_a_lane_that_is_not_there_gives_nan():
    out = xp.empty((4, 5), np.float32)
    kernel(WARP, "shuffles")((1,), (5,), (vector(0, 1, 2, 3, 4), out, np.int32(1), np.int32(32)))
    np.testing.assert_array_equal(out.get()[1:], [[1, 0, 3, 2, np.nan], [1, 2, 3, 4, np.nan], [0, 0, 1, 2, 3]])


@pytest.mark.parametrize("seed", SEEDS)
def test_votes(seed):
    asked, out = vector(1, 1, 0, 5, dtype=np.int32), xp.zeros((3, 4), np.uint32)
    with thread_order(seed):
        kernel(WARP, "votes")((1,), (4,), (asked, out))
    np.testing.assert_array_equal(out.get(), [[9, 0, 9, 9], [1, 0, 1, 1], [0, 0, 0, 0]])


@pytest.mark.parametrize("seed", range(6))
def test_halves_of_a_warp_that_call_unequally_often(seed):
    out = xp.zeros(32, np.int32)
    with thread_order(seed):
        kernel(WARP, "halves")((1,), (32,), (out,))
    upper = np.arange(16, 32)
    np.testing.assert_array_equal(out.get(), [*(upper + (upper ^ 1)), *[120] * 16])


ATOMICS = """
extern "C" __global__ void atomics(const int *in, int *counts, float *sum, unsigned int *ring, int *lock) {
    atomicAdd(&counts[in[threadIdx.x]], 1);
    atomicAdd(sum, 0.5f);
    atomicMax(&counts[3], in[threadIdx.x]);
    atomicInc(ring, 9u);
    atomicCAS(lock, (int)threadIdx.x, (int)threadIdx.x + 1);
}
"""


def test_atomics():
    numbers = np.random.default_rng(0).integers(0, 3, 64).astype(np.int32)
    counts, total = xp.zeros(4, np.int32), xp.zeros(1, np.float32)
    ring, lock = xp.zeros(1, np.uint32), xp.zeros(1, np.int32)
    kernel(ATOMICS, "atomics")((1,), (64,), (xp.asarray(numbers), counts, total, ring, lock))
    np.testing.assert_array_equal(counts.get(), [*np.bincount(numbers, minlength=3), numbers.max()])
    assert (total.get(), ring.get(), lock.get()) == (32, 64 % 10, 64)


@pytest.mark.parametrize(
    ("grid", "block", "arguments", "options", "text"),
    [
        ((0,), (1,), 1, {}, "indices: a grid of (0,); from (1, 1, 1) to (2147483647, 65535, 65535)"),
        ((1, 65536), (1,), 1, {}, "indices: a grid of (1, 65536); from (1, 1, 1) to (2147483647, 65535, 65535)"),
        ((1,), (1025,), 1, {}, "indices: a block of (1025,); from (1, 1, 1) to (1024, 1024, 64)"),
        ((1,), (64, 32), 1, {}, "indices: a block of 2048 threads; at most 1024"),
        ((1,), (1,), 2, {}, "indices takes 1 arguments, not 2"),
        ((1,), (1,), 1, {"shared_mem": 49153}, "indices: 49153 bytes of shared memory; at most 49152"),
    ],
)
def test_launches_that_a_gpu_refuses(grid, block, arguments, options, text):
    with pytest.raises(LaunchError) as error:
        kernel(INDICES, "indices")(grid, block, (xp.zeros(1, np.int32),) * arguments, **options)
    assert str(error.value) == text


TYPED = """
extern "C" __global__ void typed(const __half *a, __nv_bfloat16 *b, long long n, float f, bool flag) {}
"""


@pytest.mark.parametrize(
    ("position", "wrong", "text"),
    [
        (0, xp.zeros(1, np.float32), "an array of float16, found an array of float32"),
        (0, np.zeros(1, np.float16), "an array of float16, found ndarray"),
        (1, xp.zeros(1, np.float16), "an array of bfloat16, found an array of float16"),
        (2, np.int32(1), "an int64, found an int32"),
        (2, 1, "an int64, found int"),
        (3, np.float64(1), "a float32, found a float64"),
        (3, xp.zeros((), np.float32), "a float32, found an array of float32"),
        (4, np.int8(1), "a bool, found an int8"),
    ],
)
def test_arguments_of_other_types_are_refused(position, wrong, text):
    import ml_dtypes

    right = [xp.zeros(1, np.float16), xp.zeros(1, ml_dtypes.bfloat16), np.int64(1), np.float32(1), np.bool_(True)]
    kernel(TYPED, "typed")((1,), (1,), right)
    kernel(TYPED, "typed")((1,), (1,), (np.uint64(0), *right[1:]))  # no address
    right[position] = wrong
    with pytest.raises(LaunchError) as error:
        kernel(TYPED, "typed")((1,), (1,), right)
    assert str(error.value) == f"typed: argument {position} must be {text}"


def test_unknown_kernel():
    with pytest.raises(LaunchError) as error:
        kernel(TYPED, "other")
    assert str(error.value) == "CUDA_ERROR_NOT_FOUND: named symbol not found: other"
