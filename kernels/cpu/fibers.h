// The threads of one block as fibers. A fiber runs one thread after the other from beginning to end as long as none of
// them waits, so that a kernel without barriers costs no switch; a thread that waits keeps its fiber until it ends.
// A fiber begins with makecontext and is left and entered again by _setjmp and _longjmp: no system call, about 50 ns.

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <random>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

namespace cuda_on_cpu {

enum class State : unsigned char { ready, at_barrier, in_warp_function, done };

struct Thread {
    int fiber;
    State state;
    int line;                     // of the barrier at which it waits
    unsigned int mask;            // the lanes that the warp function in which it waits names
    unsigned int present;         // of these the ones that came to its last warp function
    unsigned long long given;     // what it brings to the warp function in which it waits
    unsigned long long shown;     // what it brought to its last one, for the others to read
};

struct Fiber {
    jmp_buf place;
    ucontext_t beginning;
    void *stack;
};

constexpr size_t STACK = 256 << 10;  // bytes

static std::vector<Thread> threads;
static std::vector<int> order;  // in which threads take their turns
static bool warp_by_warp;       // each warp goes on as far as it gets before the next has its turn; else all in step
static std::vector<Fiber *> fibers;
static jmp_buf scheduler;
static int current, next;  // the thread that runs; the place in `order` of the next that has not begun
static void (*kernel)(void **);
static void **arguments;
static char error[256];

static void fail(const char *text) {
    if (!error[0])
        snprintf(error, sizeof error, "%s: block (%u, %u, %u), thread %d", text, blockIdx.x, blockIdx.y, blockIdx.z,
                 current);
}

static void become(int thread) {
    const unsigned int t = thread;
    current = thread;
    threadIdx = {t % blockDim.x, t / blockDim.x % blockDim.y, t / (blockDim.x * blockDim.y)};
}

static void leave() {
    if (!_setjmp(fibers[threads[current].fiber]->place))
        _longjmp(scheduler, 1);
}

static void run_threads() {
    for (;;) {
        while (next < (int)threads.size()) {
            const int fiber = threads[current].fiber, thread = order[next++];
            threads[thread].fiber = fiber;
            become(thread);
            kernel(arguments);
            threads[current].state = State::done;
        }
        leave();
    }
}

static void enter(int fiber) {
    if (_setjmp(scheduler))
        return;
    if ((int)fibers.size() > fiber)
        _longjmp(fibers[fiber]->place, 1);
    fibers.push_back(new Fiber);
    Fiber &made = *fibers.back();
    made.stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    getcontext(&made.beginning);
    made.beginning.uc_stack.ss_sp = made.stack;
    // Stacks that begin at different offsets: else their tops would compete for the same few lines of the cache.
    made.beginning.uc_stack.ss_size = STACK - fiber % 61 * 832;
    made.beginning.uc_link = nullptr;
    makecontext(&made.beginning, run_threads, 0);
    setcontext(&made.beginning);
}

// After an error threads are left in the middle of the kernel: their fibers go with all that lies on their stacks.
static void forget_fibers() {
    for (Fiber *fiber : fibers) {
        munmap(fiber->stack, STACK);
        delete fiber;
    }
    fibers.clear();
}

static void wait_as(State state) {
    threads[current].state = state;
    leave();
}

// Whether all lanes that thread t names and that have not ended wait in a warp function with the same mask.
static bool warp_is_complete(int t) {
    const int first = t / warpSize * warpSize;
    for (int thread = first; thread < first + warpSize && thread < (int)threads.size(); ++thread) {
        if (!(threads[t].mask >> (thread - first) & 1u) || threads[thread].state == State::done)
            continue;
        if (threads[thread].state != State::in_warp_function || threads[thread].mask != threads[t].mask)
            return false;
    }
    return true;
}

// What a lane shows changes only when it is released again, for which it must have run, and run_block lets each thread
// of a warp run once a round: by then all the others have read it.
static void release_warp(int t) {
    const int first = t / warpSize * warpSize;
    const unsigned int mask = threads[t].mask;
    unsigned int present = 0;
    for (int lane = 0; lane < warpSize && first + lane < (int)threads.size(); ++lane)
        if (mask >> lane & 1u && threads[first + lane].state == State::in_warp_function)
            present |= 1u << lane;
    for (int lane = 0; lane < warpSize; ++lane)
        if (present >> lane & 1u) {
            Thread &thread = threads[first + lane];
            thread.state = State::ready;
            thread.present = present;
            thread.shown = thread.given;
        }
}

static void open_barrier_if_all_wait() {
    int line = 0;
    for (const Thread &thread : threads) {
        if (thread.state == State::done)
            continue;
        if (thread.state != State::at_barrier)
            return;
        if (line && thread.line != line) {
            snprintf(error, sizeof error, "threads of one block wait at different barriers, lines %d and %d: block (%u, %u, %u)",
                     std::min(line, thread.line), std::max(line, thread.line), blockIdx.x, blockIdx.y, blockIdx.z);
            return;
        }
        line = thread.line;
    }
    for (Thread &thread : threads)
        if (thread.state == State::at_barrier)
            thread.state = State::ready;
}

// Runs a thread until it waits again, if it need not wait now; says whether.
static bool take_turn(int t) {
    if (threads[t].state == State::in_warp_function && warp_is_complete(t))
        release_warp(t);
    if (threads[t].state != State::ready || error[0])
        return false;
    become(t);
    enter(threads[t].fiber);
    return true;
}

// Runs all threads of the block that blockIdx names; false when they cannot go on.
static bool run_block() {
    next = 0;
    for (Thread &thread : threads)
        thread = {-1, State::ready, 0, 0, 0, 0, 0};
    for (int fiber = 0; next < (int)threads.size(); ++fiber) {
        current = order[next];
        threads[current].fiber = fiber;
        enter(fiber);
    }
    for (;;) {
        open_barrier_if_all_wait();
        bool moved = false, waiting = false;
        for (size_t start = 0, end; start < order.size(); start = end) {
            end = warp_by_warp ? start + 1 : order.size();
            while (end < order.size() && order[end] / warpSize == order[start] / warpSize)
                ++end;
            bool again;
            do {
                again = false;
                for (size_t place = start; place < end; ++place)
                    again |= take_turn(order[place]);
                moved |= again;
            } while (warp_by_warp && again && !error[0]);
            for (size_t place = start; place < end; ++place)
                waiting |= threads[order[place]].state != State::done;
        }
        if (error[0])
            return false;
        if (!waiting)
            return true;
        if (!moved) {
            int at_barrier = 0, in_warp_function = 0;
            for (const Thread &thread : threads) {
                at_barrier += thread.state == State::at_barrier;
                in_warp_function += thread.state == State::in_warp_function;
            }
            snprintf(error, sizeof error, "%d threads at a barrier and %d in a warp function wait for others: block (%u, %u, %u)",
                     at_barrier, in_warp_function, blockIdx.x, blockIdx.y, blockIdx.z);
            return false;
        }
    }
}

}  // namespace cuda_on_cpu

#define __syncthreads() \
    (cuda_on_cpu::threads[cuda_on_cpu::current].line = __LINE__, \
     cuda_on_cpu::wait_as(cuda_on_cpu::State::at_barrier))
