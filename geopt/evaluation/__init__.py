"""Official scores of anybody's predictions. Needs no torch and no devkit."""

from geopt.evaluation.errors import SubmissionError
from geopt.evaluation.nuscenes_detection import nuscenes_detection
from geopt.evaluation.nuscenes_lidarseg import nuscenes_lidarseg
from geopt.evaluation.nuscenes_panoptic import nuscenes_panoptic
from geopt.evaluation.nuscenes_tracking import nuscenes_tracking

__all__ = ["SubmissionError", "nuscenes_detection", "nuscenes_lidarseg", "nuscenes_panoptic", "nuscenes_tracking"]
