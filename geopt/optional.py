"""Packages that geopt can use but does not need, imported where they are used."""

from __future__ import annotations

import importlib
from types import ModuleType


def require(module: str, extra: str, apt: str = "") -> ModuleType:
    """Import an optional package or say how to install it.

    Args:
        module: What to import, such as ``matplotlib.figure``.
        extra: The extra of geopt-lidar that brings it.
        apt: System packages that it needs besides, separated by spaces.

    Raises:
        ImportError: the package, or a system library that it loads, is not installed.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # a missing system library raises OSError
        remedy = f"pip install 'geopt-lidar[{extra}]'" + (f" and apt install {apt}" if apt else "")
        raise ImportError(f"{module.split('.')[0]} could not be imported ({error}); {remedy}") from error
