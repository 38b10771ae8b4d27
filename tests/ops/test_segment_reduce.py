"""segment_reduce: values, gradients, NaN and empty segments."""

import numpy as np
import pytest
import torch

from geopt import ops, reference

MODES = ["sum", "mean", "max"]
NAN, INF = float("nan"), float("inf")


def case(seed, rows=200, channels=3, segments=17, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(rows, channels, generator=generator, dtype=torch.float64).to(dtype)
    segment = torch.randint(-1, segments, (rows,), generator=generator)
    segment[segment == 3] = 4  # an empty one
    return values, segment, segments


def same(a, b):
    return torch.equal(a.isnan(), b.isnan()) and torch.equal(a.nan_to_num(0.0), b.nan_to_num(0.0))


@pytest.mark.parametrize("shape", [(200, 3, 17), (0, 3, 4), (5, 0, 2), (0, 2, 0), (4, 1, 1), (3000, 65, 700)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("mode", MODES)
def test_equals_reference_to_the_bit(mode, dtype, shape, device):
    """Rows are added in row order, so even the sums agree."""
    rows, channels, segments = shape
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(rows, channels, generator=generator, dtype=dtype)
    segment = torch.randint(-1, max(segments, 1), (rows,), generator=generator)
    got = ops.segment_reduce(values.to(device), segment.to(device), segments, mode)
    assert got.dtype == dtype
    assert torch.equal(got.cpu(), reference.segment_reduce(values, segment, segments, mode))


@pytest.mark.parametrize("mode", MODES)
def test_equals_numpy_in_float64(mode, device):
    values, segment, segments = case(1)
    got = ops.segment_reduce(values.to(device), segment.to(device), segments, mode).cpu().numpy()
    function = {"sum": np.sum, "mean": np.mean, "max": np.max}[mode]
    for s in range(segments):
        members = values.double().numpy()[segment.numpy() == s]
        expected = function(members, axis=0) if len(members) else np.zeros(3)
        np.testing.assert_allclose(got[s], expected, rtol=1e-5, atol=1e-6)
    assert (got[3] == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_reduced_in_float32(dtype, device):
    values = torch.full((4096, 1), 1.0, dtype=dtype, device=device)  # summed in bfloat16 it would stop at 256
    segment = torch.zeros(4096, dtype=torch.int64, device=device)
    got = ops.segment_reduce(values, segment, 1, "sum")
    assert got.dtype == dtype and got.item() == 4096
    assert ops.segment_reduce(values, segment, 1, "mean").item() == 1


def test_nan_infinity_and_minus_infinity(device):
    values = torch.tensor([[1.0], [NAN], [2], [-INF], [-INF], [INF], [3], [NAN]], device=device)
    segment = torch.tensor([0, 0, 0, 1, 1, 2, 2, -1], device=device)
    assert same(ops.segment_reduce(values, segment, 3, "max").cpu(), torch.tensor([[NAN], [-INF], [INF]]))
    assert same(ops.segment_reduce(values, segment, 3, "sum").cpu(), torch.tensor([[NAN], [-INF], [INF]]))


def test_a_segment_of_negative_values_has_a_negative_maximum(device):
    values, segment = torch.tensor([[-3.0], [-2]], device=device), torch.tensor([1, 1], device=device)
    assert ops.segment_reduce(values, segment, 3, "max").tolist() == [[0], [-2], [0]]


@pytest.mark.parametrize("mode", MODES)
def test_a_permutation_within_segments_changes_rounding_only(mode, device):
    values, segment, segments = case(2, rows=500, dtype=torch.float64)
    order = torch.randperm(500, generator=torch.Generator().manual_seed(0))
    a = ops.segment_reduce(values.to(device), segment.to(device), segments, mode)
    b = ops.segment_reduce(values[order].to(device), segment[order].to(device), segments, mode)
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_gradcheck_twice(mode, device):
    values, segment, segments = case(3, rows=24, channels=2, segments=6, dtype=torch.float64)
    values = values.to(device).requires_grad_()

    def function(v):
        return ops.segment_reduce(v, segment.to(device), segments, mode)

    assert torch.autograd.gradcheck(function, (values,))
    assert torch.autograd.gradgradcheck(function, (values,))


@pytest.mark.parametrize("mode", MODES)
def test_gradient_equals_that_of_the_reference(mode, device):
    values, segment, segments = case(4)
    values = (values * 2).round() / 2  # many equal maxima
    weight = torch.linspace(-1, 1, segments * 3).view(segments, 3)
    gradients = []
    for function, where in ((ops.segment_reduce, device), (reference.segment_reduce, torch.device("cpu"))):
        leaf = values.to(where).requires_grad_()
        (function(leaf, segment.to(where), segments, mode) * weight.to(where)).sum().backward()
        gradients.append(leaf.grad.cpu())
    assert torch.equal(*gradients)
    assert (gradients[0][segment == -1] == 0).all()


def test_the_gradient_of_a_tied_maximum_goes_to_the_lowest_row(device):
    values = torch.tensor([[1.0], [5], [5], [5]], device=device, requires_grad=True)
    segment = torch.tensor([0, 0, 0, -1], device=device)
    ops.segment_reduce(values, segment, 1, "max").backward(torch.tensor([[2.0]], device=device))
    assert values.grad.tolist() == [[0], [2], [0], [0]]


def test_a_compiled_graph_refuses_segments_out_of_range():
    """Their values are unknown while it is traced; the kernel must not write past the end."""
    values, segment = torch.ones(4, 2), torch.tensor([0, 1, 2, 9])
    with pytest.raises(RuntimeError, match=r"segment must lie in \[-1, 3\)"):
        torch.ops.geopt.segment_reduce(values, segment, 3, 0)
