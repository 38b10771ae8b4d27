"""Arrays that were built from files, kept under ``$XDG_CACHE_HOME/geopt`` until one of the files changes."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray]

log = logging.getLogger(__name__)

MIN_SOURCE_BYTES = 32 << 20
"""Files smaller than this together are read again instead: that takes well below a second."""


def folder() -> Path:
    """The cache folder of geopt; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "geopt"


def arrays(
    name: str, sources: Sequence[Path], build: Callable[[], Arrays], min_source_bytes: int = MIN_SOURCE_BYTES
) -> Arrays:
    """Load what ``build`` returned the last time, or call it.

    An entry is used only if path, size and modification time of every source are as they were. A damaged entry is
    built again. Entries appear by an atomic rename, so processes that start together do not see half of one. A cache
    that cannot be written costs a log line, never the run.

    Args:
        name: What is built, with a version number that changes with the layout, such as ``nuscenes-sweeps-1``.
        sources: The files that ``build`` reads; all must exist.
        build: Returns arrays by name, none of dtype object.
        min_source_bytes: Below this sum of file sizes nothing is cached.
    """
    stats = [(str(source.resolve()), source.stat()) for source in sources]
    if sum(stat.st_size for _, stat in stats) < min_source_bytes:
        return build()
    fingerprint = json.dumps([(path, stat.st_size, stat.st_mtime_ns) for path, stat in stats])
    places = hashlib.sha256(json.dumps([path for path, _ in stats]).encode()).hexdigest()[:16]
    entry = folder() / f"{name}-{places}.npz"
    found = _load(entry, fingerprint)
    if found is not None:
        return found
    built = build()
    try:
        _store(entry, fingerprint, built)
    except OSError as error:
        log.warning("%s could not be written (%s); it will be built again next time", entry, error)
    return built


def _load(entry: Path, fingerprint: str) -> Arrays | None:
    try:
        with np.load(entry, allow_pickle=False) as file:
            if str(file["fingerprint"]) != fingerprint:
                return None
            return {key: file[key] for key in json.loads(str(file["names"]))}
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged archive raises almost anything, and the remedy is always the same
        log.warning("%s is damaged (%s: %s); building it again", entry, type(error).__name__, error)
        return None


def _store(entry: Path, fingerprint: str, built: Arrays) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=entry.parent, prefix=entry.stem, suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            # a damaged archive can look whole but for a missing array, hence the names
            meta = {"fingerprint": np.array(fingerprint), "names": np.array(json.dumps(list(built)))}
            np.savez(file, **meta, **built)  # type: ignore[arg-type]
        os.replace(temporary, entry)
    except BaseException:
        os.unlink(temporary)
        raise
