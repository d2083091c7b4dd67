"""The check of a GPU, on the emulated device: all of it runs, and what goes wrong is a row of its table."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "gpu_check"


def run(*command, **environment):
    """Its modules have short names of their own, so it is never loaded into the process of the tests."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=FOLDER,
        env=os.environ | environment,
        text=True,
        capture_output=True,
        timeout=170,
    )
    return done.returncode, done.stdout, done.stderr


def rows(text):
    """The lines before the table."""
    return text.split("\n\n")[0].splitlines()


def test_all_of_it_runs(tmp_path):
    page = tmp_path / "page.md"
    code, out, error = run(FOLDER, "--device", "emulated", "--page", page)
    wrong = [line for line in rows(out) if not line.startswith("ok ")]
    assert (code, error, wrong) == (0, "", [])
    parts = {line.split()[1].removesuffix(":") for line in rows(out)}
    assert parts == {"machine", "compile", "parity", "NCCL", "bandwidth", "step"}
    text = page.read_text()
    assert "Nothing failed." in text and "- GPU: emulated on the CPU, 1 GiB" in text
    assert "| allreduce by ring, ranks: 4 " in text


def test_needs_nothing_but_numpy(tmp_path):
    for module in ("cyclopts", "greenlet", "ml_dtypes", "mpi4py", "rich", "safetensors", "threadpoolctl"):
        (tmp_path / f"{module}.py").write_text(f"raise ImportError('no {module}')")
    parts = ("machine", "collectives", "steps")
    code, out, error = run(FOLDER, "--device", "emulated", "--parts", *parts, PYTHONPATH=str(tmp_path))
    assert (code, error) == (0, "")
    assert [line for line in rows(out) if not line.startswith("ok ")] == [
        "skipped  NCCL: ranks: 2: no mpi4py",
        "skipped  NCCL: ranks: 4: no mpi4py",
    ]


def test_without_a_gpu_it_says_so_and_leaves_the_page(tmp_path):
    (tmp_path / "cupy.py").write_text("raise ImportError('no CuPy here')")
    page = FOLDER.parents[1] / "docs" / "gpu-results.md"
    before = page.read_bytes()
    code, out, error = run(FOLDER, PYTHONPATH=str(tmp_path))
    assert (code, out, page.read_bytes()) == (2, "", before)
    assert error == (
        "gpu-check: device cuda takes CuPy, which cannot be imported: no CuPy here; pip install 'mpitrain[cuda]'\n"
    )


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ("check.PARTS['machine'] = 0.01", "FAILED   machine: all others: stopped after 0.01 s: "),
        ("check.HERE = check.HERE.parent", "FAILED   machine: all others: exit code 2: "),
    ],
)
def test_a_part_that_hangs_or_dies_is_a_row(change, row):
    program = "import sys, check; sys.argv[1:] = ['--device', 'emulated', '--parts', 'machine']; "
    code, out, _ = run("-c", f"{program}{change}; sys.exit(check.main())")
    assert code == 1
    assert rows(out)[-1].startswith(row)


WRONG = """
import clone; clone.use()
import parity
from mpitrain.device import find
from case import Case
parity.CASES = (
    Case("wrong", ("float32",), lambda n: (n(3),), lambda x: x + (0 if type(x).__module__ == "numpy" else 1)),
    Case("shape", ("float32",), lambda n: (n(3),), lambda x: x[: 3 if type(x).__module__ == "numpy" else 2]),
    Case("right", ("float32", "float64"), lambda n: (n(3),), lambda x: x * 2),
)
for row in parity.rows(find("emulated")):
    print(row.what, row.result, row.verdict, sep="|")
"""


def test_a_difference_fails():
    lines = run("-c", WRONG)[1].splitlines()
    assert lines == [
        "wrong|float32 1e+00 > 2e-05|FAILED",
        "shape|float32 ValueError: shape (2,), NumPy gives (3,)|FAILED",
        "right|float32 float64 0e+00|ok",
    ]
