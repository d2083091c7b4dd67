// Step 1: a thread takes a row, as a loop on the CPU would, in three passes: the maximum, the sum, the gradient.
//
// Right, and slow. Neighbouring threads read numbers that lie a row apart, so that each fetch of 32 bytes serves one
// number, and a few thousand rows are too few threads to fill a GPU.

extern "C" __global__ void cross_entropy(const float *logits, const long long *labels, float *gradient, float *losses,
                                         int rows, int classes, float scale) {
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= rows)
        return;
    const float *x = logits + row * (long long)classes;
    float *slope = gradient + row * (long long)classes;

    float largest = x[0];
    for (int j = 1; j < classes; ++j)
        largest = x[j] > largest ? x[j] : largest;
    float sum = 0;
    for (int j = 0; j < classes; ++j)
        sum += expf(x[j] - largest);
    for (int j = 0; j < classes; ++j)
        slope[j] = scale * (expf(x[j] - largest) / sum - (j == labels[row] ? 1.0f : 0.0f));
    losses[row] = logf(sum) + largest - x[labels[row]];
}
