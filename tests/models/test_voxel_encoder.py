import lidar_tokens
import pydantic
import pytest
import torch
import torch.nn.functional as F

from geopt.models.voxel_encoder import VoxelEncoder, VoxelEncoderConfig
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-32, -24, -3), (32, 24, 5), (1, 1, 8))


def points(num_points=400, num_tokens=60, seed=0):
    """xyz, features, token, coords_bxyz and centroids of points that lie in their tokens."""
    generator = torch.Generator().manual_seed(seed)
    coords = lidar_tokens.coords(num_tokens, seed=seed)
    token = torch.arange(num_points)[torch.randperm(num_points, generator=generator)] % max(num_tokens, 1)
    size, lower = torch.tensor(GRID.size), torch.tensor(GRID.lower)
    xyz = lower + (coords[token, 1:] + torch.rand(token.numel(), 3, generator=generator)) * size
    counts = torch.bincount(token, minlength=num_tokens)[:, None]
    centroids = torch.zeros(num_tokens, 3).index_add_(0, token, xyz) / counts.clamp(min=1)
    return xyz, torch.rand(token.numel(), 2, generator=generator), token, coords, centroids


def build(**options):
    torch.manual_seed(0)
    return VoxelEncoder(VoxelEncoderConfig(**options), GRID, num_features=2)


def written_out(encoder, xyz, features, token, coords, centroids):
    """The same by loops over tokens, with a concatenation in front of every later layer."""
    centers = torch.tensor(GRID.lower) + (coords[:, 1:] + 0.5) * torch.tensor(GRID.size)
    inputs = [xyz, features, xyz - centroids[token], xyz - centers[token]]
    if encoder.config.normalize_xyz:
        middle, half = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([32.0, 24.0, 4.0])
        half_token = torch.tensor([0.5, 0.5, 4.0])
        inputs = [(xyz - middle) / half, features, inputs[2] / half_token, inputs[3] / half_token]
    rows = torch.cat(inputs, dim=1)
    for layer in encoder.layers:
        rows = F.relu(layer.norm(F.linear(rows, layer.linear.weight)))
        tokens = torch.stack([rows[token == t].amax(dim=0) for t in range(coords.shape[0])])
        last, rows = rows, torch.cat([rows, tokens[token]], dim=1)
    return tokens, last


@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize("normalize_xyz", [True, False])
@pytest.mark.parametrize("channels", [(16,), (64, 128), (16, 24, 32)])
def test_equals_the_formula_written_out(norm, normalize_xyz, channels):
    encoder = build(norm=norm, normalize_xyz=normalize_xyz, channels=channels)
    cloud = points()
    tokens, rows = encoder(*cloud, return_points=True)
    expected_tokens, expected_rows = written_out(encoder, *cloud)
    torch.testing.assert_close(tokens, expected_tokens, rtol=0, atol=2e-5)
    torch.testing.assert_close(rows, expected_rows, rtol=0, atol=2e-5)
    assert torch.equal(encoder(*cloud), tokens)


def test_gradients_equal_those_of_the_formula_written_out():
    encoder = build(channels=(16, 24))
    cloud = points(150, 20)
    weight = lidar_tokens.randn(20, 24)
    got = torch.autograd.grad((encoder(*cloud) * weight).sum(), list(encoder.parameters()))
    expected = torch.autograd.grad((written_out(encoder, *cloud)[0] * weight).sum(), list(encoder.parameters()))
    for a, b in zip(got, expected):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_a_point_enters_as_position_features_and_two_offsets_in_metres_when_released():
    encoder = build(norm="batch", normalize_xyz=False)
    xyz = torch.tensor([[0.25, 0.5, 1.5], [0.75, 0.75, 2.5]])
    features = torch.tensor([[7.0, 0.1], [9.0, 0.2]])
    coords = torch.tensor([[0, 32, 24, 0]], dtype=torch.int32)
    rows = encoder._inputs(xyz, features, torch.tensor([0, 0]), coords, xyz.mean(0, keepdim=True))
    expected = [0.25, 0.5, 1.5, 7.0, 0.1, -0.25, -0.125, -0.5, -0.25, 0.0, 0.5]
    torch.testing.assert_close(rows[0], torch.tensor(expected))
    assert encoder.layers[0].linear.weight.shape == (64, 11)
    assert (encoder.layers[0].norm.eps, encoder.layers[0].norm.momentum) == (1e-3, 0.01)


def test_order_of_points_does_not_matter():
    encoder = build()
    xyz, features, token, coords, centroids = points()
    order = torch.randperm(xyz.shape[0], generator=torch.Generator().manual_seed(3))
    shuffled = encoder(xyz[order], features[order], token[order], coords, centroids)
    torch.testing.assert_close(shuffled, encoder(xyz, features, token, coords, centroids), rtol=0, atol=1e-5)


def test_layer_norm_makes_tokens_independent_of_the_rest_of_the_batch():
    xyz, features, token, coords, centroids = points()
    few = token < 10
    alone = (xyz[few], features[few], token[few], coords[:10], centroids[:10])
    together = (xyz, features, token, coords, centroids)
    torch.testing.assert_close(build()(*alone), build()(*together)[:10], rtol=0, atol=1e-5)
    batch = build(norm="batch")
    assert (batch(*alone) - batch(*together)[:10]).abs().max() > 1e-2  # the reason for the default


@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize("num_points", [0, 1])
def test_no_point_or_a_single_one_gives_finite_tokens_and_gradients(norm, num_points):
    encoder = build(norm=norm)
    tokens = encoder(*points(num_points, num_points))
    tokens.sum().backward()
    assert tokens.shape == (num_points, 128) and tokens.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())
    assert all(buffer.isfinite().all() for buffer in encoder.buffers())


def test_a_token_without_points_becomes_zero():
    xyz, features, token, coords, centroids = points()
    keep = token != 7
    tokens = build()(xyz[keep], features[keep], token[keep], coords, centroids)
    assert not tokens[7].any() and tokens[6].any()


def test_runs_in_bfloat16_and_returns_float32_tokens():
    encoder = build()
    cloud = points()
    expected = encoder(*cloud)
    with torch.autocast("cpu", torch.bfloat16):
        tokens = encoder(*cloud)
    tokens.sum().backward()
    assert tokens.dtype == torch.float32
    assert (tokens - expected).norm() / expected.norm() < 0.03
    assert all(p.grad.isfinite().all() for p in encoder.parameters())


def test_parameters_have_the_names_and_shapes_of_the_released_layers():
    state = build(norm="batch").state_dict()
    shapes = {name: tuple(value.shape) for name, value in state.items() if value.dim() > 1}
    assert shapes == {"layers.0.linear.weight": (64, 11), "layers.1.linear.weight": (128, 128)}
    assert sum(p.numel() for p in build(norm="batch").parameters()) == 17_472


def test_refuses_shapes_that_do_not_fit():
    xyz, features, token, coords, centroids = points()
    with pytest.raises(ValueError, match=r"VoxelEncoder: features must have shape \(400, 2\), got \(400, 1\)"):
        build()(xyz, features[:, :1], token, coords, centroids)
    with pytest.raises(ValueError, match=r"VoxelEncoder: centroids must have shape \(60, 3\), got \(59, 3\)"):
        build()(xyz, features, token, coords, centroids[:59])
    with pytest.raises(pydantic.ValidationError, match="at least 1 item"):
        VoxelEncoderConfig(channels=())
