"""Real scans for the tests of ops."""

import contextlib

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session", params=["nuscenes", "kitti"])
def scan(request, shared_data):
    """(N, 3) float32 points of one real sweep: 34,720 of nuScenes with its duplicates, or 124,668 of SemanticKITTI."""
    pattern, columns = {
        "nuscenes": ("nuscenes/samples/LIDAR_TOP/*.bin", 5),
        "kitti": ("semantickitti/sequences/00/velodyne/*.bin", 4),
    }[request.param]
    files = sorted(shared_data.glob(pattern))
    if not files:
        pytest.skip(f"no {pattern} in {shared_data}")
    return torch.from_numpy(np.fromfile(files[0], np.float32).reshape(-1, columns)[:, :3].copy())


@pytest.fixture
def threads():
    """A context that runs with so many threads."""

    @contextlib.contextmanager
    def set_threads(count):
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)

    return set_threads


LEVELS = ("base", "avx2", "avx512")


@pytest.fixture(params=LEVELS)
def simd(request):
    """Every level of instructions that the kernels are compiled for; those that the processor lacks are skipped."""
    processor = torch.ops.geopt.processor_simd()
    if LEVELS.index(request.param) > LEVELS.index(processor):
        pytest.skip(f"this processor has {processor} at most")
    before = torch.ops.geopt.set_simd(request.param)
    yield request.param
    torch.ops.geopt.set_simd(before)
