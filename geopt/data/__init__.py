"""From a dataset folder to batches of points."""

from geopt.data.argoverse2 import Argoverse2
from geopt.data.collate import collate
from geopt.data.config import PASTED, AugmentConfig, DataConfig, PandaSetConfig, PasteConfig, WaymoConfig
from geopt.data.dataset import FrameDataset, build_dataset
from geopt.data.folder import Folder, FolderConfig
from geopt.data.kitti import Kitti
from geopt.data.labelled import LabelledCollate, LabelledFrames, build_labelled
from geopt.data.nuscenes import NuScenes
from geopt.data.pandaset import PandaSet
from geopt.data.sample import Sample
from geopt.data.sampler import ResumableSampler
from geopt.data.semantickitti import SemanticKitti
from geopt.data.waymo import Waymo

__all__ = [
    "PASTED",
    "Argoverse2",
    "AugmentConfig",
    "DataConfig",
    "Folder",
    "FolderConfig",
    "FrameDataset",
    "Kitti",
    "LabelledCollate",
    "LabelledFrames",
    "NuScenes",
    "PandaSet",
    "PandaSetConfig",
    "PasteConfig",
    "ResumableSampler",
    "Sample",
    "SemanticKitti",
    "Waymo",
    "WaymoConfig",
    "build_dataset",
    "build_labelled",
    "collate",
]
