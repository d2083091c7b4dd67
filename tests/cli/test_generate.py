"""A trained gpt writes on."""

import pytest

from mpitrain.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of two steps."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.raises(SystemExit) as ending:
        main(["--model", "gpt", "--sequence", "8", "--steps", "2", "--progress", "plain", "--run-dir", str(folder)])
    assert ending.value.code == 0
    return next(folder.iterdir())


def generated(run, capfdbinary, *options):
    with pytest.raises(SystemExit) as ending:
        main(["generate", str(run), *options])
    out, err = capfdbinary.readouterr()
    return ending.value.code, out, err.decode()


def test_so_many_bytes_after_the_prompt(run, capfdbinary):
    code, out, _ = generated(run, capfdbinary, "--prompt", "If", "--nbytes", "20")
    assert (code, out[:2], len(out)) == (0, b"If", 2 + 20 + 1)


def test_a_seed_is_a_text(run, capfdbinary):
    texts = [generated(run, capfdbinary, "--nbytes", "30", "--seed", seed)[1] for seed in "112"]
    assert texts[0] == texts[1] != texts[2]


def test_the_likeliest_byte_is_the_only_one_of_the_top_one(run, capfdbinary):
    sure = [
        generated(run, capfdbinary, "--nbytes", "9", *options)[1]
        for options in (("--temperature", "0"), ("--top", "1"))
    ]
    assert sure[0] == sure[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--nbytes", "0"), "--nbytes 0: expected 1 or more"),
        (("--temperature", "-1"), "--temperature -1.0: expected 0 or more"),
        (("--top", "0"), "--top 0: expected 1 or more"),
        (("--prompt", ""), "--prompt: expected some text to begin with, found none"),
    ],
)
def test_what_cannot_be_asked(run, capfdbinary, options, told):
    assert generated(run, capfdbinary, *options) == (2, b"", f"mpitrain: {told}\n")


def test_what_is_no_run(tmp_path, capfdbinary):
    code, out, err = generated(tmp_path, capfdbinary)
    assert (code, out) == (2, b"")
    assert err.endswith("expected the folder of a run that has saved its weights\n") and err.count("\n") == 1
