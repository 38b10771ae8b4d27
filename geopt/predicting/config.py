"""What a prediction is configured by."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field, NonNegativeInt

from geopt import config as configs
from geopt.data.scans import ScansConfig
from geopt.heads.panoptic import PanopticConfig
from geopt.heads.tracker import TrackerConfig
from geopt.schema import Frozen


class PredictData(Frozen):
    """Key frames to predict. What is empty is as in the run."""

    root: str = ""
    version: str = ""
    split: str = ""
    """An official split, or one of ``splits.json``; submissions cover all its key frames. Empty: the run's ``data.val``."""
    workers: NonNegativeInt = 2
    """Processes that read."""


class PredictConfig(Frozen):
    """Everything that ``geopt predict`` can be told."""

    data: PredictData = PredictData()
    tracker: TrackerConfig = TrackerConfig()
    panoptic: PanopticConfig = PanopticConfig()
    scans: ScansConfig = ScansConfig()
    """What plain scan files hold; for ``--scans``."""
    score_threshold: float | None = Field(None, ge=0, le=1)
    """Of boxes; null takes that of the run."""
    pictures: NonNegativeInt = 3
    """Evenly spaced key frames that get a picture and a coloured PLY file."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""


def load(overrides: Sequence[str] = (), source: str = "default") -> PredictConfig:
    """Read a prediction config; see :func:`geopt.config.load`."""
    return configs.load(PredictConfig, source, overrides, group="predict")
