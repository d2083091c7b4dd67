"""Building kernels for the CPU: once, whoever asks, and one clear line when it cannot be."""

import os
import subprocess
import sys

import pytest

import mpitrain.emulated as xp
from mpitrain.emulated import compile
from mpitrain.errors import UsageError
from mpitrain.kernel_source import expand, source

EMPTY = 'extern "C" __global__ void nothing() {}\n'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MPITRAIN_KERNEL_CACHE", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def test_built_once(cache, monkeypatch):
    xp.RawModule(code=EMPTY).get_function("nothing")((1,), (1,), ())
    (built,) = cache.glob("*.so")
    assert {file.suffix for file in cache.iterdir()} == {".so", ".lock"}
    monkeypatch.setattr(compile, "_build", None)  # not again
    xp.RawModule(code=EMPTY).get_function("nothing")((2,), (3,), ())
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        xp.RawModule(code=EMPTY + "// another source").compile()
    assert list(cache.glob("*.so")) == [built]


def test_many_processes_build_once(cache, tmp_path):
    """A g++ that keeps a count stands in front of the real one on the path."""
    count, compiler = tmp_path / "count", tmp_path / "g++"
    compiler.write_text(f'#!/bin/sh\necho >> {count}\nPATH="${{PATH#*:}}" exec g++ "$@"\n')
    compiler.chmod(0o755)
    program = f"import mpitrain.emulated as xp; xp.RawModule(code={EMPTY!r}).get_function('nothing')((1,), (1,), ())"
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ranks = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(3)]
    assert [rank.wait(60) for rank in ranks] == [0, 0, 0]
    assert len(count.read_text()) == 2  # the preprocessor, then the compiler
    assert len(list(cache.glob("*.so"))) == 1


def test_where_it_keeps_them(monkeypatch, tmp_path):
    monkeypatch.delenv("MPITRAIN_KERNEL_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert compile.cache() == tmp_path / "cache" / "mpitrain" / "kernels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert compile.cache() == tmp_path / ".cache" / "mpitrain" / "kernels"


def test_no_place_to_keep_them(cache):
    cache.write_text("a file")
    with pytest.raises(UsageError) as error:
        xp.RawModule(code=EMPTY).compile()
    assert str(error.value) == (
        f"the emulated device keeps its kernels in {cache}: File exists; name another folder by MPITRAIN_KERNEL_CACHE"
    )


def test_no_compiler(cache, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError) as error:
        xp.RawModule(code=EMPTY).compile()
    assert str(error.value) == (
        "the emulated device builds its kernels with g++, which is not there; install GCC's C++ compiler"
    )


def test_an_error_names_file_and_line(cache):
    text = '#include "numbers.cuh"\n\nextern "C" __global__ void wrong() {\n    nonsense;\n}\n'
    with pytest.raises(RuntimeError) as error:
        xp.RawModule(code=expand(text, "wrong.cu")).compile()
    first, *lines = str(error.value).splitlines()
    assert first == "g++ refuses the kernel:"
    assert any(line.startswith("wrong.cu:4:5: error: ") and "nonsense" in line for line in lines)
    assert not list(cache.glob("*.so"))


def test_a_header_comes_in_once():
    text = expand('#include "numbers.cuh"\n#include "numbers.cuh"\nlast\n')
    assert text.count("alignas(16) Pack {") == 1
    assert text.endswith("last\n") and '#include "' not in text
    assert '#include "' not in source("cuda_on_cpu.h")
    with pytest.raises(FileNotFoundError):
        source("no_such.cu")
