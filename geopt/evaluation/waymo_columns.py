"""Columns of boxes and labels that users hand to the Waymo evaluators: what they must be, and what is said if not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geopt.evaluation.errors import SubmissionError

BOX_COLUMNS: dict[str, dict[int, tuple[int, ...]]] = {
    "TYPE_3D": {7: (0, 1, 2, 3, 4, 5, 6)},
    "TYPE_2D": {7: (0, 1, 2, 3, 4, 5, 6), 5: (0, 1, 3, 4, 6)},
    "TYPE_AA_2D": {7: (0, 1, 2, 3, 4, 5, 6), 4: (0, 1, 3, 4)},
}
"""Of the seven of a box, those that tables of so many columns hold."""


class Columns(NamedTuple):
    """Speaks of the arguments of one function that begin with ``prefix``."""

    function: str
    prefix: str
    error: Callable[[str], ValueError] = ValueError

    def boxes(self, value: Any, box_type: str = "TYPE_3D") -> NDArray[np.float64]:
        """(N, 7) from (N, 7), or from the columns that boxes of the type have; finite."""
        boxes = self._floats("bbox", value)
        layouts = BOX_COLUMNS[box_type]
        if boxes.size == 0 and boxes.ndim < 2:
            boxes = boxes.reshape(0, 7)
        if boxes.ndim != 2 or boxes.shape[1] not in layouts:
            wanted = " or ".join(f"(N, {count})" for count in layouts)
            self._refuse("bbox", f"must have shape {wanted}, got {boxes.shape}")
        self._finite("bbox", boxes)
        out = np.zeros((len(boxes), 7))
        out[:, layouts[boxes.shape[1]]] = boxes
        return out

    def whole(self, name: str, value: Any, count: int, least: int, most: int, meaning: str) -> NDArray[np.int64]:
        """(count,) whole numbers within bounds."""
        numbers = np.asarray(value)
        if numbers.size == 0:
            numbers = numbers.astype(np.int64)
        if numbers.dtype.kind not in "iu":
            raise TypeError(f"{self.function}: {self.prefix}{name} must hold whole numbers, got {numbers.dtype}")
        self._long_enough(name, numbers, count)
        wrong = (numbers < least) | (numbers > most)
        if wrong.any():
            row = int(wrong.argmax())
            self._refuse(name, f"must be {meaning}, got {numbers[row]} in row {row}")
        return numbers.astype(np.int64)

    def frames(self, value: Any, count: int) -> NDArray[np.int64]:
        """(count,) any whole numbers that int64 holds."""
        info = np.iinfo(np.int64)
        return self.whole("frame_id", value, count, info.min, info.max, "int64")

    def scores(self, value: Any, count: int) -> NDArray[np.float32]:
        """(count,) float32 from 0 to 1."""
        scores = self._floats("score", value).astype(np.float32)
        self._long_enough("score", scores, count)
        wrong = ~((scores >= 0) & (scores <= 1))  # true for NaN
        if wrong.any():
            row = int(wrong.argmax())
            self._refuse("score", f"must be from 0 to 1, got {scores[row]} in row {row}")
        return scores

    def flags(self, name: str, value: Any, count: int) -> NDArray[np.bool_]:
        """(count,) bool, from bool or from 0 and 1; all False from None."""
        if value is None:
            return np.zeros(count, dtype=bool)
        flags = np.asarray(value)
        if flags.dtype == bool:
            self._long_enough(name, flags, count)
            return flags
        return self.whole(name, flags, count, 0, 1, "bool, or 0 and 1").astype(bool)

    def speeds(self, value: Any, count: int) -> NDArray[np.float64]:
        """(count, 2) finite."""
        speeds = self._floats("speed", value)
        if speeds.shape != (count, 2) and not (count == 0 and speeds.size == 0):
            self._refuse("speed", f"must have shape ({count}, 2), got {speeds.shape}")
        self._finite("speed", speeds.reshape(count, 2))
        return speeds.reshape(count, 2).astype(np.float64)

    def _floats(self, name: str, value: Any) -> NDArray[Any]:
        numbers = np.asarray(value)
        if numbers.dtype not in (np.float32, np.float64):
            raise TypeError(f"{self.function}: {self.prefix}{name} must be float32 or float64, got {numbers.dtype}")
        return numbers

    def _finite(self, name: str, table: NDArray[Any]) -> None:
        wrong = ~np.isfinite(table).all(axis=1)
        if wrong.any():
            row = int(wrong.argmax())
            self._refuse(name, f"must be finite, got {table[row].tolist()} in row {row}")

    def _long_enough(self, name: str, column: NDArray[Any], count: int) -> None:
        if column.shape != (count,) and not (count == 0 and column.size == 0):
            self._refuse(name, f"must have shape ({count},), a row for each box, got {column.shape}")

    def _refuse(self, name: str, what: str) -> None:
        raise self.error(f"{self.function}: {self.prefix}{name} {what}")


def of_predictions(function: str, prefix: str = "prediction_") -> Columns:
    """Those that :class:`SubmissionError` speaks of."""
    return Columns(function, prefix, SubmissionError)
