"""Official scores of anybody's predictions. Needs no torch, no devkit and no TensorFlow."""

from geopt.evaluation.argoverse2_breakdown import argoverse2_breakdown
from geopt.evaluation.argoverse2_detection import argoverse2_detection
from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.kitti_breakdown import kitti_breakdown
from geopt.evaluation.kitti_detection import kitti_detection
from geopt.evaluation.nuscenes_detection import nuscenes_detection
from geopt.evaluation.nuscenes_detection_breakdown import nuscenes_detection_breakdown
from geopt.evaluation.nuscenes_lidarseg import nuscenes_lidarseg, nuscenes_lidarseg_breakdown
from geopt.evaluation.nuscenes_panoptic import nuscenes_panoptic
from geopt.evaluation.nuscenes_tracking import nuscenes_tracking
from geopt.evaluation.semantickitti_segmentation import semantickitti_breakdown, semantickitti_segmentation
from geopt.evaluation.waymo_breakdown import waymo_breakdown
from geopt.evaluation.waymo_detection import waymo_all_ns, waymo_detection
from geopt.evaluation.waymo_files import read_waymo_objects, waymo_detection_files, waymo_segmentation_files
from geopt.evaluation.waymo_iou import waymo_iou
from geopt.evaluation.waymo_preprocess import waymo_preprocess
from geopt.evaluation.waymo_segmentation import waymo_segmentation

__all__ = [
    "SubmissionError",
    "argoverse2_breakdown",
    "argoverse2_detection",
    "kitti_breakdown",
    "kitti_detection",
    "nuscenes_detection",
    "nuscenes_detection_breakdown",
    "nuscenes_lidarseg",
    "nuscenes_lidarseg_breakdown",
    "nuscenes_panoptic",
    "nuscenes_tracking",
    "read_waymo_objects",
    "semantickitti_breakdown",
    "semantickitti_segmentation",
    "waymo_all_ns",
    "waymo_breakdown",
    "waymo_detection",
    "waymo_detection_files",
    "waymo_iou",
    "waymo_preprocess",
    "waymo_segmentation",
    "waymo_segmentation_files",
]
