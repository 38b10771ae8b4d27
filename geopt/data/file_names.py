"""Which files of a folder are meant."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKED = (".gz", ".xz", ".bz2", ".zst", ".zstd", ".zip")
"""Ends of names of files that somebody packed."""


def names_in(kind: str, folder: Path, suffix: str) -> list[str]:
    """Names without the suffix of the files of a folder, ascending; none where there is no folder.

    Hidden files, such as ``._000000.bin`` that a Mac leaves behind, are passed over.

    Raises:
        OSError: the folder cannot be read.
        ValueError: a file's name alone would leave it out: ``000000.BIN``, or ``000000.bin.gz``; names it.
    """
    if not folder.is_dir():
        return []
    bare = suffix.removesuffix(".gz")
    alike, found = (bare, *(bare + end for end in PACKED)), []
    for entry in _visible(folder):
        if entry.is_dir():
            continue
        if entry.name.endswith(suffix):
            found.append(entry.name.removesuffix(suffix))
        elif entry.name.lower().endswith(alike):
            raise ValueError(
                f"{kind}: {entry.path} must end in {suffix}, as the files of the dataset do; pack, unpack or rename it, or "
                "move it away"
            )
    return sorted(found)


def files_below(root: Path, pattern: str) -> Iterator[Path]:
    """Files below a folder, also where links lead, folder by folder in the order of names. Hidden files and folders are
    passed over.

    Args:
        root: The folder.
        pattern: What paths below it are like: ``*`` in a name stands for any letters, ``**`` for any folders.

    Raises:
        FileNotFoundError: a link leads nowhere; names it.
        OSError: a folder cannot be read; names it.
    """
    wanted = pattern.split("/")
    return (path for path in _walk(root, ()) if _is_like(path.relative_to(root).parts, wanted))


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    here = os.path.realpath(folder)
    if here in above:  # a link that leads back up
        return
    for entry in _visible(folder):
        if entry.is_dir():
            yield from _walk(folder / entry.name, (*above, here))
        elif entry.is_file():  # no pipe, which would never end
            yield folder / entry.name
        elif entry.is_symlink():
            raise FileNotFoundError(f"scans: {entry.path} is a link that leads nowhere; mend it or remove it")


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def _is_like(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_is_like(parts[begin:], wanted[1:]) for begin in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], wanted[0]) and _is_like(parts[1:], wanted[1:])
