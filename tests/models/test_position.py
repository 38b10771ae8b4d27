import lidar_tokens
import pytest
import torch

from geopt.models.partition import group_partition, window_partition
from geopt.models.position import Rotary, WindowSinusoid

SHAPE = (64, 48, 1)


@pytest.mark.parametrize("shifted", [False, True])
def test_sinusoid_is_that_of_the_released_model(shifted):
    """64 channels for x, then 64 for y: u = cell in window - 6; even channels sin, odd ones cos; temperature 10000."""
    coords = lidar_tokens.coords(200)
    partition = window_partition(coords, (12, 12), SHAPE, shifted)
    added = WindowSinusoid((12, 12), 128)(partition).added
    for row in (0, 17, 199):
        for axis in (0, 1):
            u = (int(coords[row, 1 + axis]) + (6 if shifted else 0)) % 12 - 6
            for i in (0, 1, 2, 33, 63):
                angle = torch.tensor(u / 10000 ** (2 * (i // 2) / 64), dtype=torch.float64)
                expected = angle.cos() if i % 2 else angle.sin()
                assert added[row, 64 * axis + i].item() == pytest.approx(expected.item(), abs=1e-6)


def test_sinusoid_of_three_axes_leaves_the_rest_zero():
    coords = lidar_tokens.coords(50, shape=(16, 16, 8))
    added = WindowSinusoid((4, 4, 4), 128)(window_partition(coords, (4, 4, 4), (16, 16, 8))).added
    assert added.shape == (50, 128)
    assert not added[:, 126:].any() and added[:, :126].abs().sum(0).all()  # 42 channels per axis


@pytest.mark.parametrize(("num_axes", "shape"), [(2, SHAPE), (3, (16, 16, 8))])
def test_rotated_scores_depend_on_differences_of_cells_only(num_axes, shape):
    coords = lidar_tokens.coords(60, shape=shape)
    moved = coords + torch.tensor([0, 300, 170, 9 if num_axes == 3 else 0])
    q, k = lidar_tokens.randn(60, 2, 16), lidar_tokens.randn(60, 2, 16, seed=1)
    rotary = Rotary(16, num_axes)

    def scores(cells):
        position = rotary(group_partition(cells, 64, (512, 512, 1 if num_axes == 2 else 32)))
        return torch.einsum("qhc,khc->hqk", position.rotate(q), position.rotate(k))

    torch.testing.assert_close(scores(coords), scores(moved), rtol=0, atol=2e-3)  # angles of 360 rad err by 2e-5
    assert (scores(coords) - torch.einsum("qhc,khc->hqk", q, k)).abs().max() > 1


@pytest.mark.parametrize("num_axes", [2, 3])
def test_every_axis_turns_some_plane(num_axes):
    turns = Rotary(16, num_axes).turns
    assert (turns > 0).sum(dim=0).eq(1).all()  # each plane belongs to one axis
    assert turns.max(dim=1).values.eq(1).all()


def test_rotation_keeps_lengths_and_its_gradient_equals_finite_differences():
    position = Rotary(8, 2)(window_partition(lidar_tokens.coords(5), (12, 12), SHAPE))
    heads = lidar_tokens.randn(5, 3, 8, dtype=torch.float64).requires_grad_()
    torch.testing.assert_close(position.rotate(heads).norm(dim=2), heads.norm(dim=2), rtol=1e-6, atol=0)
    assert torch.autograd.gradcheck(position.rotate, heads)


def test_refuses_too_few_channels():
    with pytest.raises(ValueError, match="d_model must be at least 6, got 4"):
        WindowSinusoid((4, 4, 4), 4)
    with pytest.raises(ValueError, match=r"d_model / num_heads must be even and at least 6 for 3 axes, got 4"):
        Rotary(4, 3)
