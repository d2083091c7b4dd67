"""The dynamic loss scale; tests/against_torch/test_optim.py compares it with PyTorch's."""

from mpitrain.optim import LossScale


def scales(start, steps):
    found = []
    for finite in steps:
        start = start.after(finite)
        found.append(start.scale)
    return found


def test_it_grows_after_good_steps_in_a_row_and_falls_at_once():
    assert scales(LossScale(8.0, interval=2), [True, True, True, False, True, True]) == [8, 16, 16, 8, 8, 16]


def test_a_bad_step_starts_the_count_anew():
    assert scales(LossScale(8.0, interval=3), [True, True, False, True, True, True]) == [8, 8, 4, 4, 4, 8]


def test_growth_and_backoff_are_options():
    assert scales(LossScale(10.0, growth=3.0, backoff=0.1, interval=1), [True, False]) == [30.0, 3.0]


def test_going_on_from_a_saved_state():
    stopped = LossScale(8.0, interval=3).after(True).after(True)
    resumed = LossScale(interval=3).from_state(stopped.state())
    assert resumed == stopped
    assert resumed.after(True).scale == 16
