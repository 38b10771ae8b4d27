import lidar_tokens
import pytest
import torch

from geopt.models.attention import PartitionAttention, partition_attention
from geopt.models.partition import group_partition, window_partition
from geopt.models.position import Position

SHAPE = (64, 48, 1)
CUTS = {
    "window": lambda coords: window_partition(coords, (12, 12), SHAPE),
    "shifted window": lambda coords: window_partition(coords, (12, 12), SHAPE, shifted=True),
    "group": lambda coords: group_partition(coords, 64, SHAPE),
    "shifted group": lambda coords: group_partition(coords, 64, SHAPE, shifted=True),
    "one huge window": lambda coords: window_partition(coords, (64, 64), SHAPE),
}


def qkv(num_tokens, heads=4, width=8, dtype=torch.float32):
    return [lidar_tokens.randn(num_tokens, heads, width, seed=s, dtype=dtype).requires_grad_() for s in range(3)]


def run(backend, partition, leaves, grad):
    out = partition_attention(*leaves, partition, backend)
    return out, *torch.autograd.grad(out, leaves, grad)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("num_tokens", [(1,), (2, 1), (900, 40, 700)])
def test_bucketed_equals_the_loop_over_segments_with_gradients(cut, num_tokens, device):
    partition = cut(lidar_tokens.coords(*num_tokens).to(device))
    leaves = [leaf.detach().to(device).requires_grad_() for leaf in qkv(sum(num_tokens))]
    grad = torch.randn_like(leaves[0])
    for got, expected in zip(run("bucketed", partition, leaves, grad), run("reference", partition, leaves, grad)):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_varlen_and_bucketed_equal_the_loop_over_segments_in_half_precision(cut, dtype, device):
    """Rounding is 4e-3 and 5e-4 of a number; scores and sums add a few of them."""
    if device.type != "cuda":
        pytest.skip("varlen runs on CUDA only")
    partition = cut(lidar_tokens.coords(900, 40, 700).to(device))
    leaves = [leaf.detach().to(device, dtype).requires_grad_() for leaf in qkv(1640)]
    wide = [leaf.detach().float().requires_grad_() for leaf in leaves]
    grad = torch.randn_like(wide[0]).to(dtype)
    expected = run("reference", partition, wide, grad.float())
    for backend in ("varlen", "bucketed"):
        for half, float32 in zip(run(backend, partition, leaves, grad), expected):
            assert half.dtype == dtype
            torch.testing.assert_close(half.float(), float32, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
def test_gradient_equals_finite_differences_in_float64(cut):
    partition = cut(lidar_tokens.coords(9, 1, 6))
    leaves = qkv(16, heads=1, width=2, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *x: partition_attention(*x, partition, "bucketed"), leaves)


@pytest.mark.parametrize("with_position", [False, True])
def test_equals_multihead_attention_of_torch_on_each_window(with_position):
    """The released model runs nn.MultiheadAttention on one padded window at a time: q = k = x + position, v = x."""
    coords = lidar_tokens.coords(300, 200)
    partition = window_partition(coords, (12, 12), SHAPE)
    ours, theirs = PartitionAttention(32, 4), torch.nn.MultiheadAttention(32, 4, batch_first=True)
    theirs.load_state_dict(ours.state_dict())  # names and layouts are the same
    tokens, added = lidar_tokens.randn(500, 32), lidar_tokens.randn(500, 32, seed=1)
    position = Position(added=added) if with_position else Position()
    got = ours(tokens, partition, position)
    for rows in partition.order.tensor_split(partition.offsets[1:-1].long()):
        x = tokens[rows][None]
        qk = x + added[rows] if with_position else x
        expected = theirs(qk, qk, x, need_weights=False)[0][0]
        torch.testing.assert_close(got[rows], expected, rtol=0, atol=1e-5)


def test_no_token_gives_no_rows_and_zero_gradients():
    attention = PartitionAttention(32, 4)
    partition = window_partition(lidar_tokens.coords(0), (12, 12), SHAPE)
    out = attention(torch.zeros(0, 32), partition, Position())
    out.sum().backward()
    assert out.shape == (0, 32)
    assert all(p.grad is not None and not p.grad.any() for p in attention.parameters())


def test_a_nan_stays_in_its_window():
    coords = lidar_tokens.coords(900)
    partition = window_partition(coords, (12, 12), SHAPE)
    q, k, v = (t.detach() for t in qkv(900))
    poisoned = v.clone()
    poisoned[17] = float("nan")
    changed = partition_attention(q, k, poisoned, partition).isnan().any(dim=2).any(dim=1)
    window = coords[:, 1:3] // 12
    assert torch.equal(changed, (window == window[17]).all(dim=1))


def test_refuses_what_does_not_fit():
    partition = window_partition(lidar_tokens.coords(10), (12, 12), SHAPE)
    q, k, v = qkv(10)
    with pytest.raises(ValueError, match=r"shape \(T, H, C\) with T = 10 tokens of the partition, got \(9, 4, 8\)"):
        partition_attention(q[:9], k[:9], v[:9], partition)
    with pytest.raises(ValueError, match=r"got torch\.float32 heads of 8 channels on cpu; use backend 'bucketed'"):
        partition_attention(q, k, v, partition, "varlen")
    with pytest.raises(ValueError, match="backend must be auto, bucketed, varlen or reference, got 'flex'"):
        partition_attention(q, k, v, partition, "flex")
    with pytest.raises(ValueError, match="num_heads must divide d_model 32, got 5"):
        PartitionAttention(32, 5)
