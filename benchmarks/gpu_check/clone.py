"""Makes mpitrain importable from the clone that this file lies in, installed or not, and the other benchmarks."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parents[2]


def use() -> None:
    """Puts the clone first. The CUDA sources are a package by another name than their folder's: setup.cfg."""
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
    folder = ROOT / "kernels"
    spec = spec_from_file_location("mpitrain.kernels", folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None and spec.loader is not None
    sys.modules["mpitrain.kernels"] = kernels = module_from_spec(spec)
    spec.loader.exec_module(kernels)
