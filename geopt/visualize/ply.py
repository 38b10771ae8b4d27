"""PLY files of coloured points, which every viewer of point clouds opens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from geopt import files


def write_ply(path: Path, xyz: ArrayLike, rgb: ArrayLike, labels: ArrayLike | None = None) -> None:
    """Write a binary PLY file; it appears whole or not at all.

    Args:
        path: Of the file.
        xyz: (N, 3) metres.
        rgb: (N, 3) colours in [0, 1].
        labels: (N,) whole numbers from 0 to 65,535, stored as the property ``label``; None leaves it out.

    Raises:
        ValueError: the arrays do not belong together, or a label does not fit.
    """
    points, colors = np.asarray(xyz, dtype="<f4"), np.asarray(rgb, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or colors.shape != points.shape:
        raise ValueError(f"write_ply: xyz and rgb must have shape (N, 3), got {points.shape} and {colors.shape}")
    columns = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
    names = {"<f4": "float", "u1": "uchar", "<u2": "ushort"}
    if labels is not None:
        columns.append(("label", "<u2"))
        if np.shape(labels) != (len(points),):
            raise ValueError(f"write_ply: labels must have shape ({len(points)},), got {np.shape(labels)}")
        wide = np.asarray(labels).astype(np.int64)
        if not ((0 <= wide) & (wide <= 65_535)).all():
            raise ValueError(
                f"write_ply: labels must be whole numbers from 0 to 65535, got {wide.min()} to {wide.max()}"
            )
    table = np.empty(len(points), dtype=columns)
    for axis, name in enumerate("xyz"):
        table[name] = points[:, axis]
    for channel, name in enumerate(("red", "green", "blue")):
        table[name] = np.rint(np.clip(colors[:, channel], 0, 1) * 255)
    if labels is not None:
        table["label"] = labels
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property {names[kind]} {name}" for name, kind in columns]
    files.replace_bytes(path, ("\n".join([*header, "end_header"]) + "\n").encode() + table.tobytes())
