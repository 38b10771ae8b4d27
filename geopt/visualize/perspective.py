"""Clouds as a camera above the street would see them, points and boxes coloured by class.

``python -m geopt.visualize.perspective ROOT FRAME PICTURE`` shows a key frame of a data set in nuScenes format.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geopt import files, official
from geopt.data import NuScenes
from geopt.optional import require
from geopt.visualize import bev
from geopt.visualize.labelled import DrawnBoxes, point_colors, rgb_of

DPI = 100
NEAREST_M = 1.0
"""What is nearer to the camera, or behind it, is not drawn."""
DOT_M = 0.09
"""Diameter of a point in the scene."""
DOTS_PX = (0.9, 7.0)
"""Smallest and largest diameter of a drawn point."""
EYE, TARGET = (-17.0, 5.0, 10.5), (14.0, -1.0, 0.0)
"""Of the command, in the ego frame: behind the vehicle and above it, looking ahead."""
EDGES = ((0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7))
FRONT = ((4, 6), (5, 7))
"""Diagonals across the front of a box."""


class Camera(NamedTuple):
    """A pinhole camera that is level from side to side."""

    eye: tuple[float, float, float]
    """Where it is, metres."""
    target: tuple[float, float, float]
    """What is in the middle of its picture."""
    field_deg: float = 60.0
    """From the left to the right edge of its picture."""

    @property
    def axes(self) -> NDArray[np.float64]:
        """(3, 3) rows: right, down and ahead, in the frame of ``eye``."""
        ahead = np.subtract(self.target, self.eye, dtype=np.float64)
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(ahead, right), ahead])

    def seen(self, xyz: ArrayLike, width_px: int, height_px: int) -> NDArray[np.float64]:
        """(N, 3) column and row in pixels from the upper left corner, and depth in metres, of (N, 3) places."""
        local = (np.asarray(xyz, dtype=np.float64) - self.eye) @ self.axes.T
        focal_px = width_px / 2 / np.tan(np.radians(self.field_deg) / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = local[:, :2] / local[:, 2:] * focal_px + (width_px / 2, height_px / 2)
        return np.column_stack([flat, local[:, 2]])


def corners(geometry: ArrayLike) -> NDArray[np.float64]:
    """(M, 8, 3) corners of boxes (M, 7 or more): the back from below, counter-clockwise seen from behind, then the front."""
    x, y, z, length, width, height, yaw = np.asarray(geometry, dtype=np.float64)[:, :7].T
    sides = np.array([(-1, 1, -1), (-1, -1, -1), (-1, -1, 1), (-1, 1, 1)])
    sides = np.concatenate([sides, sides * (-1, 1, 1)])
    along, aside, up = (sides[None, :, k] * size[:, None] / 2 for k, size in enumerate((length, width, height)))
    cos, sin = np.cos(yaw)[:, None], np.sin(yaw)[:, None]
    places = [x[:, None] + cos * along - sin * aside, y[:, None] + sin * along + cos * aside, z[:, None] + up]
    return np.stack(places, axis=2)


def save_view(
    path: Path,
    xyz: ArrayLike,
    rgb: ArrayLike,
    boxes: DrawnBoxes,
    camera: Camera,
    *,
    size_px: Sequence[int] = (1600, 700),
    palette: int = 64,
) -> Path:
    """Write a PNG of coloured points and boxes, nearer ones before farther ones, on transparent ground.

    Args:
        path: Where the PNG shall lie.
        xyz: (N, 3) metres.
        rgb: (N, 3) in [0, 1], such as :func:`geopt.visualize.labelled.point_colors`.
        boxes: Drawn as edges in the colour of their class, with a cross on their front.
        camera: In the frame of the points and boxes.
        size_px: Width and height.
        palette: Number of colours.

    Raises:
        ImportError: matplotlib is not installed.
    """
    width, height = int(size_px[0]), int(size_px[1])
    figure = require("matplotlib.figure", extra="viz").Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    _draw_points(axes, camera.seen(xyz, width, height), np.asarray(rgb, dtype=np.float64), camera, (width, height))
    lines, shades = [], []
    for box, color in zip(corners(boxes.geometry), rgb_of(boxes.names)):
        flat = camera.seen(box, width, height)
        if flat[:, 2].min() > NEAREST_M:
            lines += [flat[list(edge), :2] for edge in (*EDGES, *FRONT)]
            shades += [(*color, 0.95)] * len(EDGES) + [(*color, 0.45)] * len(FRONT)
    collections = require("matplotlib.collections", extra="viz")
    axes.add_collection(collections.LineCollection(lines, colors=shades, linewidths=1.1, zorder=3), autolim=False)
    files.replace_bytes(path, bev.png(figure, palette))
    return path


def save_key_frame(
    path: Path, dataset: NuScenes, row: int, camera: Camera, size_px: Sequence[int] = (1600, 700)
) -> Path:
    """Write a PNG of one turn of the sensor: points coloured by lidarseg class, or by box where the data set has no labels,
    and the boxes of the detection benchmark's classes that hold a point.

    Args:
        path: Where the PNG shall lie.
        dataset: Where to read.
        row: A key frame.
        camera: In the ego frame: x forward, y left, z up, origin on the ground below the vehicle.
        size_px: Width and height.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the sweep is no key frame.
        FileNotFoundError: a file of the data set is missing.
    """
    found, xyz, classes = dataset.boxes(row), dataset.cloud(row).xyz, official.class_map("detection").class_of_category
    shown = [k for k, name in enumerate(found.names) if name in classes and found.num_points[k] > 0]
    boxes = DrawnBoxes(found.geometry.numpy()[shown], tuple(classes[found.names[k]] for k in shown))
    has_labels = (dataset.folder / "lidarseg.json").is_file()
    rgb = point_colors(xyz, dataset.lidarseg(row, "coarse") if has_labels else None, boxes)
    return save_view(path, xyz, rgb, boxes, camera, size_px=size_px)


def parser() -> argparse.ArgumentParser:
    """Of the words of the command."""
    made = argparse.ArgumentParser(
        prog="python -m geopt.visualize.perspective",
        description="Show a key frame as a camera above the street sees it.",
    )
    made.add_argument("root", type=Path, metavar="ROOT", help="folder of the data set, in nuScenes format")
    made.add_argument("frame", metavar="FRAME", help="such as scene-0103/2")
    made.add_argument("picture", type=Path, metavar="PICTURE", help="PNG to write")
    made.add_argument("--version", default="v1.0-mini", help="folder of the tables")
    for name, place, words in (("eye", EYE, "the camera is"), ("target", TARGET, "it looks")):
        made.add_argument(
            f"--{name}", type=float, nargs=3, default=place, metavar=("X", "Y", "Z"), help=f"where {words}"
        )
    made.add_argument("--size", type=int, nargs=2, default=(1600, 700), metavar=("W", "H"), help="in pixels")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the picture.

    Args:
        arguments: Words of the command; None takes those of the process.
    """
    given = parser().parse_args(arguments)
    dataset = NuScenes(given.root, given.version)
    camera = Camera(tuple(given.eye), tuple(given.target))
    print(save_key_frame(given.picture, dataset, dataset.row(given.frame), camera, given.size))


def _draw_points(
    axes: Any, seen: NDArray[np.float64], rgb: NDArray[np.float64], camera: Camera, size: tuple[int, int]
) -> None:
    visible = (seen[:, 2] > NEAREST_M) & (seen[:, :2] >= 0).all(axis=1) & (seen[:, :2] < size).all(axis=1)
    order = np.flatnonzero(visible)[np.argsort(-seen[visible, 2], kind="stable")]
    column, row, depth = seen[order].T
    focal_px = size[0] / 2 / np.tan(np.radians(camera.field_deg) / 2)
    dot = np.clip(DOT_M * focal_px / depth, *DOTS_PX) * 72 / DPI
    axes.scatter(column, row, s=dot**2, c=rgb[order], linewidths=0, zorder=2)


if __name__ == "__main__":
    main()
