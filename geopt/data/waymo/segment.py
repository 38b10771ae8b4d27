"""What both versions of the format say of a segment: an index of its frames, and the range images of one of them."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from geopt import cache
from geopt.data.sweeps import check_rigid

TOP = 1
"""Number of the lidar on the roof, whose turns have a pose for each pixel."""
LIDARS = {1: "TOP", 2: "FRONT", 3: "SIDE_LEFT", 4: "SIDE_RIGHT", 5: "REAR"}
MAX_PIXELS = 1 << 20
"""Of a range image; the largest in use has 170,000."""
MAX_INCLINATION_RAD = 2.0
"""Beams look between straight down and straight up, with some room."""


class Calibration(NamedTuple):
    """One lidar on the vehicle."""

    extrinsic: NDArray[np.float64]
    """(4, 4) vehicle from lidar, metres."""
    inclinations: NDArray[np.float64]
    """(H,) of the beams, ascending, radians; empty where they are even between ``lowest`` and ``highest``."""
    lowest: float
    highest: float

    def rows(self, height: int) -> NDArray[np.float64]:
        """(H,) inclination of each row of a range image, whose first row is the highest beam.

        Raises:
            ValueError: there are other beams than rows, or one that looks nowhere.
        """
        angles = self.inclinations
        if not len(angles):
            angles = (np.arange(height) + 0.5) / height * (self.highest - self.lowest) + self.lowest
        if len(angles) != height or not (np.abs(angles) <= MAX_INCLINATION_RAD).all():
            raise ValueError(f"a range image of {height} rows has {len(angles)} inclinations, or one that is no angle")
        return angles[::-1]


class LaserLabels(NamedTuple):
    """Annotated boxes as the files tell them. M boxes."""

    box: NDArray[np.float64]
    """(M, 7) centre x, y, z, length, width, height, heading; metres, radians, in the vehicle frame of the frame."""
    speed: NDArray[np.float64]
    """(M, 3) metres per second along the axes of the global frame; NaN where unknown."""
    acceleration: NDArray[np.float64]
    """(M, 3) metres per second squared, likewise."""
    type: NDArray[np.int64]
    """(M,) 0 unknown, 1 vehicle, 2 pedestrian, 3 sign, 4 cyclist."""
    detection_difficulty: NDArray[np.int64]
    """(M,) 1 or 2, or 0 where nobody said so; the benchmark then goes by the number of points."""
    tracking_difficulty: NDArray[np.int64]
    num_points: NDArray[np.int64]
    """(M,) points of all lidars inside, -1 where unknown."""
    num_top_points: NDArray[np.int64]
    id: NDArray[np.bytes_]
    """(M,) the same for one object over its segment."""


class Stats(NamedTuple):
    """Where and when a segment was recorded; "" where unknown."""

    time_of_day: str
    """Day, Dawn/Dusk or Night."""
    location: str
    weather: str


class SegmentIndex(NamedTuple):
    """A segment without its points. F frames in the order of time."""

    name: str
    timestamp_us: NDArray[np.int64]
    """(F,)"""
    world_from_vehicle: NDArray[np.float64]
    """(F, 4, 4) metres."""
    place: NDArray[np.int64]
    """(F, P) where the frame lies in its file, for the reader."""
    has_points: NDArray[np.bool_]
    """(F,)"""
    has_segmentation: NDArray[np.bool_]
    """(F,) whether there are labels of points."""
    has_boxes: bool
    """Whether anybody annotated boxes; a frame may have none of them all the same."""
    label_offsets: NDArray[np.int64]
    """(F + 1,) labels of frame f are rows ``label_offsets[f]:label_offsets[f + 1]``."""
    labels: LaserLabels
    """Of all frames."""
    calibrations: dict[int, Calibration]
    """By the number of the lidar."""
    stats: Stats

    def labels_of(self, frame: int) -> LaserLabels:
        """Labels of one frame."""
        rows = slice(int(self.label_offsets[frame]), int(self.label_offsets[frame + 1]))
        return LaserLabels._make(column[rows] for column in self.labels)


class RangeImages(NamedTuple):
    """The decoded images of one lidar in one frame."""

    returns: tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]
    """First and second, (H, W, 4) range (m), intensity, elongation, 1 in a zone without labels; None if not there."""
    poses: NDArray[np.float32] | None
    """(H, W, 6) roll, pitch, yaw (radians), x, y, z (metres) of the vehicle in the world for each pixel."""
    segmentation: tuple[NDArray[np.int32] | None, NDArray[np.int32] | None]
    """Of both returns, (H, W, 2) instance and class."""

    @property
    def size(self) -> tuple[int, int]:
        """H and W."""
        image = next(image for image in self.returns if image is not None)
        return image.shape[0], image.shape[1]


class Segment(Protocol):
    """A segment on the disk; both versions of the format have one."""

    def index(self) -> SegmentIndex:
        """Everything but the points.

        Raises:
            ValueError: a file is damaged; names it.
        """
        ...

    def read(self, place: NDArray[np.int64], lidars: tuple[int, ...], with_labels: bool) -> dict[int, RangeImages]:
        """Images of a frame.

        Args:
            place: A row of :attr:`SegmentIndex.place`.
            lidars: Numbers of the lidars that are wanted; those that the frame lacks are absent.
            with_labels: Also read the labels of points.

        Raises:
            ValueError: a file is damaged; names it.
        """
        ...


def check_image(image: NDArray, channels: int) -> None:
    """Refuse what is no image of so many channels.

    Raises:
        ValueError: says what it is.
    """
    if image.ndim != 3 or image.shape[2] != channels or image.shape[0] * image.shape[1] > MAX_PIXELS:
        raise ValueError(f"an image must be (rows, columns, {channels}), got {image.shape}")


def check_calibration(number: int, calibration: Calibration) -> None:
    """Refuse an extrinsic that is no rigid motion.

    Raises:
        ValueError: says of which lidar.
    """
    check_rigid(calibration.extrinsic[None], f"extrinsic of lidar {number}")


def pack(index: SegmentIndex) -> cache.Arrays:
    """An index as arrays that can be cached."""
    arrays: cache.Arrays = {"name": np.array(index.name), "has_boxes": np.array(index.has_boxes)}
    arrays["stats"] = np.array(index.stats)
    arrays |= {name: getattr(index, name) for name in PLAIN}
    arrays |= {f"label_{name}": column for name, column in index.labels._asdict().items()}
    arrays["lidars"] = np.array(list(index.calibrations), dtype=np.int64)
    for number, calibration in index.calibrations.items():
        arrays |= {f"lidar{number}_{name}": np.asarray(value) for name, value in calibration._asdict().items()}
    return arrays


def unpack(arrays: cache.Arrays) -> SegmentIndex:
    """The inverse of :func:`pack`."""
    calibrations = {}
    for number in arrays["lidars"].tolist():
        lowest, highest = (float(arrays[f"lidar{number}_{side}"]) for side in ("lowest", "highest"))
        extrinsic, inclinations = arrays[f"lidar{number}_extrinsic"], arrays[f"lidar{number}_inclinations"]
        calibrations[number] = Calibration(extrinsic, inclinations, lowest, highest)
    return SegmentIndex(
        name=str(arrays["name"]),
        has_boxes=bool(arrays["has_boxes"]),
        labels=LaserLabels._make(arrays[f"label_{name}"] for name in LaserLabels._fields),
        calibrations=calibrations,
        stats=Stats(*arrays["stats"].tolist()),
        **{name: arrays[name] for name in PLAIN},
    )


PLAIN = ("timestamp_us", "world_from_vehicle", "place", "has_points", "has_segmentation", "label_offsets")
