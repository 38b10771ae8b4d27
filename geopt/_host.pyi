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
def __getattr__(name: str) -> Any: ...
