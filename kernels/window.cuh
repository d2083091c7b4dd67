// Windows over images, channels last: where the window of a result starts, and which windows see a pixel.
// The host's twin is `Window` in mpitrain/ops/windows.py; a kernel takes its numbers as WINDOW_NUMBERS, in this order.

struct Window {
    int height, width, channels;    // of an image
    int windows_down, windows_across;
    int kernel_down, kernel_across;
    int stride_down, stride_across;
    int padding_down, padding_across;
    int dilation_down, dilation_across;

    __device__ __forceinline__ long long windows() const { return (long long)windows_down * windows_across; }
    __device__ __forceinline__ long long pixels() const { return (long long)height * width; }
    __device__ __forceinline__ int places() const { return kernel_down * kernel_across; }
};

#define WINDOW_NUMBERS                                                                                                 \
    int height, int width, int channels, int windows_down, int windows_across, int kernel_down, int kernel_across,     \
        int stride_down, int stride_across, int padding_down, int padding_across, int dilation_down,                   \
        int dilation_across
#define WINDOW                                                                                                         \
    Window {                                                                                                           \
        height, width, channels, windows_down, windows_across, kernel_down, kernel_across, stride_down, stride_across, \
            padding_down, padding_across, dilation_down, dilation_across                                               \
    }

// One of a batch's windows or pixels: number `index`, where an image has `rows` of `columns`.
struct Place {
    int image, down, across;

    __device__ __forceinline__ Place(unsigned index, unsigned rows, unsigned columns) {
        const unsigned row = index / columns;
        across = index - row * columns;
        image = row / rows;
        down = row - image * rows;
    }
};

// The window that has a pixel in its place number `place` along one side, or -1 if there is none.
__device__ __forceinline__ int window_of(int pixel, int place, int stride, int padding, int dilation, int windows) {
    const int start = pixel + padding - place * dilation;
    return start < 0 || start % stride || start / stride >= windows ? -1 : start / stride;
}
