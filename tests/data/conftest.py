"""A small dataset in the nuScenes format, written once per session."""

from pathlib import Path

import pytest
from nuscenes_folder import write_nuscenes

from geopt.data import NuScenes
from geopt.structures import VoxelGrid


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """scene-0061 and scene-0103 with 5 key frames each; read it, do not change it."""
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"))


@pytest.fixture
def own_root(tmp_path: Path) -> Path:
    """The same dataset, for a test to damage."""
    return write_nuscenes(tmp_path / "nuscenes")


@pytest.fixture(scope="session")
def tiny(tiny_root: Path) -> NuScenes:
    return NuScenes(tiny_root, "v1.0-mini")


@pytest.fixture(params=["tiny", "real"])
def nuscenes(request: pytest.FixtureRequest) -> NuScenes:
    """The small dataset, then scene-0523 where it is there."""
    root = request.getfixturevalue("tiny_root" if request.param == "tiny" else "nuscenes_root")
    return NuScenes(root, "v1.0-mini")


@pytest.fixture(scope="session")
def grid() -> VoxelGrid:
    return VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (0.512, 0.512, 8.0))
