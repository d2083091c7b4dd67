// One step of SGD with momentum over flat vectors: every number is read once and written once.
//
//     velocity = momentum * velocity + (gradient + weight_decay * value)
//     value   -= lr * velocity                                                         (plain)
//     value   -= lr * ((gradient + weight_decay * value) + momentum * velocity)        (Nesterov)
//
// The NumPy twin is mpitrain/ops/sgd.py. Both round after each multiplication and each addition, in this order, so this
// file wants a compiler that does not contract them into fused multiply-adds (NVRTC --fmad=false, g++
// -ffp-contract=off). That costs nothing: the step waits for memory, 20 bytes an element in float32.
//
// Any grid will do (grid-stride loop). Where all three vectors start on a 16-byte boundary, a thread takes 16 bytes of
// each at a time; the rest, and slices that start elsewhere, go one by one.

template <typename T>
struct alignas(16) Pack {
    static constexpr int length = 16 / sizeof(T);
    T numbers[length];
};

template <typename T>
__device__ void step(T &value, T gradient, T &velocity, T lr, T momentum, T weight_decay, bool nesterov) {
    T slope = gradient + weight_decay * value;
    velocity = momentum * velocity + slope;
    T direction = nesterov ? slope + momentum * velocity : velocity;
    value = value - lr * direction;
}

template <typename T>
__device__ void sgd(T *values, const T *gradients, T *velocity, T lr, T momentum, T weight_decay, int nesterov,
                    long long count) {
    const long long thread = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    const long long threads = gridDim.x * (long long)blockDim.x;

    const unsigned long long starts =
        (unsigned long long)values | (unsigned long long)gradients | (unsigned long long)velocity;
    const long long packs = starts % sizeof(Pack<T>) == 0 ? count / Pack<T>::length : 0;

    for (long long i = thread; i < packs; i += threads) {
        Pack<T> value = ((Pack<T> *)values)[i];
        const Pack<T> gradient = ((const Pack<T> *)gradients)[i];
        Pack<T> speed = ((Pack<T> *)velocity)[i];
        for (int k = 0; k < Pack<T>::length; ++k)
            step(value.numbers[k], gradient.numbers[k], speed.numbers[k], lr, momentum, weight_decay, nesterov);
        ((Pack<T> *)values)[i] = value;
        ((Pack<T> *)velocity)[i] = speed;
    }
    for (long long i = packs * Pack<T>::length + thread; i < count; i += threads)
        step(values[i], gradients[i], velocity[i], lr, momentum, weight_decay, nesterov);
}

extern "C" __global__ void sgd_float32(float *values, const float *gradients, float *velocity, float lr,
                                       float momentum, float weight_decay, int nesterov, long long count) {
    sgd(values, gradients, velocity, lr, momentum, weight_decay, nesterov, count);
}

extern "C" __global__ void sgd_float64(double *values, const double *gradients, double *velocity, double lr,
                                       double momentum, double weight_decay, int nesterov, long long count) {
    sgd(values, gradients, velocity, lr, momentum, weight_decay, nesterov, count);
}
