"""A file in memory loses its name, and only if it is still that file's."""

import mmap
import re

import pytest

from mpitrain.engines import backing


@pytest.fixture
def segment(tmp_path, monkeypatch):
    """A file in this process's memory that is named as MPICH's start-up segment is."""
    path = tmp_path / "mpich_shm_2a_0"
    path.write_bytes(bytes(mmap.PAGESIZE))
    monkeypatch.setattr(backing, "OF_ALL", re.compile(f"{tmp_path}/mpich_shm_[0-9a-f]+_[0-9]+"))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        yield path, memory


def test_the_name_goes_and_the_memory_stays(segment):
    path, memory = segment
    backing.unlink_startup_segments(3)
    assert not path.exists()
    memory[:3] = b"abc"
    assert memory[:3] == b"abc"
    backing.unlink_startup_segments(3)  # as a second rank would


def test_another_file_of_that_name_stays(segment):
    path, _ = segment
    path.unlink()
    path.write_bytes(b"of another job")
    backing.unlink_startup_segments(3)
    assert path.read_bytes() == b"of another job"


def test_other_files_stay(segment, tmp_path):
    other = tmp_path / "mpich_shm_2a_0.weights"
    other.write_bytes(bytes(mmap.PAGESIZE))
    with other.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        backing.unlink_startup_segments(3)
        assert other.exists()
