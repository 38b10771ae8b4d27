"""Which tokens are hidden, and what the decoder is asked."""

import itertools

import pytest
import torch
from batches import batch_of, street
from clouds import ALL

from geopt.geometry import GeometryIndex, Pyramid
from geopt.structures import VoxelGrid
from geopt.targets import make_queries, random_mask

PYRAMID = Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 1.0, 8.0)), ((2, 2, 4),))
VOXELS = Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 2.0, 1.0)), ())


@pytest.mark.parametrize("cloud", ALL, ids=str)
@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.7, 0.9])
def test_every_token_is_visible_or_hidden_once(cloud, ratio):
    batch = batch_of(*(cloud.xyz[a:b] for a, b in zip(cloud.offsets, cloud.offsets[1:])))
    index = GeometryIndex(batch, PYRAMID)
    mask = random_mask(index, ratio, batch.seeds)
    assert torch.equal(torch.cat(mask).sort().values, torch.arange(len(index.levels[0])))
    assert torch.equal(mask.visible, mask.visible.sort().values)
    batch_of_visible = index.levels[0].coords_bxyz[mask.visible, 0]
    for b, count in enumerate(index.token_offsets.diff().tolist()):
        kept = int((batch_of_visible == b).sum())
        assert kept == (max(int(count * (1 - ratio) + 1e-9), 1) if count > 1 else int(count * (1 - ratio)))


def test_the_choice_depends_on_the_seed_and_not_on_the_batch():
    clouds = [street(s) for s in range(3)]
    seeds = (11, 12, 13)

    def visible_cells(*which):
        batch = batch_of(*(clouds[i] for i in which), seeds=tuple(seeds[i] for i in which))
        index = GeometryIndex(batch, PYRAMID)
        cells = index.levels[0].coords_bxyz[random_mask(index, 0.7, batch.seeds).visible]
        return [cells[cells[:, 0] == b, 1:].tolist() for b in range(len(which))]

    together = visible_cells(0, 1, 2)
    assert [visible_cells(i)[0] for i in range(3)] == together
    assert visible_cells(2, 0) == [together[2], together[0]]
    shuffled = batch_of(clouds[0].flip(0), seeds=(11,))
    index = GeometryIndex(shuffled, PYRAMID)
    assert index.levels[0].coords_bxyz[random_mask(index, 0.7, (11,)).visible, 1:].tolist() == together[0]
    assert random_mask(index, 0.7, (14,)).visible.tolist() != random_mask(index, 0.7, (11,)).visible.tolist()


def test_every_token_is_hidden_equally_often():
    index = GeometryIndex(batch_of(street(0)), PYRAMID)
    counts = torch.zeros(len(index.levels[0]))
    for seed in range(400):
        counts[random_mask(index, 0.7, (seed,)).hidden] += 1
    assert abs(float(counts.mean()) / 400 - 0.7) < 0.005
    # 400 draws of 0.7: one standard deviation is 9.2.
    assert float((counts - 280).abs().max()) < 5 * 9.2


@pytest.mark.parametrize("pyramid", [PYRAMID, VOXELS], ids=["pillars", "voxels"])
@pytest.mark.parametrize("radius", [0, 1, 2])
def test_empty_places_around_visible_tokens_are_asked_once(pyramid, radius):
    batch = batch_of(street(0, n=60), street(1, n=40))
    index = GeometryIndex(batch, pyramid)
    mask = random_mask(index, 0.7, batch.seeds)
    queries = make_queries(index, mask, radius)
    occupied = {tuple(c) for c in index.levels[0].coords_bxyz.tolist()}
    expected = set()
    if radius:
        for b, *cell in index.levels[0].coords_bxyz[mask.visible].tolist():
            for step in itertools.product(range(-radius, radius + 1), repeat=3):
                near = tuple(c + s for c, s in zip(cell, step))
                if all(0 <= n < size for n, size in zip(near, pyramid.grid.shape)):
                    expected.add((b, *near))
    asked = [tuple(c) for c in queries.coords_bxyz.tolist()]
    hidden, empty = asked[: queries.num_hidden], asked[queries.num_hidden :]
    assert hidden == [tuple(c) for c in index.levels[0].coords_bxyz[mask.hidden].tolist()]
    assert empty == sorted(expected - occupied)


def test_bad_arguments_are_named():
    index = GeometryIndex(batch_of(street(0)), PYRAMID)
    with pytest.raises(ValueError, match=r"random_mask: ratio must be in \[0, 1\), got 1.0"):
        random_mask(index, 1.0, (0,))
    with pytest.raises(ValueError, match=r"random_mask: seeds must have one entry per cloud \(1\), got 2"):
        random_mask(index, 0.5, (0, 1))
