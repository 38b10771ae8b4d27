"""Probes of frozen features."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from nuscenes_folder import write_nuscenes

from geopt import pretraining, probing
from geopt.config_errors import ConfigError


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    more = ("data.version=v1.0-mini", "data.train=scene-0061", "data.val=scene-0103", "data.workers=0")
    folder = tmp_path_factory.mktemp("runs") / "pretrain"
    config = pretraining.load("tiny", [f"data.root={data}", f"run.dir={folder}", "train.max_steps=1", *more])
    return pretraining.pretrain(config)


def configured(data, *more):
    given = ["data.version=v1.0-mini", "data.train=scene-0061", "data.val=scene-0103", "random_encoders=1", *more]
    return probing.load([f"data.root={data}", *given])


@pytest.mark.parametrize("labels", ["lidarseg", "boxes"])
def test_encoders_are_scored_beside_random_ones(labels, data, run, tmp_path):
    config = configured(data, f"labels={labels}", "steps=20")
    result = probing.probe(run, config)
    assert [(s.encoder, s.classifier) for s in result.scores] == [
        ("pretrained", "linear"),
        ("pretrained", "nearest neighbours"),
        ("random 0", "linear"),
        ("random 0", "nearest neighbours"),
    ]
    for score in result.scores:
        assert score.miou == pytest.approx(np.mean(list(score.iou.values())))
        assert all(0 <= value <= 1 for value in score.iou.values())
    assert probing.probe(run, config) == result, "the same probe gives the same numbers"
    probing.write(result, config, run, tmp_path / "probe.json")
    written = json.loads((tmp_path / "probe.json").read_text())
    assert written["scores"][0]["miou"] == result.scores[0].miou
    assert written["config"]["labels"] == labels


def test_points_are_counted_once(data, run):
    config = configured(data, "steps=1", "random_encoders=0")
    result = probing.probe(run, config)
    frames = probing._frames(
        config, probing.encoder_io.read(run)[1], probing.PretrainedEncoder(*probing.encoder_io.read(run)), "val"
    )[0]
    labelled = sum(int((frames.read(i).labels > 0).sum()) for i in range(len(frames)))
    assert result.num_val_points + result.num_outside == labelled
    assert result.num_outside > 0


def test_separable_features_are_told_apart():
    rng = torch.Generator().manual_seed(0)
    centers = torch.randn(4, 16, generator=rng) * 4
    labels = torch.randint(4, (2000,), generator=rng)
    features = centers[labels] + torch.randn(2000, 16, generator=rng)
    config = probing.ProbeConfig(steps=200)
    linear = probing._fit_linear(features[:1000], labels[:1000], 4, config)
    votes = probing._Neighbors(features[:1000], labels[:1000], 4, 20)
    nearest_center = torch.cdist(features[1000:], centers).argmin(dim=1)
    for classify in (linear, votes):
        assert (classify(features[1000:]) == labels[1000:]).float().mean() > 0.99 * (
            nearest_center == labels[1000:]
        ).float().mean()


def test_nearest_neighbours_vote_as_defined():
    rng = np.random.default_rng(0)
    bank, labels = rng.normal(size=(50, 5)), rng.integers(0, 3, 50)
    asked = rng.normal(size=(20, 5))
    votes = probing._Neighbors(torch.tensor(bank).float(), torch.tensor(labels), 3, 7)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)  # noqa: E731
    cosine = unit(asked) @ unit(bank).T
    expected = []
    for row in cosine:
        best = np.argsort(-row)[:7]
        expected.append(int(np.argmax([np.exp(row[best][labels[best] == c] / 0.07).sum() for c in range(3)])))
    assert votes(torch.tensor(asked).float()).tolist() == expected


def test_iou_is_that_of_the_definition():
    confusion = torch.tensor([[5, 1, 0], [2, 3, 0], [0, 0, 0]])
    score = probing._score("e", "c", confusion, ("a", "b", "absent"))
    assert score.iou == {"a": pytest.approx(5 / 8), "b": pytest.approx(3 / 6)}
    assert score.miou == pytest.approx((5 / 8 + 3 / 6) / 2)


def test_a_probe_needs_data(run):
    with pytest.raises(ConfigError, match=r"data.root"):
        probing.probe(run, probing.load([]))
