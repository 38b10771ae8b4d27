"""The compiled loops of geopt.evaluation (csrc/host); each says what it does in its docstring."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

def read_table(
    path: str, fields: list[tuple[str, str]], filter_field: str, wanted: list[bytes], num_threads: int
) -> dict[str, NDArray[Any]]: ...
def rows_of(keys: NDArray[np.bytes_], wanted: NDArray[np.bytes_]) -> NDArray[np.int64]: ...
def read_submission(
    source: str | bytes,
    tracking: bool,
    classes: list[str],
    attributes: list[str],
    samples: list[str],
    skip_other_samples: bool,
    max_boxes: int,
    num_threads: int,
) -> dict[str, Any]: ...
def match_detections(
    predicted_xy: NDArray[np.float64],
    predicted_sample: NDArray[np.int32],
    true_xy: NDArray[np.float64],
    true_sample: NDArray[np.int32],
    num_samples: int,
    thresholds: tuple[float, ...],
    num_threads: int,
) -> NDArray[np.int64]: ...
def waymo_detection(
    predicted_box: NDArray[np.float64],
    predicted_type: NDArray[np.uint8],
    predicted_score: NDArray[np.float32],
    predicted_frame: NDArray[np.int64],
    predicted_nlz: NDArray[np.bool_],
    true_box: NDArray[np.float64],
    true_type: NDArray[np.uint8],
    true_frame: NDArray[np.int64],
    true_difficulty: NDArray[np.uint8],
    true_speed: NDArray[np.float64],
    num_frames: int,
    breakdowns: list[int],
    levels: list[list[int]],
    iou_thresholds: list[float],
    box_type: int,
    matcher: int,
    score_cutoffs: list[float],
    recall_delta: float,
    tolerance: list[float],
    num_threads: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]: ...
def waymo_iou(a: NDArray[np.float64], b: NDArray[np.float64], box_type: int) -> NDArray[np.float32]: ...
def waymo_assignment(weights: NDArray[np.int32]) -> list[int]: ...
def waymo_average_precision(precisions: list[float], recalls: list[float], delta: float) -> float: ...
def read_waymo_objects(path: str) -> dict[str, Any]: ...
def read_waymo_segmentation(path: str) -> list[tuple[bytes, int, list[Any]]]: ...
def read_waymo_matrix(text: bytes) -> tuple[NDArray[np.int32], list[int]]: ...
def waymo_confusion(truth: NDArray[np.int32], prediction: NDArray[np.int32], num_classes: int) -> NDArray[np.int64]: ...
def range_image_points(
    pixels: NDArray[np.float32],
    extrinsic: NDArray[np.float64],
    inclinations: NDArray[np.float64],
    poses: NDArray[np.float32] | None,
    world_from_vehicle: NDArray[np.float64] | None,
) -> dict[str, NDArray[Any]]: ...
def waymo_index(path: str) -> dict[str, Any]: ...
def waymo_blobs(path: str, offset: int) -> list[tuple[int, int, int, bytes]]: ...
def waymo_matrix(content: bytes, is_float: bool) -> NDArray[Any]: ...
def masked_crc32c(content: bytes) -> int: ...
def __getattr__(name: str) -> Any: ...
