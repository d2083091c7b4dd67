"""The drawn road: geometry by which it is drawn and steered on, and the data set made of it."""

import math

import numpy as np
import pytest

from mpitrain.data import load, road
from mpitrain.data.road import AHEAD, CAMERA, FOCAL, HALF_ROAD, HORIZON, Scenes, draw, imagine
from mpitrain.data.samples import Samples

STRAIGHT = {
    "offset": 0, "heading": 0, "curvature": 0, "winding": 0, "sky": 200, "grass": 60, "asphalt": 100, "paint": 240,
    "gap": 0, "phase": 0, "shade": 0, "shade_left": -1, "shade_right": 1, "shade_near": 5, "shade_far": 9,
    "light": 1, "grain": 0,
}  # fmt: skip
ANGLES, MEANS = [0.0134904, 0.0584723, -0.0468481], [72.289, 68.565, 61.644]


def scene(**different):
    return Scenes(**{name: np.array([float(value)]) for name, value in (STRAIGHT | different).items()})


def angle(**different):
    return scene(**different).steering().item()


def greys(**different):
    return draw(scene(**different))[0, ..., 0]


def pixel(x, z):
    """Where the camera sees a point on the ground: column and row, from the image's upper left corner."""
    return 20 + FOCAL * x / z, HORIZON + FOCAL * CAMERA / z


def test_in_the_middle_of_a_straight_road_one_goes_straight_on():
    assert angle() == 0
    frame = greys()
    assert np.array_equal(frame, frame[:, ::-1])
    assert len(np.unique(frame[:HORIZON])) == 1


def mirrored(scenes):
    """The same with left and right exchanged."""
    turned = ("offset", "heading", "curvature", "winding")
    return scenes._replace(
        **{name: -getattr(scenes, name) for name in turned},
        shade_left=-scenes.shade_right,
        shade_right=-scenes.shade_left,
    )


def test_a_mirrored_scene_is_the_mirrored_frame_with_the_angle_negated():
    scenes = imagine(300, np.random.default_rng(3))
    assert np.array_equal(draw(mirrored(scenes)), draw(scenes)[:, :, ::-1])
    assert np.array_equal(mirrored(scenes).steering(), -scenes.steering())


@pytest.mark.parametrize("curvature", [-0.02, 0.004])
def test_on_a_circle_one_steers_the_circle(curvature):
    """A bicycle steers the arctangent of wheelbase times curvature. The road's parabola leaves its circle by the
    fourth power of the distance: x^2 in x^2 + AHEAD^2."""
    assert angle(curvature=curvature) == pytest.approx(math.atan(2.5 * curvature), rel=(curvature * AHEAD) ** 2)


def test_steering_leads_back_to_the_road():
    """A wheel's circle from the origin, forwards, meets the road's middle at the goal."""
    for different in ({"offset": 0.8}, {"heading": -0.07}, {"offset": -1, "heading": 0.05, "winding": 1e-4}):
        radius = 2.5 / math.tan(angle(**different))
        goal = scene(**different).middle(AHEAD).item()
        assert (goal - radius) ** 2 + AHEAD**2 == pytest.approx(radius**2)
    assert angle(offset=0.8) < 0 and angle(heading=-0.07) > 0 and angle(curvature=0.01) > 0


@pytest.mark.parametrize("different", [
    {}, {"offset": 0.7}, {"heading": 0.1}, {"curvature": 0.02}, {"winding": -2e-4},
    {"offset": -0.5, "heading": -0.05, "curvature": -0.01, "winding": 1e-4},
])  # fmt: skip
def test_the_road_is_seen_where_a_pinhole_camera_sees_it(different):
    """Row by row: its edges to a hundredth of a pixel, from how much of the row is lighter than grass."""
    frame = greys(paint=100, **different).astype(float)
    checked = 0
    for row in range(HORIZON, 30):
        z = FOCAL * CAMERA / (row + 0.5 - HORIZON)
        middle = scene(**different).middle(z).item()
        left, right = (pixel(middle + side * HALF_ROAD, z)[0] for side in (-1, 1))
        assert pixel(middle, z)[1] == pytest.approx(row + 0.5)
        share = (frame[row] - 60) / 40
        seen = np.clip(right, 0, 40) - np.clip(left, 0, 40)
        assert share.sum() == pytest.approx(seen, abs=0.03)
        if left > 0 and right < 40:
            assert (share * (np.arange(40) + 0.5)).sum() / share.sum() == pytest.approx((left + right) / 2, abs=0.3)
            checked += 1
    assert checked >= 2


def test_marks_shadows_and_light():
    plain = greys(paint=100)
    assert plain[29, 20] == 100 and plain[HORIZON - 1, 0] == 200
    marked = greys()
    assert np.all(marked >= plain) and marked.max() > 150 and np.array_equal(marked[:HORIZON], plain[:HORIZON])
    dashed = greys(gap=3, phase=1)
    assert np.all(dashed <= marked) and (dashed != marked).any() and (dashed != plain).any()
    shaded = greys(paint=100, shade=0.5, shade_left=-100, shade_right=100)
    rows = np.array([FOCAL * CAMERA / (row + 0.5 - HORIZON) for row in range(HORIZON, 30)])
    inside = (rows > 5.5) & (rows < 8)
    assert inside.any() and np.array_equal(shaded[HORIZON:][inside], np.rint(plain[HORIZON:][inside] / 2))
    outside = (rows > 11) | (rows < 4.5)
    assert np.array_equal(shaded[HORIZON:][outside], plain[HORIZON:][outside])
    assert np.array_equal(greys(paint=100, light=0.5)[29], np.rint(plain[29] / 2))


def test_dashes_pass_by():
    """A period further on the frame is the same; mean paint is the dash's share of the period."""
    assert np.array_equal(greys(gap=3, phase=0.5), greys(gap=3, phase=6.5))
    many = [greys(gap=3, phase=phase)[HORIZON:].astype(float) for phase in np.arange(24) / 4]
    plain, solid = greys(paint=100)[HORIZON:], greys()[HORIZON:]
    np.testing.assert_allclose(np.mean(many, axis=0) - plain, (solid.astype(float) - plain) / 2, atol=1.5)


def test_grain_is_of_its_size_and_without_bias():
    frames = draw(scene(grain=10, paint=100), np.random.default_rng(0)).astype(int)
    difference = frames[0, ..., 0] - greys(paint=100)
    assert np.abs(difference).max() == 10 and abs(difference.mean()) < 0.6
    assert difference.std() == pytest.approx(10 / math.sqrt(3), rel=0.05)


def test_the_data_set():
    data: Samples = load("road")
    assert (data.name, data.kind, data.classes, data.shape) == ("road", "images", None, (30, 40, 1))
    assert (data.count, data.test_count, data.predictions) == (4000, 800, 1)
    inputs, targets = data.batch(np.array([5, 0]))
    assert inputs.dtype == targets.dtype == np.float32 and inputs.shape == (2, 30, 40, 1) and targets.shape == (2, 1)
    for images, angles in ((data.train_inputs, data.train_targets), (data.test_inputs, data.test_targets)):
        assert images.dtype == np.uint8 and 0.04 < angles.std() < 0.06 and abs(angles.mean()) < 0.005
        assert np.abs(angles).max() < 0.15
    frames = {frame.tobytes() for images in (data.train_inputs, data.test_inputs) for frame in images}
    assert len(frames) == 4800  # no two are alike


def test_the_same_frames_every_time():
    """Bit by bit in a process. Numbers taken once: if they change, recorded results are those of other data."""
    data, again = load("road"), road.road()
    for part in ("train_inputs", "train_targets", "test_inputs", "test_targets"):
        assert np.array_equal(getattr(data, part), getattr(again, part))
    np.testing.assert_allclose(data.train_targets[:3, 0], ANGLES, rtol=1e-5)
    assert [frame.mean() for frame in data.train_inputs[:3]] == pytest.approx(MEANS, abs=0.01)
