"""Files that are either the old one or the new one, never half of one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, flush it to the disk, and move it there in one step.

    Args:
        path: Where the file shall lie; its folder is made if it is missing.
        write: Gets a temporary path in the same folder and writes the file there.

    Raises:
        OSError: the disk is full or not writable; ``path`` is then as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(descriptor)
    temporary = Path(name)
    try:
        write(temporary)
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp lets only the owner read
        _flush(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(path.parent)  # the rename itself must survive a power cut too


def replace_text(path: Path, text: str) -> None:
    """:func:`replace` with UTF-8 text."""
    replace(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def replace_bytes(path: Path, content: bytes | memoryview) -> None:
    """:func:`replace` with bytes."""
    replace(path, lambda temporary: temporary.write_bytes(content))


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of writers that were killed; call it only while nobody else writes there."""
    for temporary in folder.glob(".*.tmp"):
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
