"""What `pip install .` puts on another machine is whole, and what `make` installs for development is this folder."""

import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
INGREDIENTS = ["pyproject.toml", "setup.cfg", "README.md", "LICENSE", "mpitrain", "kernels"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A plain install in a folder of its own, built from a copy so that the clone stays free of build folders."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in INGREDIENTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    subprocess.run([*pip, "--target", target, source], check=True)
    return target


def python(folder, *arguments, **environment):
    """What Python prints, run in a folder from which this clone is not found by chance."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=True)


WHERE = "import mpitrain, mpitrain.kernels; print(mpitrain.__file__); print(mpitrain.kernels.__file__)"


def test_plain_install_stands_alone(installed, tmp_path):
    where = python(tmp_path, "-c", WHERE, PYTHONPATH=str(installed)).stdout.split()
    assert where == [f"{installed}/mpitrain/__init__.py", f"{installed}/mpitrain/kernels/__init__.py"]


def test_plain_install_has_every_file(installed):
    """The same modules, CUDA sources, images and tables as the clone: nothing forgotten in setup.cfg."""
    kinds = ("*.py", "*.cu", "*.cuh", "*.h", "*.gz", "*.csv", "*.toml", "py.typed")

    def files(folder):
        return {path.relative_to(folder) for kind in kinds for path in folder.rglob(kind)}

    kernels = {Path("kernels") / path for path in files(ROOT / "kernels")}
    assert files(installed / "mpitrain") == files(ROOT / "mpitrain") | kernels
    assert [path for path in kernels if path.suffix == ".cu"]
    assert [path for path in files(installed / "mpitrain") if path.suffix == ".gz"]


def test_plain_install_has_the_licences(installed):
    """Ours, and the embedded images' own, whose terms are that it travels with them."""
    assert "Zalando" in (installed / "mpitrain" / "data" / "fashion6k" / "LICENSE").read_text()
    assert list(installed.glob("mpitrain-*.dist-info/**/LICENSE"))


def test_plain_install_runs(installed, tmp_path):
    done = python(tmp_path, "-m", "mpitrain", "--help", PYTHONPATH=str(installed), NO_COLOR="1")
    assert "--epochs" in done.stdout


def test_editable_install_is_this_folder(tmp_path):
    where = python(tmp_path, "-c", WHERE).stdout.split()
    assert where == [f"{ROOT}/mpitrain/__init__.py", f"{ROOT}/kernels/__init__.py"]


def test_kernels_are_found_by_name():
    assert [file.name for file in resources.files("mpitrain.kernels").iterdir() if file.name.endswith(".cu")]
