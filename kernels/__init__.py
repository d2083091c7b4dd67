"""CUDA C++ sources, installed as `mpitrain.kernels` and read by `importlib.resources`; `mpitrain/ops` launches them."""
