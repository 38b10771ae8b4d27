"""Where the files lie that come with geopt and are no Python: ``configs/`` and ``datasets/``."""

from __future__ import annotations

from pathlib import Path

KINDS = ("configs", "datasets")


def path(kind: str, name: str = "") -> Path:
    """Find a file or folder that comes with geopt.

    An installed wheel carries the two folders as ``geopt/_resources/configs`` and ``geopt/_resources/datasets``;
    an editable install reads those of the checkout.

    Args:
        kind: ``configs`` or ``datasets``.
        name: Path below that folder with forward slashes, such as ``nuscenes/splits.json``; empty for the folder.

    Raises:
        ValueError: ``kind`` is neither.
        FileNotFoundError: the file is in neither place.
    """
    if kind not in KINDS:
        raise ValueError(f"resources.path: kind must be one of {', '.join(KINDS)}, got {kind!r}")
    package = Path(__file__).resolve().parent
    places = (package / "_resources" / kind / name, package.parent / kind / name)
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(
        f"resources.path: {kind}/{name} is neither {places[0]} nor {places[1]}; reinstall geopt-lidar"
    )
