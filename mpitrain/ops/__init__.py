"""Fused operations, one a file: the NumPy reference and the launch of its CUDA twin side by side."""
