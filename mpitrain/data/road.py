"""A winding road as a camera in a car would see it, and the angle to steer at. Drawn by arithmetic: nothing is filmed.

       . . . . . . . . .   sky             ground, from above, in the car's own coordinates: z ahead, x to the right
       - - - - - - - - -   horizon                      : x(z)
        grass  / \\  grass                               :        middle of the road at distance z, in metres:
              /   \\                                    :         x(z) = -offset - z tan(heading)
            .'     '.      marks                     .'                 + curvature z^2 / 2 + winding z^3 / 6
          .'         '.                            car              (Dickmanns and Mysliwetz, IEEE PAMI 14, 1992)

The first network that drove learnt on drawn roads too (D. Pomerleau: ALVINN, NIPS 1, 1989). The target is the angle by
which a driver comes back to the middle AHEAD metres further on: along a circle of curvature 2 x / l^2 through the point
at x, l metres away (C. Coulter: Implementation of the Pure Pursuit Path Tracking Algorithm, CMU-RI-TR-92-01, 1992), at
the angle arctan(WHEELBASE * curvature) of the front wheels. Right is positive everywhere.
"""

from typing import NamedTuple

import numpy as np

from mpitrain.data.dataset import Dataset

TRAIN, TEST = 4000, 800  # frames
HEIGHT, WIDTH, HORIZON = 30, 40, 9  # pixels; rows above the horizon are sky
FOCAL = WIDTH / 2 / np.tan(np.radians(30))  # pixels, for a view of 60 degrees
CAMERA = 1.4  # metres above the ground
HALF_ROAD, MARK, HALF_MARK = 2.0, 1.7, 0.1  # metres from the middle of the road, of a mark, and of a mark's own middle
DASH = 3.0  # metres of paint between two gaps
AHEAD, WHEELBASE = 10.0, 2.5  # metres
AT_ONCE = 200  # frames, which fit the cache


class Scenes(NamedTuple):
    """What is to be seen in n frames, each a float64 array (n,). Metres and radians; greys are of 0 to 255."""

    offset: np.ndarray  # of the car from the middle of the road
    heading: np.ndarray  # of the car from the road's direction
    curvature: np.ndarray  # of the road, 1 / m
    winding: np.ndarray  # by how much curvature grows in a metre, 1 / m^2
    sky: np.ndarray  # greys in full light
    grass: np.ndarray
    asphalt: np.ndarray
    paint: np.ndarray
    gap: np.ndarray  # between dashes of the marks at both sides; 0: they are solid
    phase: np.ndarray  # of the dashes
    shade: np.ndarray  # share of light that a shadow on the ground takes
    shade_left: np.ndarray  # sides and ends of the shadow
    shade_right: np.ndarray
    shade_near: np.ndarray
    shade_far: np.ndarray
    light: np.ndarray  # a factor on everything
    grain: np.ndarray  # noise of a pixel: at most so many greys

    def middle(self, z: np.ndarray | float) -> np.ndarray:
        """Where the middle of the road is at distance z, metres; z broadcasts against (n, 1)."""
        offset, slope, curvature, winding = (
            part[:, np.newaxis] for part in (self.offset, np.tan(self.heading), self.curvature, self.winding)
        )
        return -offset - slope * z + curvature * z**2 / 2 + winding * z**3 / 6

    def steering(self) -> np.ndarray:
        """Angles of the front wheels, radians (n,)."""
        x = self.middle(AHEAD)[:, 0]
        return np.arctan(WHEELBASE * 2 * x / (x**2 + AHEAD**2))


def imagine(count: int, generator: np.random.Generator) -> Scenes:
    """Scenes drawn by lot, as wide apart as roads, cars and days are."""

    def between(low: float, high: float) -> np.ndarray:
        return low + (high - low) * generator.random(count)

    left, near, grass = between(-5, 3), between(2, 20), between(70, 130)
    asphalt = grass + between(15, 50) * np.where(generator.random(count) < 0.7, -1, 1)
    return Scenes(
        offset=between(-1, 1),
        heading=between(-0.1, 0.1),
        curvature=between(-0.02, 0.02),
        winding=between(-2e-4, 2e-4),
        sky=between(150, 250),
        grass=grass,
        asphalt=asphalt,
        paint=asphalt + between(20, 75),
        gap=between(0, 9) * (generator.random(count) < 0.5),
        phase=between(0, 12),
        shade=between(0.2, 0.7) * (generator.random(count) < 0.5),
        shade_left=left,
        shade_right=left + between(1, 5),
        shade_near=near,
        shade_far=near + between(1, 10),
        light=between(0.5, 1),
        grain=between(0, 12),
    )


def draw(scenes: Scenes, generator: np.random.Generator | None = None) -> np.ndarray:
    """Frames uint8 (n, HEIGHT, WIDTH, 1), with grain if there is a generator to draw it from."""
    frames = np.empty((len(scenes.offset), HEIGHT, WIDTH, 1), np.uint8)
    for start in range(0, len(frames), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        some = Scenes(*(values[part] for values in scenes))
        grey = _greys(some)
        if generator is not None:
            noise = generator.random(grey.shape, np.float32)
            noise *= 2
            noise -= 1
            noise *= _across(some.grain)
            grey += noise
        frames[part, ..., 0] = np.rint(np.clip(grey, 0, 255, out=grey), out=grey)
    return frames


def road() -> Dataset:
    """Frames (30, 40, 1) and angles (1,) in radians, the same in every process; all scenes are independent."""
    parts = []
    for seed, count in enumerate((TRAIN, TEST)):
        generator = np.random.default_rng([1989, seed])
        scenes = imagine(count, generator)
        parts += [draw(scenes, generator), scenes.steering().astype(np.float32)[:, np.newaxis]]
    return Dataset("road", None, *parts)


def _greys(scenes: Scenes) -> np.ndarray:
    """(n, HEIGHT, WIDTH) float32 without grain. A pixel's grey is the mean of what it sees from left to right."""
    below = np.arange(HEIGHT - HORIZON)  # rows from the horizon to a row's upper edge
    scale = FOCAL * CAMERA
    z, near, far = scale / (below + 0.5), scale / (below + 1), scale / np.maximum(below, 0.25)
    edges = np.arange(-WIDTH // 2, WIDTH // 2 + 1) / FOCAL * z[:, np.newaxis]  # metres to the right, of pixels' sides
    pixel = (z / FOCAL).astype(np.float32)[:, np.newaxis]
    from_car = edges.astype(np.float32)
    from_middle = from_car - scenes.middle(z).astype(np.float32)[..., np.newaxis]

    def covered(x: np.ndarray, left: np.ndarray | float, right: np.ndarray | float) -> np.ndarray:
        """Which share of each pixel lies between left and right, where x are its sides."""
        return np.diff(np.clip(x, left, right)) / pixel

    def along(share: np.ndarray) -> np.ndarray:
        return share.astype(np.float32)[..., np.newaxis]

    paint = covered(from_middle, -MARK - HALF_MARK, -MARK + HALF_MARK)
    paint += covered(from_middle, MARK - HALF_MARK, MARK + HALF_MARK)
    paint *= along(_dashed(scenes, near, far))
    shade = covered(from_car, _across(scenes.shade_left), _across(scenes.shade_right))
    ends = np.clip(far, *(end[:, np.newaxis] for end in (scenes.shade_near, scenes.shade_far)))
    starts = np.clip(near, *(end[:, np.newaxis] for end in (scenes.shade_near, scenes.shade_far)))
    shade *= along((ends - starts) / (far - near)) * _across(scenes.shade)
    ground = covered(from_middle, -HALF_ROAD, HALF_ROAD) * _across(scenes.asphalt - scenes.grass)
    ground += _across(scenes.grass)
    ground += paint * _across(scenes.paint - scenes.asphalt)
    ground *= 1 - shade
    greys = np.empty((len(scenes.offset), HEIGHT, WIDTH), np.float32)
    greys[:, :HORIZON], greys[:, HORIZON:] = _across(scenes.sky), ground
    greys *= _across(scenes.light)
    return greys


def _dashed(scenes: Scenes, near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Which share of the way from near to far a mark is painted, (n, rows)."""
    period = DASH + scenes.gap[:, np.newaxis]

    def painted(z: np.ndarray) -> np.ndarray:
        """Metres of paint from some dash up to z."""
        dashes, rest = np.divmod(z + scenes.phase[:, np.newaxis], period)
        return dashes * DASH + np.minimum(rest, DASH)

    return (painted(far) - painted(near)) / (far - near)


def _across(values: np.ndarray) -> np.ndarray:
    """One number a frame, to go with its pixels."""
    return values.astype(np.float32)[:, np.newaxis, np.newaxis]
