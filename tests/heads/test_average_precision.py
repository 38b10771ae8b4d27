"""Average precision from histograms, beside the official evaluator's own curves."""

import numpy as np
import pytest
import torch

from geopt.evaluation.detection_curves import ERRORS, average_precision, curves
from geopt.heads.average_precision import DISTANCES_M, Found, average_precisions, frame_sums, match


def frames_of(seed, *, apart, num_classes=3, num_frames=6):
    """Objects, and detections near them or anywhere; scores that lie apart by bins or anyhow."""
    rng = np.random.default_rng(seed)
    found, truth = [], []
    count = 0
    for _ in range(num_frames):
        objects = rng.uniform(-20, 20, (rng.integers(0, 12), 2))
        classes = rng.integers(0, num_classes - 1, len(objects))  # the last class has no object
        keep = rng.random(len(objects)) < 0.8
        guesses = np.concatenate([objects[keep] + rng.normal(0, 1, (keep.sum(), 2)), rng.uniform(-20, 20, (5, 2))])
        labels = np.concatenate([classes[keep], rng.integers(0, num_classes, 5)])
        scores = rng.random(len(guesses))
        if apart:
            scores = (rng.permutation(900)[: len(guesses)] + 0.5) / 1000
        order = np.argsort(-scores)
        found.append(Found(guesses[order], scores[order], labels[order]))
        truth.append((objects, classes))
        count += len(guesses)
    if apart:  # over all frames
        values = (rng.permutation(1000)[:count] + 0.5) / 1000
        for i, one in enumerate(found):
            scores, values = np.sort(values[: len(one.scores)])[::-1], values[len(one.scores) :]
            found[i] = one._replace(scores=scores)
    return found, truth


def official(found, truth, number):
    """Over all frames at once, as the devkit does it."""
    everything = sorted(
        (
            (score, frame, tuple(center))
            for frame, one in enumerate(found)
            for center, score, cls in zip(*one)
            if cls == number
        ),
        key=lambda entry: -entry[0],
    )
    num_positive = sum(int((classes == number).sum()) for _, classes in truth)
    values = []
    for distance in DISTANCES_M:
        taken, hits = set(), []
        for _, frame, center in everything:
            best, nearest = np.inf, None
            for row, (place, cls) in enumerate(zip(*truth[frame])):
                apart = np.hypot(*(place - center))
                if cls == number and (frame, row) not in taken and apart < best:
                    best, nearest = apart, (frame, row)
            hits.append(best < distance)
            if hits[-1]:
                taken.add(nearest)
        hit = np.array(hits, dtype=bool)
        scores = np.array([entry[0] for entry in everything])
        errors = {name: np.zeros(hit.sum()) for name in ERRORS}
        values.append(average_precision(curves(hit, scores, errors, num_positive)))
    return float(np.mean(values))


def summed(found, truth, num_classes=3):
    total = {}
    for one, (objects, classes) in zip(found, truth):
        for key, value in frame_sums(one, objects, classes, num_classes).items():
            total[key] = total.get(key, 0) + value
    return total


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("apart", [True, False])
def test_average_precision_is_the_official_one(seed, apart):
    """To the last bit where no two scores share a bin; else within what a thousandth of the scores can change."""
    found, truth = frames_of(seed, apart=apart)
    got = average_precisions(summed(found, truth))
    assert np.isnan(got[2])  # no object
    for number in (0, 1):
        assert got[number] == pytest.approx(official(found, truth, number), abs=1e-12 if apart else 0.02)


def test_perfect_and_useless_detections():
    _, truth = frames_of(0, apart=True)
    perfect = [Found(objects, np.full(len(objects), 0.9), classes) for objects, classes in truth]
    assert average_precisions(summed(perfect, truth))[:2].tolist() == pytest.approx([1, 1])
    nothing = [Found(np.zeros((0, 2)), np.zeros(0), np.zeros(0, np.int64)) for _ in truth]
    assert average_precisions(summed(nothing, truth))[:2].tolist() == [0, 0]
    wrong = [one._replace(centers=one.centers + 100) for one in perfect]
    assert average_precisions(summed(wrong, truth))[:2].tolist() == [0, 0]


def test_each_object_is_found_once():
    truth = np.array([[0.0, 0.0], [1.0, 0.0]])
    guesses = np.array([[0.4, 0.0], [0.45, 0.0], [0.3, 0.0], [0.9, 3.0]])
    assert match(guesses, truth, 0.5).tolist() == [True, False, False, False]
    assert match(guesses, truth, 1.0).tolist() == [True, True, False, False]
    assert match(guesses[:1], truth, 0.4).tolist() == [False]  # nearer than, not as near as


def test_sums_of_frames_may_come_in_any_order():
    found, truth = frames_of(3, apart=False)
    forward, backward = summed(found, truth), summed(found[::-1], truth[::-1])
    assert all(torch.equal(forward[key], backward[key]) and forward[key].dtype == torch.float64 for key in forward)
