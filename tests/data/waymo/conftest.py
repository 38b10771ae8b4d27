"""A made-up drive as files of both versions; once among made-up lidars, once among those of the real car."""

import numpy as np
import pytest
import waymo_files

from geopt.data import Waymo

VERSIONS = ("v1", "v2")


def real_lidars(root):
    """Calibrations of the frame without lasers."""
    source = Waymo(root / "waymo_mmdet3d_tests" / "waymo_format")
    found = source._indices[0].calibrations
    return {n: waymo_files.Lidar(c.extrinsic, c.inclinations, c.lowest, c.highest) for n, c in sorted(found.items())}


@pytest.fixture(scope="session")
def made_up():
    """Three frames."""
    return waymo_files.make_drive()


@pytest.fixture(scope="session", params=["made up", "real lidars"])
def drive(request, made_up):
    """Frames of a drive; far from the origin of the world where the lidars are real."""
    if request.param == "made up":
        return made_up
    lidars = real_lidars(request.getfixturevalue("shared_data"))
    return waymo_files.make_drive(lidars, num_frames=2, origin=(15000.0, -14000.0, -600.0), seed=1)


@pytest.fixture(scope="session", params=VERSIONS)
def stored(request, drive, tmp_path_factory):
    """The drive, and a reader of it."""
    return drive, Waymo(waymo_files.write(drive, request.param, tmp_path_factory.mktemp(request.param)))


@pytest.fixture(scope="session", params=VERSIONS)
def waymo(request, made_up, tmp_path_factory):
    """A reader of the made-up drive."""
    return Waymo(waymo_files.write(made_up, request.param, tmp_path_factory.mktemp(request.param)))


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def truth():
    """All points of a frame in the order of the reader, and a column of one of their channels."""

    def points(frame, lidars=(1, 2, 3, 4, 5), returns=(0, 1)):
        return np.concatenate([frame.returns[lidar, which].points for lidar in lidars for which in returns])

    return points
