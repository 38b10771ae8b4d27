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
    power: float
    """Brightness goes with cosine**power: 1 is a matt wall, less is rough, more is glossy."""


MATT = Material(100.0, 0.5)
MATERIALS = {
    classes.ROAD: Material(110.0, 0.3),
    classes.SIDEWALK: Material(180.0, 0.3),
    classes.TERRAIN: Material(120.0, 0.3),
    classes.VEGETATION: Material(120.0, 0.2),
    classes.MANMADE: Material(110.0, 0.5),
    classes.CAR: Material(80.0, 2.0),
}
SPECKLE = 0.25
"""Standard deviation of the logarithm of the intensity from shot to shot."""
_BRIGHTNESS = np.array([MATERIALS.get(label, MATT).brightness for label in range(len(classes.CLASSES))])
_POWER = np.array([MATERIALS.get(label, MATT).power for label in range(len(classes.CLASSES))])


def returns(
    sensor: Sensor,
    distance: Floats,
    label: NDArray[np.uint8],
    reflectance: NDArray,
    cosine: Floats,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], Floats, Floats]:
    """Measure hits.

    All arguments are (N,); distance in metres, inf for a miss.

    Returns:
        Whether each hit is measured; the measured distance in metres; the intensity, 0 to 255.
    """
    speckle = np.exp(rng.normal(scale=SPECKLE, size=len(distance)))
    noise = rng.normal(scale=sensor.range_noise_m, size=len(distance))
    is_kept = rng.uniform(size=len(distance)) >= sensor.random_loss
    is_hit = (distance >= sensor.min_range_m) & (distance <= sensor.max_range_m)
    far = np.where(is_hit, distance, 1.0)
    shine = _BRIGHTNESS[label] * reflectance * np.maximum(cosine, 1e-6) ** _POWER[label]
    intensity = shine * gain(sensor, far) * speckle
    is_measured = is_hit & is_kept & (intensity >= faintest(sensor, far))
    return is_measured, far + noise, np.minimum(np.rint(intensity), 255.0)
