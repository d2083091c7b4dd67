"""How works move while the program computes: what the environment may ask for, and what is taken by itself."""

import pytest

from mpitrain.engines.progress import mode_of
from mpitrain.errors import UsageError


@pytest.mark.parametrize(
    ("asked", "several_nodes", "threads", "taken"),
    [
        (None, False, True, "layers"),
        (None, True, True, "thread"),
        (None, True, False, "layers"),
        ("", True, True, "thread"),
        ("auto", True, True, "thread"),
        ("auto", False, True, "layers"),
        ("thread", False, True, "thread"),
        ("layers", True, True, "layers"),
        ("none", True, True, "none"),
    ],
)
def test_a_thread_looks_after_works_that_cross_a_network(asked, several_nodes, threads, taken):
    environment = {} if asked is None else {"MPITRAIN_PROGRESS": asked}
    assert mode_of(environment, several_nodes, threads) == taken


def test_other_words_are_refused():
    with pytest.raises(UsageError) as refusal:
        mode_of({"MPITRAIN_PROGRESS": "threads"}, False, True)
    assert str(refusal.value) == "MPITRAIN_PROGRESS=threads: expected auto, layers, thread or none"


def test_no_thread_where_mpi_takes_calls_from_one_only():
    with pytest.raises(UsageError) as refusal:
        mode_of({"MPITRAIN_PROGRESS": "thread"}, True, False)
    assert str(refusal.value) == (
        "MPITRAIN_PROGRESS=thread: this MPI library lets one thread call it only (no MPI_THREAD_MULTIPLE): "
        "expected auto, layers or none"
    )
