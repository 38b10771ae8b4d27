"""Searches and sampling against their references on clouds drawn to be unkind: ties, duplicates, stray and missing
returns, scales from millimetres to light years, empty and one-point clouds, any k."""

import random

import pytest
import torch

from geopt import ops, reference

SIZES = (0, 1, 2, 3, 15, 16, 17, 33, 127, 128, 129, 400, 1500)


def unkind_cloud(choose: random.Random, generator: torch.Generator) -> torch.Tensor:
    size = choose.choice(SIZES)
    scale = [choose.choice((0, 1, 30)) for _ in range(3)]
    xyz = torch.randn(size, 3, generator=generator) * torch.tensor(scale)
    some = torch.rand(size, generator=generator)
    kind = choose.choice(("plain", "grid", "far grid", "scales", "missing", "duplicates", "stray"))
    if kind == "grid":
        return xyz.round()
    if kind == "far grid":
        return (xyz * 2).round() / 2 + 1e5
    if kind == "scales":
        return xyz * 10.0 ** torch.randint(-10, 16, (size, 1), generator=generator)
    if kind == "missing":
        xyz[some < 0.1] = torch.nan
        xyz[some > 0.9] = torch.inf
    if kind == "duplicates" and size:
        return xyz[(some * size).long() // 3]
    if kind == "stray":
        xyz[some < 0.01] *= 1e25
    return xyz


def check(seed: int) -> None:
    choose, generator = random.Random(seed), torch.Generator().manual_seed(seed)
    num_clouds = choose.choice((1, 2, 5))
    keys = [unkind_cloud(choose, generator) for _ in range(num_clouds)]
    queries = keys if choose.random() < 0.5 else [unkind_cloud(choose, generator) for _ in range(num_clouds)]
    key, query = torch.cat(keys), torch.cat(queries)
    key_ends, query_ends = (torch.tensor([0, *map(len, c)]).cumsum(0) for c in (keys, queries))

    k = choose.choice((1, 2, 7, 16, 17, 31, 32, 33, 130, 600))
    got, expected = (m.knn(query, key, k, query_ends, key_ends) for m in (ops, reference))
    assert torch.equal(got.indices, expected.indices)
    assert torch.equal(got.squared_distances, expected.squared_distances)

    search = (
        query,
        key,
        choose.choice((0.0, 0.1, 1.0, 3.0, 1e20)),
        choose.choice((None, 1, 16, 40)),
        query_ends,
        key_ends,
    )
    for a, b in zip(ops.radius_search(*search), reference.radius_search(*search), strict=True):
        assert torch.equal(a, b)

    num_samples = min([150, *(int(c.isfinite().all(dim=1).sum()) for c in keys)])
    if num_samples > 0:
        start = choose.randrange(min(map(len, keys)))
        picks = (m.farthest_point_sample(key, key_ends, num_samples, start) for m in (ops, reference))
        assert torch.equal(*picks)


@pytest.mark.parametrize("seed", range(40))
def test_equals_reference(seed, simd):
    check(seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(1000, 2000, 100))
def test_equals_reference_a_thousand_times(first, threads):
    with threads(2):
        for seed in range(first, first + 100):
            check(seed)
