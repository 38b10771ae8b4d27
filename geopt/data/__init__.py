"""From a dataset folder to batches of points."""

from geopt.data.collate import collate
from geopt.data.config import AugmentConfig, DataConfig
from geopt.data.dataset import FrameDataset, build_dataset
from geopt.data.nuscenes import NuScenes
from geopt.data.sample import Sample
from geopt.data.sampler import ResumableSampler

__all__ = [
    "AugmentConfig",
    "DataConfig",
    "FrameDataset",
    "NuScenes",
    "ResumableSampler",
    "Sample",
    "build_dataset",
    "collate",
]
