"""Scans with known poses, put together into one cloud; what the readers of all formats share."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from geopt.data.sweeps import CLOSE_M, Cloud, ModelFrame, SweepPoints, apply, compose, inverse


class PosedScans(abc.ABC):
    """Reads scans by number, and knows where the sensor and the vehicle were."""

    kind: ClassVar[str]
    """What messages call the dataset."""
    sensor: str = "unknown"
    """Short name of what measured, such as ``HDL-32E``; an encoder file says which ones its weights have seen."""
    points_frame: ModelFrame = "ego"
    """Frame that :meth:`read` gives points in. Scans in that of the LiDAR are put together as those of nuScenes: points of
    past scans near the sensor are removed."""

    @abc.abstractmethod
    def read(self, row: int) -> SweepPoints:
        """The points of a scan, in :attr:`points_frame`.

        Raises:
            FileNotFoundError: the file is missing; names it.
            ValueError: the file is damaged; names it.
        """

    @abc.abstractmethod
    def timestamp_us(self, row: int) -> int:
        """Time of a scan."""

    @abc.abstractmethod
    def ego_from_lidar(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the sensor is on the vehicle, metres."""

    @abc.abstractmethod
    def global_from_ego(self, row: int) -> NDArray[np.float64]:
        """(3, 4) where the vehicle was in the map at the time of a scan, metres."""

    def model_from_ego(self, row: int, frame: ModelFrame) -> NDArray[np.float64]:
        """(3, 4) where the vehicle is in the model frame.

        Raises:
            ValueError: ``frame`` is neither ``ego`` nor ``lidar``.
        """
        if frame not in ("ego", "lidar"):
            raise ValueError(f"{self.kind}: frame must be 'ego' or 'lidar', got {frame!r}")
        return np.eye(3, 4) if frame == "ego" else inverse(self.ego_from_lidar(row))

    def global_from_model(self, row: int, frame: ModelFrame = "ego") -> NDArray[np.float64]:
        """(3, 4) where the model frame was in the map at the time of a scan, metres.

        Raises:
            ValueError: ``frame`` is neither ``ego`` nor ``lidar``.
        """
        return compose(self.global_from_ego(row), inverse(self.model_from_ego(row, frame)))

    def cloud(self, row: int, past: Sequence[int] = (), frame: ModelFrame = "ego") -> Cloud:
        """Bring a scan and past scans into the frame of the former.

        Points go from their own scan to the map, and from there to the frame of ``row``, in float64, rounded once. Where
        points are stored in the frame of the LiDAR, those of past scans with |x| < 1 m and |y| < 1 m from it are removed.

        Args:
            row: The newest scan.
            past: Older scans, newest first.
            frame: Of the result: ``ego`` or ``lidar`` at the time of ``row``.

        Raises:
            FileNotFoundError, ValueError: see :meth:`read`; or ``frame`` is neither.
        """
        model_from_global = compose(self.model_from_ego(row, frame), inverse(self.global_from_ego(row)))
        rows = [row, *past]
        origins, parts = [], []
        for other in rows:
            points = self.read(other)
            motion = self._own_motion(row, frame) if other == row else self._motion(other, model_from_global)
            far = _far_rows(points.xyz) if self.points_frame == "lidar" and other != row else None
            # a scan's own points need no pose, and no motion where they are in the model frame: their bits stay
            if other != row or frame != self.points_frame:
                points = points._replace(xyz=apply(motion, points.xyz))
            parts.append(points if far is None else points.take(far))
            origins.append(
                (motion if self.points_frame == "lidar" else compose(motion, self.ego_from_lidar(other)))[:, 3]
            )
        counts = [len(part.xyz) for part in parts]
        lags = np.array([self.timestamp_us(row) - self.timestamp_us(other) for other in rows]) * 1e-6
        return Cloud(
            xyz=np.concatenate([part.xyz for part in parts]),
            intensity=_joined([part.intensity for part in parts]),
            ring=_joined([part.ring for part in parts]),
            time_lag_s=np.repeat(lags.astype(np.float32), counts),
            sweep=np.repeat(np.arange(len(rows), dtype=np.int16), counts),
            sensor_origins=np.array(origins, dtype=np.float32),
            elongation=_joined([part.elongation for part in parts]),
        )

    def _own_motion(self, row: int, frame: ModelFrame) -> NDArray[np.float64]:
        """From the stored points of the newest scan to the model frame."""
        if self.points_frame == "ego":
            return self.model_from_ego(row, frame)
        return self.ego_from_lidar(row) if frame == "ego" else np.eye(3, 4)

    def _motion(self, row: int, model_from_global: NDArray[np.float64]) -> NDArray[np.float64]:
        """From the stored points of a past scan to the model frame."""
        if self.points_frame == "ego":
            return compose(model_from_global, self.global_from_ego(row))
        return compose(model_from_global, compose(self.global_from_ego(row), self.ego_from_lidar(row)))


def _far_rows(xyz: NDArray[np.float32]) -> NDArray[np.int64]:
    """Points that do not lie on the vehicle itself."""
    return np.flatnonzero(~((np.abs(xyz[:, 0]) < CLOSE_M) & (np.abs(xyz[:, 1]) < CLOSE_M)))


def _joined(columns: Sequence[NDArray[np.float32] | None]) -> NDArray[np.float32] | None:
    present = [column for column in columns if column is not None]
    return np.concatenate(present) if len(present) == len(columns) else None
