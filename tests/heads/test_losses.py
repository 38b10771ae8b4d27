"""Losses against their definitions, written out."""

import itertools
import math

import pytest
import torch

from geopt.heads import losses
from geopt.heads.losses import cross_entropy, gaussian_focal, masked_l1, shared_means
from geopt.heads.lovasz import lovasz_of_frames, lovasz_softmax
from geopt.targets import Loss


def test_focal_loss_is_that_of_cornernet():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, generator=generator)
    heatmap = torch.rand(2, 3, 4, generator=generator)
    heatmap[0, 0, 0] = heatmap[1, 2, 3] = 1
    wanted = 0.0
    for logit, truth in zip(logits.flatten().tolist(), heatmap.flatten().tolist()):
        p = 1 / (1 + math.exp(-logit))
        wanted -= (1 - p) ** 2 * math.log(p) if truth == 1 else (1 - truth) ** 4 * p**2 * math.log(1 - p)
    loss = gaussian_focal(logits, heatmap)
    assert float(loss.total) == pytest.approx(wanted, rel=1e-5) and loss.count == 2


def test_focal_loss_of_certain_and_wrong_cells_stays_finite():
    logits = torch.tensor([200.0, -200.0], requires_grad=True)
    loss = gaussian_focal(logits, torch.tensor([0.0, 1.0])).total
    loss.backward()
    assert float(loss.detach()) == pytest.approx(400, rel=1e-3) and logits.grad.isfinite().all()


def test_l1_leaves_out_rows_of_unknown_truth():
    prediction = torch.tensor([[1.0, 2.0], [5.0, 5.0], [0.0, -1.0]], requires_grad=True)
    loss = masked_l1(prediction, torch.tensor([[0.0, 4.0], [math.nan, 1.0], [0.0, 0.0]]))
    loss.total.backward()
    assert float(loss.total.detach()) == 4 and loss.count == 2
    assert prediction.grad.tolist() == [[1, -1], [0, 0], [0, -1]]


def test_cross_entropy_weighs_classes_and_leaves_out_class_zero():
    logits, labels = torch.randn(6, 3), torch.tensor([1, 0, 3, 2, 2, 0])
    weights = torch.tensor([1.0, 0.5, 4.0])
    logs = logits.double().log_softmax(1)
    wanted = -sum(weights[c - 1] * logs[i, c - 1] for i, c in enumerate(labels.tolist()) if c)
    loss = cross_entropy(logits, labels, weights)
    assert float(loss.total) == pytest.approx(float(wanted), rel=1e-5) and loss.count == 6
    assert cross_entropy(logits, labels).count == 4
    nothing = cross_entropy(logits, torch.zeros(6, dtype=torch.int64))
    assert float(nothing.total) == 0 and nothing.count == 0


def jaccard_loss(labels, wrong, number):
    """One minus the IoU of a class when the points of ``wrong`` are the mistakes about it."""
    truth = {i for i, label in enumerate(labels) if label == number}
    predicted = truth ^ wrong
    union = truth | predicted
    return 1 - len(truth & predicted) / len(union) if union else 0.0


def lovasz_by_thresholds(probabilities, labels):
    """The Lovasz extension as an integral over thresholds: no sorting, no differences."""
    values = []
    for number in sorted(set(labels)):
        errors = [abs((label == number) - p[number]) for label, p in zip(labels, probabilities)]
        levels = sorted({0.0, *errors})
        value = 0.0
        for low, high in zip(levels, levels[1:]):
            value += (high - low) * jaccard_loss(labels, {i for i, e in enumerate(errors) if e >= high}, number)
        values.append(value)
    return sum(values) / len(values)


@pytest.mark.parametrize("seed", range(20))
def test_lovasz_is_the_integral_over_thresholds(seed):
    generator = torch.Generator().manual_seed(seed)
    n, classes = 1 + seed % 7, 2 + seed % 3
    probabilities = torch.randn(n, classes, generator=generator, dtype=torch.float64).mul(2).softmax(1)
    if seed % 4 == 0:
        probabilities = (probabilities * 4).round() / 4  # ties
    labels = torch.randint(0, classes, (n,), generator=generator)
    wanted = lovasz_by_thresholds(probabilities.tolist(), labels.tolist())
    assert float(lovasz_softmax(probabilities, labels)) == pytest.approx(wanted, abs=1e-9)


def test_lovasz_of_hard_predictions_is_one_minus_mean_iou():
    for labels in itertools.product(range(3), repeat=4):
        for predicted in ([0, 1, 2, 0], [1, 1, 1, 1], list(labels)):
            hard = torch.eye(3, dtype=torch.float64)[predicted]
            present = sorted(set(labels))
            losses_ = [
                jaccard_loss(labels, {i for i in range(4) if (labels[i] == c) != (predicted[i] == c)}, c)
                for c in present
            ]
            assert float(lovasz_softmax(hard, torch.tensor(labels))) == pytest.approx(sum(losses_) / len(present))


def test_lovasz_gradient_is_that_of_differences():
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(6, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 1, 1, 2, 0, 0])
    assert torch.autograd.gradcheck(lambda values: lovasz_softmax(values.softmax(1), labels), logits)


def test_lovasz_of_frames_does_not_depend_on_the_batch():
    logits, labels = torch.randn(9, 2), torch.tensor([1, 2, 0, 0, 0, 2, 2, 1, 0])
    whole = lovasz_of_frames(logits, labels, torch.tensor([0, 3, 5, 5, 9]))
    parts = [
        lovasz_of_frames(logits[a:b], labels[a:b], torch.tensor([0, b - a]))
        for a, b in ((0, 3), (3, 5), (5, 5), (5, 9))
    ]
    assert whole.count == sum(p.count for p in parts) == 2
    assert float(whole.total) == pytest.approx(sum(float(p.total) for p in parts), rel=1e-6)


def test_means_of_ranks_average_to_that_of_all_frames(monkeypatch):
    """Each rank divides by the mean count of all; a map without objects is divided by one over the ranks."""
    of_ranks = [
        [Loss(torch.tensor(6.0), 2), Loss(torch.tensor(5.0), 0)],
        [Loss(torch.tensor(3.0), 10), Loss(torch.tensor(1.0), 0)],
    ]
    alone = [[float(v) for v in shared_means(rank)] for rank in of_ranks]
    assert alone == [[3, 5], [pytest.approx(0.3), 1]]
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(losses, "sum_over_ranks", lambda counts: torch.tensor([12.0, 0.0]))
    shares = [[float(v) for v in shared_means(rank)] for rank in of_ranks]
    assert [sum(values) / 2 for values in zip(*shares)] == [pytest.approx(9 / 12), pytest.approx(6)]
