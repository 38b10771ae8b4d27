"""Damages the files of a small dataset in many ways and reads each: whatever comes, a reader refuses it by name.

A test names a function that reads a whole folder, and asserts on what :func:`run` counted::

    def read(folder): ...  # of the module, not of a test: it runs in another process

    def test_damage_is_refused(tmp_path):
        write_a_small_dataset(tmp_path)
        found = fuzzing.run(read, tmp_path, cases=1000)
        assert found.refused > 300 and found.slowest_s < 5 and found.memory_mb < 300
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import re
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

MEMORY = 2 << 30
# Largest and lowest numbers of 2, 4 and 8 bytes, those that pass a check of the sign, and variable-length ones.
HUGE = [
    *(b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\x40", b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\xff" * 12),
    *(b"\xff\xff", b"\0\0\0\0\0\0\xf0\x7f", b"\0\0\0\0\x10\0\0\0"),
    *(b"\xff" * 9 + b"\x01", b"\xff\xff\xff\xff\x07", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
]
NUMBERS = [
    b"-1",
    b"0",
    b"99999999",
    b"2147483648",
    b"4294967297",
    b"18446744073709551616",
    b"1e300",
    b"nan",
    b"9" * 300,
]


class Outcome(NamedTuple):
    """What became of the cases."""

    good: int
    """Readings that went well: not every damage shows."""
    refused: int
    slowest_s: float
    """Processor seconds of the longest reading."""
    memory_mb: float
    """Growth of the peak of the process's memory since it read the whole files."""


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, with bits turned over, with a huge number in binary or in digits, or with a piece moved, lost or spliced in."""
    if not data:
        return rng.bytes(int(rng.integers(1, 64)))
    kind, found = int(rng.integers(9)), bytearray(data)
    place, size = int(rng.integers(len(found))), int(rng.integers(1, 64))
    if rng.random() < 0.3:
        place = min(place, int(rng.integers(1024)))  # where most formats say what they hold
    if kind == 0:
        del found[place:]
    elif kind == 1:
        for at in rng.integers(len(found), size=int(rng.integers(1, 9))):
            found[at] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        huge = HUGE[int(rng.integers(len(HUGE)))]
        found[place : place + len(huge)] = huge
    elif kind == 3:
        digits = re.compile(rb"-?\d+").search(found, place)
        begin, end = digits.span() if digits else (place, place)
        found[begin:end] = NUMBERS[int(rng.integers(len(NUMBERS)))]
    elif kind == 4:
        other = int(rng.integers(len(found)))
        found[place : place + size] = found[other : other + size]
    elif kind == 5:
        found[place : place + size] = rng.bytes(min(size, 16))
    elif kind == 6:
        found[place:place] = bytes(size)
    elif kind == 7:
        found[place : place + size] = bytes(len(found[place : place + size]))
    else:
        del found[place : place + size]
    return bytes(found)


def damaged_file(path: Path, data: bytes, rng: np.random.Generator) -> bytes:
    """:func:`damaged`, whatever the file is."""
    return damaged(data, rng)


def run(
    read: Callable[[Path], object],
    folder: Path,
    cases: int,
    *,
    seed: int = 0,
    pattern: str = "*",
    damage: Callable[[Path, bytes, np.random.Generator], bytes] = damaged_file,
    errors: tuple[type[Exception], ...] = (ValueError,),
    memory: int = MEMORY,
    hangs_s: float = 30.0,
) -> Outcome:
    """Read a folder again and again, each time with one of its files damaged.

    All of it happens in a process of its own, so that a crash is seen. The file that was damaged last is left as it is when
    something goes wrong.

    Args:
        read: Reads all of ``folder``; importable from its module.
        folder: Holds the whole files; must be readable.
        cases: How many times.
        seed: The same damage for the same number.
        pattern: Files to damage, at any depth: those below ``folder`` whose name is like this.
        damage: Gets a file's path, its whole content and a generator of random numbers, and returns other content; importable.
        errors: Refusals; each must name ``folder``, or a file in it.
        memory: Bytes a reading may ask for; more is a MemoryError.
        hangs_s: Seconds by the clock, of a machine that others use too, after which a reading is given up.

    Raises:
        AssertionError: another error, or one that names nothing.
        concurrent.futures.process.BrokenProcessPool: the process crashed, or one reading hung; its stack is on stderr.
    """
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_find_test_modules) as process:
        return process.submit(_run, read, folder, cases, seed, pattern, damage, errors, memory, hangs_s).result()


def _find_test_modules() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # pytest calls them tests.FOLDER.NAME


def _run(
    read: Callable[[Path], object],
    folder: Path,
    cases: int,
    seed: int,
    pattern: str,
    damage: Callable[[Path, bytes, np.random.Generator], bytes],
    errors: tuple[type[Exception], ...],
    memory: int,
    hangs_s: float,
) -> Outcome:
    faulthandler.enable(sys.__stderr__)
    whole = {path: path.read_bytes() for path in sorted(folder.rglob(pattern)) if path.is_file()}
    assert whole, f"no {pattern} in {folder}"
    read(folder)
    _limit_memory(memory)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    good, slowest_s, paths = 0, 0.0, list(whole)
    for case in range(cases):
        rng = np.random.default_rng([seed, case])
        path = paths[int(rng.integers(len(paths)))]
        path.write_bytes(damage(path, whole[path], rng))
        faulthandler.dump_traceback_later(hangs_s, exit=True, file=sys.__stderr__)
        begin = time.process_time()
        try:
            read(folder)
            good += 1
        except errors as error:
            assert str(folder) in str(error), f"seed {seed}, case {case}, {path}: names no file: {error}"
        except Exception as error:
            raise AssertionError(f"seed {seed}, case {case}, {path}: {type(error).__name__}: {error}") from error
        faulthandler.cancel_dump_traceback_later()
        slowest_s = max(slowest_s, time.process_time() - begin)
        path.write_bytes(whole[path])
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Outcome(good, cases - good, slowest_s, growth / 1024)


def _limit_memory(more: int) -> None:
    """Let the process have so many bytes more than it has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
