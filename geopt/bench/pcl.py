"""Normals and curvature by the Point Cloud Library of the system: it has no wheel, so a small file is compiled against it."""

from __future__ import annotations

import ctypes
import hashlib
import subprocess
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geopt import cache, files

SOURCE = Path(__file__).with_name("pcl_normals.cpp")
PACKAGE = "pcl_features"
"""As pkg-config calls it; brings searches and trees."""
COMPILE = ("c++", "-std=c++17", "-O3", "-shared", "-fPIC")
ONLY_WHAT_IS_CALLED = "-Wl,--as-needed"
"""pkg-config names MPI and HDF5 too, which are then not loaded."""
SIGNATURES = {
    "geopt_pcl_new": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int64]),
    "geopt_pcl_delete": (None, [ctypes.c_void_p]),
    "geopt_pcl_estimate": (None, [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]),
    "geopt_pcl_read": (None, [ctypes.c_void_p, ctypes.c_void_p]),
}


class Cloud:
    """A ``pcl::PointCloud`` and its normals.

    Args:
        library: From :func:`load`.
        xyz: (N, 3) float32, at least one.
    """

    def __init__(self, library: ctypes.CDLL, xyz: NDArray[np.float32]) -> None:
        self._library, self._num_points = library, len(xyz)
        xyz = np.ascontiguousarray(xyz, np.float32)
        self._pointer = library.geopt_pcl_new(xyz.ctypes.data, len(xyz))
        weakref.finalize(self, library.geopt_pcl_delete, self._pointer)

    def estimate(self, k: int, threads: int) -> None:
        """Build the tree, then normals and curvature of all points by ``NormalEstimationOMP``. They stay in PCL's cloud."""
        self._library.geopt_pcl_estimate(self._pointer, k, threads)

    def normals(self) -> NDArray[np.float32]:
        """(N, 4) of the last estimate: normal, and surface variation, which PCL calls curvature."""
        out = np.empty((self._num_points, 4), np.float32)
        self._library.geopt_pcl_read(self._pointer, out.ctypes.data)
        return out


def version() -> str | None:
    """Of the PCL of the system; None where pkg-config finds none."""
    try:
        return _answer("pkg-config", "--silence-errors", "--modversion", PACKAGE)
    except (OSError, subprocess.CalledProcessError):
        return None


def load() -> ctypes.CDLL:
    """Compile against PCL, or take from the cache what was compiled from the same source in the same way.

    Raises:
        ImportError: PCL, pkg-config or a compiler is not installed.
    """
    remedy = "apt install libpcl-dev pkg-config g++"
    found = version()
    if found is None:
        raise ImportError(f"PCL is not known to pkg-config; {remedy}")
    try:
        told = found + _answer(COMPILE[0], "--version") + " ".join(COMPILE) + SOURCE.read_text()
        place = cache.folder() / f"pcl-{hashlib.sha256(told.encode()).hexdigest()[:16]}.so"
        if not place.is_file():
            files.replace(place, _compile)
        library = ctypes.CDLL(str(place))
    except (OSError, subprocess.CalledProcessError) as error:
        raise ImportError(f"PCL {found} could not be compiled against or loaded ({error}); {remedy}") from error
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _compile(place: Path) -> None:
    flags = _answer("pkg-config", "--cflags", "--libs", PACKAGE).split()
    _answer(*COMPILE, "-o", str(place), str(SOURCE), ONLY_WHAT_IS_CALLED, *flags)


def _answer(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
