"""A trial of the MPI library in a process of its own: however it ends, its caller goes on and knows why."""

import os

import pytest

from mpitrain.engines.cuda_probe import alone, answer_of

ENDS = [
    ("print('takes them')", None),
    ("import os; os.kill(os.getpid(), 11)", "a trial ended by SIGSEGV"),
    ("import time; time.sleep(30)", "a trial did not end within 0.5 s"),
    ("raise SystemExit('what arrives is not what was sent')", "a trial failed: what arrives is not what was sent"),
    ("import nowhere", "a trial failed: ModuleNotFoundError: No module named 'nowhere'"),
    ("raise SystemExit(3)", "a trial failed: exit code 3"),
    ("print('something else')", "a trial failed: something else"),
]


@pytest.mark.parametrize(("program", "obstacle"), ENDS)
def test_how_a_trial_ends(program, obstacle):
    assert answer_of(program, 0.5 if "sleep" in program else 20) == obstacle


def test_a_trial_does_not_believe_that_it_is_a_rank(monkeypatch):
    for name in ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("OMPI_MCA_pml", "ucx")  # how to send is the user's choice, and stays
    kept = alone(os.environ)
    assert "OMPI_MCA_pml" in kept
    assert not {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"} & set(kept)
