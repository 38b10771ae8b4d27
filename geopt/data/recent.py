"""The last few results of something slow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Keeps what was asked for last. It pickles without what it keeps, so that data workers can be given it.

    Args:
        size: How many results are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._kept: OrderedDict[Any, T] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {"size": self.size, "_kept": OrderedDict()}

    def get(self, key: Any, build: Callable[[], T]) -> T:
        """The result for a key; ``build`` is called unless it is kept."""
        if key not in self._kept:
            self._kept[key] = build()
            if len(self._kept) > self.size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
