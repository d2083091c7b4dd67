"""Other readings of a schedule: prove it, price it, find its conflicts, draw it. Nothing here needs MPI or NumPy."""
