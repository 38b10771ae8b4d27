import lidar_tokens
import pytest
import torch

from geopt.models.partition import PACKED_LENGTH, group_partition, window_partition

SHAPE = (64, 48, 1)


def segments(partition):
    """The rows of each segment, as sets."""
    return {frozenset(rows.tolist()) for rows in partition.order.tensor_split(partition.offsets[1:-1].long())}


def brute_force_windows(coords, window, shift):
    found = {}
    for row, cell in enumerate(coords.tolist()):
        found.setdefault((cell[0], *((c + s) // w for c, s, w in zip(cell[1:], shift, window))), set()).add(row)
    return {frozenset(rows) for rows in found.values()}


@pytest.mark.parametrize("window", [(12, 12), (12, 7), (5, 8)])
@pytest.mark.parametrize("shifted", [False, True])
def test_windows_are_those_of_a_loop_over_tokens(window, shifted):
    coords = lidar_tokens.coords(700, 3, 450)
    partition = window_partition(coords, window, SHAPE, shifted)
    shift = [w - w // 2 if shifted else 0 for w in window]
    assert segments(partition) == brute_force_windows(coords, window, shift)
    assert torch.equal(partition.cells, torch.stack([(coords[:, 1 + a] + shift[a]) % window[a] for a in (0, 1)], 1))


def test_windows_with_three_numbers_also_cut_the_height():
    shape = (16, 16, 8)
    coords = lidar_tokens.coords(400, 300, shape=shape)
    for shifted, shift in ((False, (0, 0, 0)), (True, (2, 2, 2))):
        partition = window_partition(coords, (4, 4, 4), shape, shifted)
        assert segments(partition) == brute_force_windows(coords, (4, 4, 4), shift)
        assert partition.cells.shape == (700, 3)


def test_an_axis_that_fits_into_one_window_is_not_shifted():
    coords = lidar_tokens.coords(300, shape=(12, 48, 1))
    plain, shifted = (window_partition(coords, (12, 12), (12, 48, 1), s).cells for s in (False, True))
    assert torch.equal(plain[:, 0], shifted[:, 0])
    assert not torch.equal(plain[:, 1], shifted[:, 1])


def test_groups_are_full_but_for_the_last_of_each_cloud():
    coords = lidar_tokens.coords(330, 64, 10)
    partition = group_partition(coords, 64, SHAPE)
    assert sorted(partition.offsets.diff().tolist()) == sorted([64] * 5 + [10] + [64] + [10])
    for rows in segments(partition):
        assert coords[list(rows), 0].unique().numel() == 1  # no group spans two clouds


def test_shifted_groups_begin_with_half_a_group():
    coords = lidar_tokens.coords(330)
    assert group_partition(coords, 64, SHAPE, shifted=True).offsets.diff().tolist() == [32, 64, 64, 64, 64, 42]


def test_groups_are_compact():
    """Mean extent of a group along the curve is far below that of a random group."""
    coords = lidar_tokens.coords(1500)

    def mean_extent(order):
        cells = coords[order][:1472, 1:3].view(-1, 64, 2).float()
        return (cells.amax(1) - cells.amin(1)).mean()

    along_curve = mean_extent(group_partition(coords, 64, SHAPE).order)
    assert along_curve < 0.35 * mean_extent(torch.randperm(1500))


def test_groups_of_voxels_follow_the_curve_in_space():
    shape = (8, 8, 8)
    coords = lidar_tokens.coords(512, shape=shape)
    cells = coords[group_partition(coords, 64, shape).order].view(8, 64, 4)[:, :, 1:]
    assert (cells.amax(1) - cells.amin(1)).eq(3).all()  # the eight cubes of 4 x 4 x 4


@pytest.mark.parametrize("cut", [window_partition, group_partition])
@pytest.mark.parametrize("num_tokens", [(0,), (1,), (1, 1), (2000,), (33, 0, 900)])
def test_every_token_has_one_slot_and_padding_never_leaves_the_segment(cut, num_tokens):
    coords = lidar_tokens.coords(*num_tokens)
    partition = cut(coords, (12, 12) if cut is window_partition else 64, SHAPE)
    slot_to_row, row_to_slot, buckets = partition.padded
    rows = torch.arange(coords.shape[0])
    assert torch.equal(slot_to_row[row_to_slot], rows)
    assert torch.equal(partition.order[partition.rank], rows)
    assert sum(b.num_rows * b.length for b in buckets) == slot_to_row.numel()
    segment_of = torch.empty_like(rows)
    lengths = partition.offsets.diff().long()
    segment_of[partition.order] = torch.repeat_interleave(torch.arange(lengths.numel()), lengths)
    start = 0
    for num_rows, length, mask in buckets:
        slots = slice(start, start + num_rows * length)
        start = slots.stop
        allowed = torch.ones(num_rows, 1, length, length, dtype=torch.bool) if mask is None else mask
        allowed = allowed.expand(num_rows, 1, length, length)[:, 0]
        owner = segment_of[slot_to_row[slots]].view(num_rows, length)
        is_token = torch.isin(torch.arange(slots.start, slots.stop), row_to_slot).view(num_rows, 1, length)
        assert torch.equal(allowed, (owner[:, :, None] == owner[:, None, :]) & is_token)


def test_padding_costs_less_than_half_and_short_windows_share_rows():
    coords = lidar_tokens.coords(1500, 1500, 1500)
    slots = window_partition(coords, (12, 12), SHAPE).padded.slot_to_row.numel()
    assert slots < 1.5 * coords.shape[0]
    lone = torch.tensor([[0, 12 * i, 12 * j, 0] for i in range(5) for j in range(4)], dtype=torch.int32)
    (bucket,) = window_partition(lone, (12, 12), SHAPE).padded.buckets
    assert (bucket.num_rows, bucket.length) == (1, PACKED_LENGTH)  # twenty windows of one token


def test_full_groups_need_no_mask():
    (bucket,) = group_partition(lidar_tokens.coords(640), 64, SHAPE).padded.buckets
    assert bucket.mask is None and bucket.num_rows == 10


def test_refuses_wrong_shapes_and_sizes():
    coords = lidar_tokens.coords(5)
    with pytest.raises(ValueError, match=r"window_partition: coords_bxyz must have shape \(T, 4\), got \(5, 3\)"):
        window_partition(coords[:, 1:], (4, 4), SHAPE)
    with pytest.raises(TypeError, match=r"coords_bxyz must be whole numbers, got torch\.float32"):
        group_partition(coords.float(), 4, SHAPE)
    with pytest.raises(ValueError, match=r"two or three positive numbers of cells, got \(4, 0\)"):
        window_partition(coords, (4, 0), SHAPE)
    with pytest.raises(ValueError, match="group_size must be positive, got 0"):
        group_partition(coords, 0, SHAPE)
