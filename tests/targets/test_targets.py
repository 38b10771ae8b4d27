"""Each target against brute force, its loss, its gradient and its metric."""

import numpy as np
import pytest
import torch
from batches import batch_of, dyadic, street
from clouds import ALL
from oracle import angle_deg, nested_cells, plane

from geopt.geometry import GeometryIndex, Pyramid
from geopt.structures import VoxelGrid
from geopt.targets import Centroid, Curvature, Density, Mask, Normal, Occupancy, make_queries, random_mask
from geopt.targets.surface import Neighborhood, surface_of_queries

PYRAMID = Pyramid(VoxelGrid((-8, -6, -4), (8, 6, 4), (1.0, 1.5, 8.0)), ((2, 3, 4), (2, 1, 2)))
HOODS = {
    "tokens_about_own": Neighborhood(0, (3, 3, 1), True, 6, 0.01),
    "cells": Neighborhood(1, (3, 3, 3), False, 6, 0.01),
    "released": Neighborhood(0, (3, 3, 1), True, 0, 0.0),
}


def asked(*clouds, ratio=0.7, empty_radius=1):
    batch = batch_of(*clouds)
    index = GeometryIndex(batch, PYRAMID)
    return index, make_queries(index, random_mask(index, ratio, batch.seeds), empty_radius)


def brute_force(index):
    batch = index.batch
    cells = nested_cells(
        batch.xyz.numpy(),
        batch.offsets.tolist(),
        PYRAMID.grid.lower,
        PYRAMID.grid.size,
        PYRAMID.grid.shape,
        PYRAMID.ratios,
    )
    xyz = batch.xyz.numpy().astype(np.float64)
    return cells, [{cell: xyz[rows].mean(axis=0) for cell, rows in of_level.items()} for of_level in cells]


def cell_of(queries, level, query, slot):
    token = queries.coords_bxyz[query]
    inside = PYRAMID.slot_coords(level)[slot]
    return (int(token[0]), *(token[1:] * torch.tensor(PYRAMID.subdivision(level)) + inside).tolist())


@pytest.mark.parametrize("level", [0, 1, 2])
def test_occupancy_equals_brute_force(level):
    index, queries = asked(street(0, n=200), torch.zeros(0, 3), street(1, n=100))
    occupied = Occupancy(PYRAMID, level, 1.0).truth(index, queries)["occupied"]
    cells, _ = brute_force(index)
    expected = [
        [cell_of(queries, level, q, s) in cells[level] for s in range(occupied.shape[1])] for q in range(len(queries))
    ]
    assert occupied.tolist() == expected
    assert not occupied[queries.num_hidden :].any()  # empty places are empty


@pytest.mark.parametrize("origin", ["center", "corner"])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_centroid_equals_brute_force(level, origin):
    index, queries = asked(street(0, n=300), street(1, n=100))
    truth = Centroid(PYRAMID, level, 1.0, origin).truth(index, queries)
    _, means = brute_force(index)
    size = np.array(PYRAMID.level_grid(level).size)
    hidden = {tuple(c) for c in queries.coords_bxyz[: queries.num_hidden].tolist()}
    in_hidden = [c for c in means[level] if (c[0], *(np.array(c[1:]) // PYRAMID.subdivision(level))) in hidden]
    assert truth["query"].shape[0] == len(in_hidden)
    for query, slot, offset in zip(truth["query"].tolist(), truth["slot"].tolist(), truth["offset"].numpy()):
        cell = cell_of(queries, level, query, slot)
        corner = np.array(PYRAMID.grid.lower) + np.array(cell[1:]) * size
        expected = means[level][cell] - corner - (size / 2 if origin == "center" else 0)
        assert np.abs(offset * size - expected).max() <= 1e-6


@pytest.mark.parametrize("hood", HOODS.values(), ids=HOODS)
def test_normal_and_curvature_equal_brute_force(hood):
    index, queries = asked(street(0, n=500), street(1, n=30), street(2, n=8))
    normal, curvature = Normal(PYRAMID, 1.0, hood, "unsigned"), Curvature(PYRAMID, 1.0, hood)
    truths = {"normal": normal.truth(index, queries), "ratios": curvature.truth(index, queries)}
    cells, means = brute_force(index)
    children = {}
    for cell in cells[1]:
        children.setdefault((cell[0], *(np.array(cell[1:]) // PYRAMID.ratios[0])), []).append(cell)
    got = {}
    for key, truth in truths.items():
        for query, slot, value in zip(truth["query"].tolist(), truth["slot"].tolist(), truth[key].numpy()):
            got[key, cell_of(queries, hood.level, query, slot)] = value
    hidden = {tuple(c) for c in queries.coords_bxyz[: queries.num_hidden].tolist()}
    compared = 0
    for cell in cells[hood.level]:
        if (cell[0], *(np.array(cell[1:]) // PYRAMID.subdivision(hood.level))) not in hidden:
            continue
        own = means[hood.level][cell] if hood.about_own else None
        values, axis, count = plane(means[1], cell, hood.window, children if hood.level == 0 else None, own)
        enough = count >= hood.min_cells and (values[2] > 0 or hood.min_cells == 0)
        gap = (values[1] - values[0]) / values[2] if values[2] > 1e-12 else 0.0
        assert (("ratios", cell) in got) == enough
        if abs(gap - hood.min_gap) > 1e-5 or hood.min_cells == 0:  # rounding may decide at the very border
            assert (("normal", cell) in got) == (enough and (gap > hood.min_gap or hood.min_cells == 0))
        if enough and values[2] > 1e-9:
            expected = (values[::-1] + 1e-9) / (values + 1e-9).sum()
            assert np.abs(got["ratios", cell] - expected).max() <= 1e-5
        if gap > 1e-3 and ("normal", cell) in got:
            assert angle_deg(got["normal", cell].astype(np.float64), axis) <= 0.01
            compared += 1
    assert compared > 20


@pytest.mark.parametrize(("min_cells", "min_gap"), [(0, 0.0), (0, 0.3), (6, 0.0), (6, 0.3)])
def test_each_rule_of_a_neighbourhood_holds_alone(min_cells, min_gap):
    _, queries = asked(street(0, n=300), torch.full((9, 3), 0.3))
    hood = Neighborhood(0, (3, 3, 1), True, min_cells, min_gap)
    surface = surface_of_queries(queries, hood)
    values = surface.eigenvalues.double()
    count = queries.planes(0, hood.window, True).num_points
    enough = (count >= min_cells) & ((values[:, 2] > 0) | (min_cells == 0))
    gap = values[:, 1] - values[:, 0] > min_gap * values[:, 2]
    assert torch.equal(surface.enough, enough)
    assert torch.equal(surface.determined, enough & gap if min_cells or min_gap else enough)
    assert bool(surface.determined.any()) and bool((~gap).any()) and bool((count < 6).any())


def test_oriented_normals_face_the_sensor_that_saw_the_cell():
    index, queries = asked(street(0))
    target = Normal(PYRAMID, 1.0, HOODS["cells"], "oriented")
    truth = target.truth(index, queries)
    for query, slot, normal in zip(truth["query"].tolist(), truth["slot"].tolist(), truth["normal"]):
        cell = cell_of(queries, 1, query, slot)
        row = index.levels[1].coords_bxyz.tolist().index(list(cell))
        position = index.levels[1].centroids[row] + torch.tensor(PYRAMID.grid.lower)
        assert float(normal.double() @ (torch.tensor([0.0, 0.0, 1.8]) - position)) >= -1e-6
    ground = truth["normal"][truth["normal"][:, 2].abs() > 0.99]
    assert ground.shape[0] > 50 and bool((ground[:, 2] > 0).all())


@pytest.mark.parametrize("cloud", ALL, ids=str)
@pytest.mark.parametrize("hood", HOODS.values(), ids=HOODS)
def test_no_cloud_breaks_a_target(cloud, hood):
    index, queries = asked(*(cloud.xyz[a:b] for a, b in zip(cloud.offsets, cloud.offsets[1:])))
    for target in all_targets(hood):
        truth = target.truth(index, queries)
        assert all(value.isfinite().all() for value in truth.values() if value.is_floating_point())
        prediction = torch.zeros(len(queries), target.channels, requires_grad=True)
        loss = target.loss(prediction, truth)
        (loss.total / max(loss.count, 1)).backward()
        assert prediction.grad is not None and prediction.grad.isfinite().all()


def all_targets(hood=HOODS["cells"]):
    normals = [Normal(PYRAMID, 1.0, hood, kind) for kind in ("oriented", "unsigned", "mse")]
    return [
        Occupancy(PYRAMID, 1, 1.0),
        Occupancy(PYRAMID, 2, 1.0, two_logits=True),
        Centroid(PYRAMID, 2, 1.0),
        Centroid(PYRAMID, 0, 1.0, "corner", "mse"),
        *normals,
        Curvature(PYRAMID, 1.0, hood, "log").eval(),
        Curvature(PYRAMID, 1.0, hood, "mse"),
        Density(PYRAMID, 1, 1.0),
    ]


@pytest.mark.parametrize("target", all_targets(), ids=lambda t: f"{t.name}_{getattr(t, 'loss_kind', '')}")
def test_loss_falls_along_its_gradient(target):
    index, queries = asked(street(0, n=400))
    truth = target.truth(index, queries)
    generator = torch.Generator().manual_seed(0)
    prediction = torch.randn(len(queries), target.channels, generator=generator, requires_grad=True)
    loss = target.loss(prediction, truth)
    (loss.total / loss.count).backward()
    assert float(loss.total.detach()) > 0 and bool((prediction.grad != 0).any())
    step = prediction.detach() - 0.1 * prediction.grad / prediction.grad.norm()
    assert float(target.loss(step, truth).total) < float(loss.total.detach())


@pytest.mark.parametrize("sign", [1, -1])
def test_unsigned_normal_loss_is_blind_to_the_sign(sign):
    index, queries = asked(street(0))
    target = Normal(PYRAMID, 1.0, HOODS["cells"], "unsigned")
    truth = target.truth(index, queries)
    prediction = torch.zeros(len(queries), target.slots, 3)
    prediction[truth["query"], truth["slot"]] = 3.0 * sign * truth["normal"]
    assert float(target.loss(prediction.flatten(1), truth).total) < 1e-3


def perfect(target, queries, truth):
    prediction = torch.zeros(len(queries), target.channels)
    if isinstance(target, Occupancy):
        return truth["occupied"].float() * 20 - 10
    view = prediction.view(len(queries), target.slots, -1)
    if isinstance(target, Curvature):
        wanted = torch.log(truth["ratios"] + 1e-3)
        view[truth["query"], truth["slot"]] = (wanted - target.log_mean) / target.log_var.sqrt()
    else:
        view[truth["query"], truth["slot"]] = truth["offset" if isinstance(target, Centroid) else "normal"]
    return prediction


@pytest.mark.parametrize(
    ("target", "metric", "best"),
    [
        (Occupancy(PYRAMID, 2, 1.0), "occupancy_iou", 1.0),
        (Centroid(PYRAMID, 2, 1.0), "centroid_error_m", 0.0),
        (Normal(PYRAMID, 1.0, HOODS["cells"]), "normal_error_deg", 0.0),
        (Curvature(PYRAMID, 1.0, HOODS["cells"]), "curvature_error", 0.0),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_perfect_prediction_scores_perfectly_and_the_constant_as_itself(target, metric, best):
    index, queries = asked(street(0), street(1))
    truth = target.truth(index, queries)
    baseline = target.finish_baseline(target.baseline_sums(truth))
    result = target.finish_validation(target.validation_sums(perfect(target, queries, truth), truth, baseline))
    assert result[metric] == pytest.approx(best, abs=2e-3)
    assert abs(result[f"{metric}_baseline"] - best) > 0.01


def test_constant_predictors_are_what_they_say():
    index, queries = asked(street(0), street(1), ratio=0.99)
    occupancy, centroid = Occupancy(PYRAMID, 2, 1.0), Centroid(PYRAMID, 2, 1.0)
    normal, curvature = Normal(PYRAMID, 1.0, HOODS["cells"]), Curvature(PYRAMID, 1.0, HOODS["cells"])
    truths = {t.name: t.truth(index, queries) for t in (occupancy, centroid, normal, curvature)}
    baselines = {
        t.name: t.finish_baseline(t.baseline_sums(truths[t.name])) for t in (occupancy, centroid, normal, curvature)
    }
    occupied = truths["occupancy_2"]["occupied"][: queries.num_hidden].double().mean(0)
    assert torch.equal(baselines["occupancy_2"]["majority"], occupied > 0.5)
    ratios = truths["curvature_1"]["ratios"].double().numpy()
    assert np.abs(baselines["curvature_1"]["ratios"].numpy() - np.median(ratios, axis=0)).max() < 1e-3
    slot = int(truths["centroid_2"]["slot"][0])
    offsets = truths["centroid_2"]["offset"][truths["centroid_2"]["slot"] == slot]
    assert torch.allclose(baselines["centroid_2"]["offset"][slot], offsets.mean(0), atol=1e-5)
    axis, normals = baselines["normal_1"]["axis"], truths["normal_1"]["normal"]
    others = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    assert float((normals @ axis).square().sum()) >= float((normals @ others.T).square().sum(0).max())


def test_sums_add_over_batches():
    target = Centroid(PYRAMID, 2, 1.0)

    def sums_of(*clouds):
        index = GeometryIndex(batch_of(*clouds), PYRAMID)
        everything = torch.arange(len(index.levels[0]))
        return target.baseline_sums(target.truth(index, make_queries(index, Mask(everything[:0], everything))))

    of_whole, of_parts = sums_of(street(0), street(1)), [sums_of(street(0)), sums_of(street(1))]
    for key, value in of_whole.items():
        assert torch.allclose(value, sum(part[key] for part in of_parts)) and bool(value.any())


def test_normals_turn_with_the_cloud():
    """Flipping a cloud on a symmetric grid flips the targets, once the same tokens are hidden."""
    pyramid = Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 1.0, 8.0)), ((2, 2, 4),))
    flip = torch.tensor([1.0, -1.0, 1.0])
    cloud = dyadic(street(5))
    results = []
    for points in (cloud, cloud * flip):
        index = GeometryIndex(batch_of(points), pyramid)
        everything = torch.arange(len(index.levels[0]))
        queries = make_queries(index, Mask(everything[:0], everything))
        truth = Normal(pyramid, 1.0, HOODS["cells"], "oriented").truth(index, queries)
        token, slot = queries.coords_bxyz[truth["query"], 1:], pyramid.slot_coords(1)[truth["slot"]]
        cells = (token * torch.tensor(pyramid.subdivision(1)) + slot).tolist()
        results.append({tuple(c): n for c, n in zip(cells, truth["normal"])})
    plain, flipped = results
    assert len(plain) == len(flipped) > 100
    for (x, y, z), normal in plain.items():
        assert torch.allclose(flipped[x, 31 - y, z], normal * flip, atol=1e-4)


def test_a_level_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"Occupancy: level must be in \[0, 3\), as `levels` gives them, got 3"):
        Occupancy(PYRAMID, 3, 1.0)
