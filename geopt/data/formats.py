"""Which reader belongs to ``data.kind``."""

from __future__ import annotations

from collections.abc import Callable

from geopt.data.argoverse2 import Argoverse2
from geopt.data.config import DataConfig
from geopt.data.folder import Folder
from geopt.data.kitti import Kitti
from geopt.data.nuscenes import NuScenes
from geopt.data.pandaset import PandaSet
from geopt.data.semantickitti import SemanticKitti
from geopt.data.shards import layout
from geopt.data.shards.reader import Shards
from geopt.data.source import Source
from geopt.data.waymo import Waymo


def _nuscenes(config: DataConfig) -> Source:
    return NuScenes(config.root, config.version)


def _waymo(config: DataConfig) -> Source:
    return Waymo(config.root, config.waymo)


def _shards(config: DataConfig) -> Source:
    found = Shards(config.root)
    kind = found.manifest.kind
    if kind != config.dataset:
        raise ValueError(f"data.kind must be {kind}, of which {found.root} holds shards, got {config.dataset}")
    options, given = getattr(config, kind, None), found.manifest.source.get(kind)
    if options is not None and options.model_dump(mode="json") not in (given, type(options)().model_dump(mode="json")):
        raise ValueError(f"data.{kind} must be left out, or be what was given to `geopt pack`: {given}")
    return found


FORMATS: dict[str, Callable[[DataConfig], Source]] = {
    "nuscenes": _nuscenes,
    "waymo": _waymo,
    "folder": lambda config: Folder(config.root, config.folder),
    "shards": _shards,
    "kitti": lambda config: Kitti(config.root),
    "semantickitti": lambda config: SemanticKitti(config.root),
    "argoverse2": lambda config: Argoverse2(config.root),
    "pandaset": lambda config: PandaSet(config.root, config.pandaset),
}


def open_source(config: DataConfig) -> Source:
    """Open the dataset that a config names, or shards of it if those lie in the folder.

    Raises:
        FileNotFoundError, ValueError: it is missing or damaged; names the file.
        ImportError: its files need a package that is not installed; says which.
    """
    return (_shards if config.root and layout.are_in(config.root) else FORMATS[config.kind])(config)
