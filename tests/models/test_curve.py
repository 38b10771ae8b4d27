import pytest
import torch

from geopt.models.curve import hilbert_rank


@pytest.mark.parametrize(("num_axes", "num_bits"), [(2, 1), (2, 5), (3, 1), (3, 3)])
def test_the_curve_visits_every_cell_once_by_steps_across_faces(num_axes, num_bits):
    cells = torch.cartesian_prod(*[torch.arange(1 << num_bits)] * num_axes)
    rank = hilbert_rank(cells, num_bits)
    assert torch.equal(rank.sort().values, torch.arange(cells.shape[0]))
    steps = cells[rank.argsort()].diff(dim=0).abs().sum(dim=1)
    assert (steps == 1).all()


def test_cells_of_a_half_are_one_stretch_of_the_curve():
    cells = torch.cartesian_prod(torch.arange(16), torch.arange(16))
    quarter = hilbert_rank(cells, 4)[(cells < 8).all(dim=1)]
    assert quarter.max() - quarter.min() == quarter.numel() - 1


def test_refuses_other_shapes_and_too_many_bits():
    with pytest.raises(ValueError, match=r"cells must have shape \(T, 2\) or \(T, 3\), got \(5, 4\)"):
        hilbert_rank(torch.zeros(5, 4, dtype=torch.int64), 3)
    with pytest.raises(ValueError, match="num_bits must be 1 to 20 on 3 axes, got 21"):
        hilbert_rank(torch.zeros(5, 3, dtype=torch.int64), 21)
