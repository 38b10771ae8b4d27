"""Single scans as models see them, wherever they come from: nothing but points."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from geopt.data.config import DataConfig
from geopt.data.folder import Scan, ScanLayout
from geopt.data.sample import Sample

LIDAR_HEIGHT_M = 1.84
"""Of the LiDAR of nuScenes over the ground; in its frame, which models may be trained in, the ground is so far below 0."""


class ScansConfig(ScanLayout):
    """What the files hold, how the sensor was mounted, and how bright it sees."""

    intensity_scale: float = 1.0
    """Factor that makes the intensity of the files that of the training data as it is stored; 255 for KITTI's 0 to 1
    where a model was trained on nuScenes."""


def as_sample(scan: Scan, config: ScansConfig, data: DataConfig) -> Sample:
    """A scan as one frame in the model frame.

    Args:
        scan: The file.
        config: Mounting and scale.
        data: What the model was trained on. Its frame is the model frame, where ``lidar`` stands for x to the right and the
            ground ``LIDAR_HEIGHT_M`` below the origin; of its features ``time_lag_s`` is 0 unless the file has it.

    Raises:
        ValueError: the file lacks a channel; names it and the file. Or the model was trained in the frame of another lidar
            than that of nuScenes.
    """
    if data.dataset != "nuscenes" and data.frame == "lidar":
        raise ValueError(
            f"scans: {scan.name} cannot be seen in the lidar frame of {data.dataset}; train with data.frame=ego"
        )
    x, y, z = config.xyz_m(scan).T
    cos, sin = np.cos(np.radians(config.yaw_deg)), np.sin(np.radians(config.yaw_deg))
    forward, left, height_m = cos * x - sin * y, sin * x + cos * y, config.sensor_height_m
    if data.frame == "lidar":
        forward, left, height_m = -left, forward, height_m - LIDAR_HEIGHT_M
    xyz = np.stack([forward, left, z + height_m], axis=1).astype(np.float32)
    channels = np.zeros((len(xyz), len(data.features)), dtype=np.float32)
    for place, name in enumerate(data.features):
        if name in scan.columns:
            scale = data.intensity_scale * config.intensity_scale if name == "intensity" else 1.0
            channels[:, place] = scan.columns[name] * np.float32(scale)
            if name == "intensity" and data.intensity_curve == "tanh":
                channels[:, place] = np.tanh(channels[:, place])
        elif name != "time_lag_s":
            raise ValueError(
                f"scans: {scan.name} has columns {', '.join(scan.columns)}, but the model needs {name} as well; name it in "
                "scans.columns or scans.fields, or use a model that was trained without it"
            )
    stem = Path(scan.name).stem
    return Sample(
        frame=stem,
        token=stem,
        timestamp_us=0,
        xyz=xyz,
        features=channels,
        sweep=np.zeros(len(xyz), dtype=np.int16),
        sensor_origins=np.array([[0.0, 0.0, height_m]], dtype=np.float32),
        seed=0,
    )
