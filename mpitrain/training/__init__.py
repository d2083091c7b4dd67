"""The training loop and what surrounds it: configuration, checkpoints, metrics, progress."""
