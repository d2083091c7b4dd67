"""python benchmarks/gpu_check: see check.py."""

import sys

from check import main

sys.exit(main())
