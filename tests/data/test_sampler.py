import itertools

import pytest

from geopt.data import ResumableSampler


def stream(count, **arguments):
    """The first ``count`` places of the row that all ranks together walk along."""
    world_size = arguments.pop("world_size", 1)
    ranks = [iter(ResumableSampler(world_size=world_size, rank=rank, **arguments)) for rank in range(world_size)]
    places = []
    while len(places) < count:
        for rank in ranks:
            places += next(rank)
    return places[:count]


def test_every_epoch_holds_every_frame_once():
    places = stream(30, num_frames=10, seed=0, batch_size=4)
    for epoch in range(3):
        assert {epoch_there for epoch_there, _ in places[10 * epoch : 10 * epoch + 10]} == {epoch}
        assert sorted(index for _, index in places[10 * epoch : 10 * epoch + 10]) == list(range(10))


def test_epochs_and_seeds_differ():
    places = stream(40, num_frames=20, seed=0, batch_size=4)
    other = stream(20, num_frames=20, seed=1, batch_size=4)
    first, second = [i for _, i in places[:20]], [i for _, i in places[20:]]
    assert first != second and first != list(range(20)) and first != [i for _, i in other]


@pytest.mark.parametrize(("batch_size", "world_size"), [(1, 1), (4, 1), (2, 2), (3, 4), (16, 1)])
def test_ranks_and_batches_do_not_change_the_row(batch_size, world_size):
    expected = stream(60, num_frames=7, seed=3, batch_size=1)
    assert stream(60, num_frames=7, seed=3, batch_size=batch_size, world_size=world_size) == expected


@pytest.mark.parametrize("start", [0, 5, 7, 24, 1000])
@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_restart_goes_on_under_any_world_size(start, world_size):
    uninterrupted = stream(start + 30, num_frames=7, seed=3, batch_size=2)
    resumed = stream(30, num_frames=7, seed=3, batch_size=2, world_size=world_size, start=start)
    assert resumed == uninterrupted[start:]


def test_a_batch_is_full_even_if_the_dataset_is_smaller():
    batches = list(itertools.islice(ResumableSampler(num_frames=3, seed=0, batch_size=8), 3))
    assert [len(batch) for batch in batches] == [8, 8, 8]


def test_a_second_pass_starts_over():
    sampler = ResumableSampler(num_frames=5, seed=0, batch_size=2, start=4)
    assert list(itertools.islice(sampler, 4)) == list(itertools.islice(sampler, 4))


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_frames", 0), ("batch_size", 0), ("start", -1), ("seed", -1), ("rank", -1), ("world_size", 0)],
)
def test_impossible_counts_are_refused(name, value):
    arguments = {"num_frames": 5, "seed": 0, "batch_size": 2} | {name: value}
    with pytest.raises(ValueError, match=rf"ResumableSampler: {name} must be at least \d, got {value}"):
        ResumableSampler(**arguments)


def test_a_rank_beyond_the_world_is_refused():
    with pytest.raises(ValueError, match="rank must be below world_size=2, got 2"):
        ResumableSampler(num_frames=5, seed=0, batch_size=2, rank=2, world_size=2)
