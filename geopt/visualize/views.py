"""One validation frame as a model saw it, and the parts of it that pictures show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from geopt.visualize import squares

OVERVIEW_QUANTILE = 0.98
DETAIL_SHARE = 6
"""The detail window is the smaller side of the overview over this."""


class Window(NamedTuple):
    """A rectangle of ground, metres."""

    lower: tuple[float, float]
    upper: tuple[float, float]

    def __str__(self) -> str:
        (x0, y0), (x1, y1) = self
        x, y = (round((low + high) / 2, 1) + 0.0 for low, high in ((x0, x1), (y0, y1)))  # + 0.0: no minus zero
        return f"{x1 - x0:.3g} m x {y1 - y0:.3g} m around x = {x} m, y = {y} m"

    def holds(self, xy: NDArray[Any]) -> NDArray[np.bool_]:
        """Which rows (N, 2 or more) lie in the rectangle."""
        return np.all((xy[:, :2] >= self.lower) & (xy[:, :2] < self.upper), axis=1)


class Frame:
    """NumPy views of what ``model.picture`` gave; ``key in frame`` tells which parts are there.

    Args:
        picture: Tensors of one frame on the CPU: ``grid_lower`` (3,), ``grid_upper`` (3,); and, each group optional,
            ``points`` (N, 3); ``token_coords`` (T, 3) int, ``token_size`` (3,), ``token_hidden`` (T,) bool;
            ``cell_centers`` (K, 3) of the finest cells of predicted tokens that are occupied or predicted so,
            ``cell_size`` (3,), ``cell_truth`` (K,) bool, ``cell_probability`` (K,); ``normal_positions`` (J, 3),
            ``normals`` (J, 3), ``normals_predicted`` (J, 3); of models with a head, positions in the names ``classes``:
            ``labels_true`` (N,), 0 where unknown, ``labels_predicted`` (N,); ``boxes_true`` (K, 9),
            ``box_classes_true`` (K,), ``boxes_predicted`` (D, 9), ``box_classes_predicted`` (D,), ``box_scores`` (D,).
            Metres. ``frame`` is the name of the frame.
        frame: ``ego`` or ``lidar``.

    Raises:
        ValueError: the extent of the grid is missing, or a group is there in part.
    """

    groups = (
        ("token_coords", "token_size", "token_hidden"),
        ("cell_centers", "cell_size", "cell_truth", "cell_probability"),
        ("normal_positions", "normals", "normals_predicted"),
        ("labels_true", "labels_predicted", "points", "classes"),
        (
            "boxes_true",
            "box_classes_true",
            "boxes_predicted",
            "box_classes_predicted",
            "box_scores",
            "points",
            "classes",
        ),
    )

    def __init__(self, picture: Mapping[str, Any], frame: str = "ego") -> None:
        for group in (("grid_lower", "grid_upper"), *self.groups):
            missing = [key for key in group if key not in picture]
            begun = [key for key in group if key in picture and key not in ("points", "classes")]
            if missing and (group[0] == "grid_lower" or begun):
                raise ValueError(f"picture: {', '.join(group)} must come together, got no {', '.join(missing)}")
        self.frame = frame
        self.name = str(picture.get("frame", ""))
        self.classes: tuple[str, ...] = tuple(picture.get("classes", ()))
        self._values = {
            key: (value.float() if value.is_floating_point() else value).numpy()  # NumPy has no bfloat16
            for key, value in picture.items()
            if isinstance(value, Tensor)
        }

    def __getitem__(self, key: str) -> NDArray[Any]:
        return self._values[key]

    def __contains__(self, key: str) -> bool:
        return key in self._values

    @property
    def overview(self) -> Window:
        """The part of the grid within the distance, along x or y, that nearly all points keep from the origin."""
        low, high = self["grid_lower"][:2].astype(float), self["grid_upper"][:2].astype(float)
        if "points" in self and len(self["points"]):
            reach = reach_of(self["points"])
            nearer_low, nearer_high = np.maximum(low, -reach), np.minimum(high, reach)
            if (nearer_low < nearer_high).all():  # else the grid lies far from the origin
                low, high = nearer_low, nearer_high
        return Window((float(low[0]), float(low[1])), (float(high[0]), float(high[1])))

    def detail(self) -> Window | None:
        """The square that holds most columns with several occupied cells: walls and cars rather than road."""
        if "cell_centers" not in self or not self["cell_truth"].any():
            return None
        (x0, y0), (x1, y1) = self.overview
        side = min(x1 - x0, y1 - y0) / DETAIL_SHARE
        occupied = self["cell_centers"][self["cell_truth"]]
        columns, row = squares.columns_of(np.floor((occupied - self["grid_lower"]) / self["cell_size"]))
        centers = (columns + 0.5) * self["cell_size"][:2] + self["grid_lower"][:2]
        return densest(self.overview, centers, np.minimum(np.bincount(row) - 1, 3) + 0.01, side)

    @property
    def predicted(self) -> NDArray[np.bool_]:
        return self["cell_probability"] > 0.5

    @property
    def normal_error_deg(self) -> NDArray[np.float64]:
        """(J,) angles between predicted and true normal, signs ignored."""
        a, b = self["normals"].astype(np.float64), self["normals_predicted"].astype(np.float64)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        return np.degrees(np.arccos(np.clip(np.abs((a * b).sum(axis=1)) / np.maximum(lengths, 1e-12), 0, 1)))

    @property
    def normal_spacing_m(self) -> float:
        """How far normals are from each other on the ground, at most a token: the size to draw them in."""
        largest = float(self["token_size"][:2].min()) if "token_size" in self else 1.0
        columns = np.unique(np.round(self["normal_positions"][:, :2].astype(np.float64), 3), axis=0)
        if len(columns) < 2:
            return largest
        distance, _ = cKDTree(columns).query(columns, k=2)
        return min(largest, float(np.median(distance[:, 1])))

    @property
    def point_is_seen(self) -> NDArray[np.bool_]:
        """(N,) whether a point lies in a visible token."""
        visible = self["token_coords"][~self["token_hidden"]].astype(np.int64)
        index = np.floor((self["points"] - self["grid_lower"]) / self["token_size"]).astype(np.int64)
        return np.isin(_key(index), _key(visible))


def reach_of(xyz: ArrayLike) -> float:
    """The distance along x or y, a multiple of 5 m, within which nearly all points keep from the origin."""
    cloud: NDArray[np.float64] = np.asarray(xyz, dtype=np.float64)[:, :2]
    cloud = cloud[np.isfinite(cloud).all(axis=1)]
    farthest = np.quantile(np.abs(cloud).max(axis=1), OVERVIEW_QUANTILE) if len(cloud) else 0.0
    return max(5.0, 5.0 * float(np.ceil(farthest / 5)))


def densest(overview: Window, places: NDArray[Any], weights: NDArray[Any], side: float) -> Window | None:
    """The square of an edge length in metres within a window that holds the most; None if it does not fit.

    Args:
        overview: Where to look, in steps of a quarter of ``side``.
        places: (C, 2) metres.
        weights: (C,).
        side: Metres.
    """
    step = side / 4
    edges = [np.arange(low, high + step, step) for low, high in zip(*overview)]
    found, *_ = np.histogram2d(places[:, 0], places[:, 1], bins=edges, weights=weights)
    if min(found.shape) < 4:
        return None
    sums = np.lib.stride_tricks.sliding_window_view(found, (4, 4)).sum(axis=(2, 3))
    i, j = np.unravel_index(int(sums.argmax()), sums.shape)
    x, y = float(edges[0][i]), float(edges[1][j])
    return Window((x, y), (x + side, y + side))


def _key(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each (x, y, z) index below a million."""
    return (index[:, 0] << 40) + (index[:, 1] << 20) + index[:, 2]
