"""What comes back of a beam: how bright it is, and whether it is strong enough to be measured."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.simulate import classes
from geopt.simulate.randomness import Floats
from geopt.simulate.sensor.models import Sensor, faintest, gain


class Material(NamedTuple):
    """How the faces of a class throw light back."""

    brightness: float
    """Intensity at 6 to 11 m and normal incidence of a face whose reflectance is 1."""
    power: float = 0.5
    """Brightness goes with cosine**power: 1 is a matt wall, less is rough, more is glossy."""
    spread: float = 0.1
    """Standard deviation of the logarithm of the brightness from scene to scene: asphalt is old or new, wet or dry."""


# Fitted by hand until the medians of the intensity between 5 and 12 m came near those of nuScenes, on four scenes of ten key
# frames. There, 32 labelled scans have road 16, sidewalk 42, wall 56, leaves 42, person 54, car 2, lorry 22; the boxes of
# scene-0523 hold car 3, lorry 9, bus 13, trailer 26, person 19, cone 27, barrier 34, and its road has 6. Powers are plausible:
# ground is rough, paint is glossy.
MATT = Material(100.0)
MATERIALS = {
    classes.ROAD: Material(180.0, 0.3, 0.4),
    classes.SIDEWALK: Material(210.0, 0.3, 0.2),
    classes.TERRAIN: Material(190.0, 0.3, 0.2),
    classes.OTHER_FLAT: Material(190.0, 0.3, 0.2),
    classes.VEGETATION: Material(155.0, 0.2, 0.1),
    classes.MANMADE: Material(150.0, 0.5, 0.1),
    classes.CAR: Material(85.0, 2.0, 0.0),
    classes.BUS: Material(75.0, 1.0, 0.0),
    classes.TRUCK: Material(75.0, 0.5, 0.0),
    classes.PEDESTRIAN: Material(130.0, 0.5, 0.0),
}
RETRO = 0.9
"""Faces that reflect at least this much send light back to where it came from, almost whatever the angle."""
RETRO_BRIGHTNESS = 190.0
DIFFUSE_LIMIT = 100.0
"""Nothing else is brighter: the sensor of nuScenes keeps the values above for retro-reflectors."""
SPECKLE = 0.1
"""Standard deviation of the logarithm of the intensity from shot to shot; neighbours on roads and walls of nuScenes differ
by 0.05 to 0.1."""


class Light(NamedTuple):
    """The materials and the lasers of one scene."""

    brightness: Floats
    """(classes,), see :class:`Material`."""
    power: Floats
    """(classes,)."""
    ring_gain: Floats
    """(rings,) factor on the intensity of each laser, none of which is calibrated perfectly."""


def draw_light(sensor: Sensor, rng: np.random.Generator) -> Light:
    """Light of a scene."""
    materials = [MATERIALS.get(label, MATT) for label in range(len(classes.CLASSES))]
    spread = np.array([material.spread for material in materials])
    brightness = np.array([material.brightness for material in materials]) * np.exp(
        spread * rng.normal(size=len(spread))
    )
    ring_gain = np.exp(rng.normal(scale=sensor.laser_spread, size=sensor.num_rings))
    return Light(brightness, np.array([material.power for material in materials]), ring_gain)


class Returns(NamedTuple):
    """What was measured of hits."""

    is_measured: NDArray[np.bool_]
    """(N,) whether anything came back."""
    distance: Floats
    """(N,) metres, with noise."""
    intensity: Floats
    """(N,) whole numbers from 0 to 255."""


def returns(
    sensor: Sensor,
    light: Light,
    distance: Floats,
    label: NDArray[np.uint8],
    reflectance: NDArray,
    cosine: Floats,
    rng: np.random.Generator,
) -> Returns:
    """Measure the hits of a whole turn, ordered by column, then ring.

    Args:
        distance: (N,) metres, inf for a miss.
        label: (N,) class of the face.
        reflectance: (N,) of the face, 0 to 1.
        cosine: (N,) of the angle between ray and normal, 0 to 1.
    """
    count = len(distance)
    speckle = np.exp(rng.normal(scale=SPECKLE, size=count))
    noise = rng.normal(scale=sensor.range_noise_m, size=count)
    is_kept = rng.uniform(size=count) >= sensor.random_loss
    is_hit = (distance >= sensor.min_range_m) & (distance <= sensor.max_range_m)
    far = np.where(is_hit, distance, 1.0)
    is_retro = reflectance >= RETRO
    brightness = np.where(is_retro, RETRO_BRIGHTNESS, light.brightness[label])
    power = np.where(is_retro, 0.3, light.power[label])
    signal = brightness * reflectance * np.maximum(cosine, 1e-6) ** power * gain(sensor, far) * speckle
    is_measured = is_hit & is_kept & (signal >= faintest(sensor, far))
    intensity = signal * np.tile(light.ring_gain, count // sensor.num_rings)
    intensity = np.where(is_retro, intensity, np.minimum(intensity, DIFFUSE_LIMIT))
    return Returns(is_measured, far + noise, np.minimum(np.rint(intensity), 255.0))
