"""Fixtures that every test may use; OpenMP is tamed before torch starts its threads."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads on shared cores ran 20 times slower
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scans: GEOPT_TEST_DATA, or shared/data beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("GEOPT_TEST_DATA", beside))
    if not root.is_dir():
        pytest.skip("no real scans: set GEOPT_TEST_DATA to a folder with nuscenes/, semantickitti/, ...")
    return root


@pytest.fixture(scope="session")
def shared_fixtures() -> Path:
    """Folder of official evaluator outputs: GEOPT_TEST_FIXTURES, or shared/fixtures beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "fixtures"
    root = Path(os.environ.get("GEOPT_TEST_FIXTURES", beside))
    if not root.is_dir():
        pytest.skip("no official outputs: set GEOPT_TEST_FIXTURES to a folder with nuscenes_det/, nuscenes_track/, ...")
    return root


@pytest.fixture(scope="session")
def nuscenes_root(shared_data: Path) -> Path:
    """Folder with ``v1.0-mini/`` and ``samples/`` of scene-0523."""
    root = shared_data / "nuscenes"
    if not (root / "v1.0-mini").is_dir():
        pytest.skip(f"no nuScenes tables in {root}")
    return root


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Every device that ops run on; the GPU is skipped where there is none."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return torch.device(request.param)
