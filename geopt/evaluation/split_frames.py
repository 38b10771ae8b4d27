"""The key frames that a submission for a split must cover."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from geopt import cache, tables
from geopt.evaluation.ground_truth import scenes_of_split

POINT_BYTES = 20
"""float32 x, y, z, intensity, ring."""


class SplitFrame(NamedTuple):
    """A key frame of a split."""

    scene: str
    """Name of its scene."""
    sample_token: str
    """Boxes are submitted under it."""
    lidar_token: str
    """Of the LiDAR's key frame (``sample_data``); labels of points are submitted under it."""
    timestamp_us: int
    points: Path
    """Its LiDAR file; it need not exist."""

    @property
    def num_points(self) -> int:
        """Points in the LiDAR file.

        Raises:
            FileNotFoundError: it is missing.
        """
        return self.points.stat().st_size // POINT_BYTES


def split_frames(data_root: str | os.PathLike[str], version: str, split: str) -> list[SplitFrame]:
    """Find the key frames of a split that are in a dataset, scene by scene in the order of the scene table, in time.

    No annotation is needed, so the test split has frames too.

    Args:
        data_root: The dataset's folder.
        version: Name of the version folder in it, such as ``v1.0-trainval``.
        split: An official split, or one of ``splits.json`` in the version folder.

    Raises:
        FileNotFoundError: the folder or a table is missing.
        ValueError: the split does not fit the version or none of its scenes is there, or a table is damaged.
    """
    root, folder = Path(data_root), Path(data_root) / version
    sources = tables.table_paths(folder, tables.SWEEP_TABLES)
    names, _ = scenes_of_split(folder, split)
    arrays = cache.arrays("nuscenes-sweeps-1", sources, lambda: tables.read_sweeps(folder)._asdict())
    sweeps = tables.SweepTable(**arrays)
    scenes = [name.decode() for name in sweeps.scene_names.tolist()]
    rows = np.flatnonzero(sweeps.is_key_frame)
    frames = [
        SplitFrame(
            scene=scenes[sweeps.scene[row]],
            sample_token=sample.decode(),
            lidar_token=sweeps.token[row].decode(),
            timestamp_us=int(sweeps.timestamp_us[row]),
            points=root / sweeps.filename[row].decode(),
        )
        for row, sample in zip(rows.tolist(), sweeps.sample_token.tolist())
        if scenes[sweeps.scene[row]] in names
    ]
    if not frames:
        raise ValueError(f"split_frames: {folder} has no scene of split {split}; get the version that holds them")
    return frames
