"""What the host computes before a CUDA kernel starts: blocks of a launch and bytes of workspace, without a GPU."""

import pytest
import torch

from geopt import ops

SIZES = [0, 1, 2**20, 2**31, 2**31 + 1]
GRID_LIMIT = 2**31 - 1  # blocks along x, CUDA programming guide
BUILT = bool(ops.build_info()["nvcc"])


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("items_per_block", [1, 4, 256, 1024])
def test_blocks_hold_all_items_or_stride_over_them(count, items_per_block):
    blocks = torch.ops.geopt.launch_blocks(count, items_per_block)
    assert 1 <= blocks <= GRID_LIMIT
    assert (blocks + 1) * 1024 < 2**32  # a thread's number fits 32 bits
    needed = -(-count // items_per_block)
    assert blocks == max(needed, 1) or blocks < needed == max(needed, 2**18)
    # As the kernels stride, the last item has its turn, and no turn is empty for all blocks.
    turns = -(-needed // blocks)
    assert turns * blocks * items_per_block >= count
    assert needed == 0 or (turns - 1) * blocks < needed


def test_the_largest_count_does_not_overflow():
    assert torch.ops.geopt.launch_blocks(2**63 - 1, 1024) == torch.ops.geopt.launch_blocks(2**40, 1)


# op, its second number, and bytes that n rows and m of whatever else the op counts need at least.
LEAST = {
    "voxel_index": (16, lambda n, m: 2 * (4 + 4) * n),  # clouds, and 2^16 cells in each
    "segment_reduce": (1000, lambda n, m: 2 * (4 + 4) * n + 8 * m),
    "knn": (16, lambda n, m: (2 * (8 + 4) + 16) * n + 32 * n // 32),  # clouds; keys, rows, points and their boxes
    "local_pca": (16, lambda n, m: (2 * (8 + 4) + 16 + 4 * min(n, 16)) * n),
    "farthest_point_sample": (4, lambda n, m: 2 * (8 + 4) * n + 4 * 4 * n + 24 * m),
    "cell_pca": (0, lambda n, m: 2 * 16 * n),
    "points_in_boxes": (0, lambda n, m: 64 * n),
    "box_iou": (1000, lambda n, m: 80 * (n + m)),
    "nms_kept": (0, lambda n, m: 80 * n),
}


@pytest.mark.skipif(not BUILT, reason="built without CUDA")
@pytest.mark.parametrize("op", LEAST)
def test_workspace_grows_with_the_rows_and_beyond_32_bits(op):
    m, least = LEAST[op]
    sizes = [torch.ops.geopt.workspace_bytes(op, n, m) for n in SIZES]
    for n, size in zip(SIZES, sizes, strict=True):
        assert least(n, m) <= size <= 400 * (n + m) + 2**20
        assert size % 256 == 0  # aligned arrays
    assert sizes == sorted(sizes)
    assert sizes[3] > 2**32
