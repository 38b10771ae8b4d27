"""Tokens seen from above."""

import pytest
import torch

from geopt.heads.bev import BevNeck, MapGrid, at_cells, scatter_tokens
from geopt.heads.config import NeckConfig
from geopt.structures import VoxelGrid

SMALL = NeckConfig(channels=(8, 16), blocks=(1, 1), strides=(1, 2), out_channels=8, num_groups=4)
GRID = VoxelGrid((-4, -3, -2), (4, 3, 2), (1, 1, 2))  # 8 x 6 x 2 tokens


def tokens_of(generator, num_frames, count=20, d=5):
    x, y, z = GRID.shape
    coords = []
    for b in range(num_frames):
        cell = torch.randperm(x * y * z, generator=generator)[:count]
        coords.append(torch.stack([torch.full_like(cell, b), cell // (y * z), cell // z % y, cell % z], dim=1))
    coords = torch.cat(coords).int()
    return torch.randn(len(coords), d, generator=generator), coords


def test_a_token_fills_the_channels_of_its_height_and_nothing_else():
    tokens, coords = tokens_of(torch.Generator().manual_seed(0), 2)
    dense = scatter_tokens(tokens, coords, 2, GRID.shape)
    wanted = torch.zeros(2, 10, 8, 6)
    for token, (b, i, j, k) in zip(tokens, coords.tolist()):
        wanted[b, 5 * k : 5 * k + 5, i, j] = token
    assert torch.equal(dense, wanted)


def test_values_at_cells_are_those_of_the_map():
    dense = torch.randn(2, 3, 8, 6)
    assert torch.equal(
        at_cells(dense, torch.tensor([0, 1 * 48 + 7 * 6 + 5])), torch.stack([dense[0, :, 0, 0], dense[1, :, 7, 5]])
    )


@pytest.mark.parametrize(("stride", "cell", "shape"), [(1, (1, 1), (8, 6)), (4, (4, 4), (2, 2))])
def test_the_last_cell_may_reach_over_the_grid(stride, cell, shape):
    assert MapGrid.of(GRID, stride) == MapGrid((-4, -3), cell, shape)


@pytest.mark.parametrize("norm", ["group", "layer", "batch"])
@pytest.mark.parametrize("strides", [(1, 2), (2, 2), (3, 2), (1, 1)])
def test_a_frame_alone_has_the_map_that_it_has_in_a_batch(norm, strides):
    torch.manual_seed(0)
    neck = BevNeck(SMALL.model_copy(update={"norm": norm, "strides": strides}), GRID, 5)
    if norm == "batch":
        neck(*tokens_of(torch.Generator().manual_seed(5), 2), 2)  # statistics that are not those of the first frames
    neck.eval() if norm == "batch" else neck.train()
    tokens, coords = tokens_of(torch.Generator().manual_seed(0), 3)
    together = neck(tokens, coords, 3)
    assert together.shape == (3, 8, *neck.map_grid.shape)
    of_second = coords[:, 0] == 1
    alone = neck(tokens[of_second], coords[of_second] - torch.tensor([1, 0, 0, 0], dtype=torch.int32), 1)
    assert torch.allclose(alone[0], together[1], atol=1e-5)


def test_only_the_batch_norm_lets_frames_see_each_other_in_training():
    torch.manual_seed(0)
    neck = BevNeck(SMALL.model_copy(update={"norm": "batch"}), GRID, 5)
    tokens, coords = tokens_of(torch.Generator().manual_seed(0), 2)
    first = coords[:, 0] == 0
    assert not torch.allclose(neck(tokens, coords, 2)[0], neck(tokens[first], coords[first], 1)[0], atol=1e-3)


def test_a_cell_of_the_map_covers_the_tokens_below_it():
    """With one stage and no block, a token changes its own cell alone, but for the norm; here the norm is per cell."""
    config = NeckConfig(channels=(8,), blocks=(0,), strides=(2,), out_channels=8, norm="layer")
    torch.manual_seed(0)
    neck = BevNeck(config, GRID, 5)
    tokens, coords = tokens_of(torch.Generator().manual_seed(0), 1)
    before = neck(tokens, coords, 1)
    tokens[3] += 1
    changed = torch.nonzero((neck(tokens, coords, 1) != before).any(1)[0]).tolist()
    assert changed == [[int(coords[3, 1]) // 2, int(coords[3, 2]) // 2]]


def test_a_frame_without_tokens_has_a_map():
    neck = BevNeck(SMALL, GRID, 5)
    assert neck(torch.zeros(0, 5), torch.zeros(0, 4, dtype=torch.int32), 2).isfinite().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"blocks": (1,)}, "channels, blocks and strides must be equally long, got 2, 1 and 2"),
        ({"num_groups": 3}, "num_groups must divide channels and out_channels, got 3 for 8"),
    ],
)
def test_necks_that_cannot_be_built_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        NeckConfig.model_validate({**SMALL.model_dump(), **change})
