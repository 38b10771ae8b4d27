"""The segmenter as a whole."""

import math

import pytest
import torch
from labelled_clouds import labelled

from geopt.geometry import GeometryIndex, Pyramid
from geopt.heads.config import NeckConfig, SegmentationConfig
from geopt.heads.segmenter import Segmenter
from geopt.models.config import ModelConfig
from geopt.structures import VoxelGrid

PYRAMID = Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 1.0, 8.0)), ((2, 2, 4),))
MODEL = ModelConfig.model_validate(
    {
        "voxel_encoder": {"channels": [16, 32]},
        "encoder": {"kind": "group", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1},
        "decoder": {"kind": "group", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1},
    }
)
NECK = NeckConfig(channels=(16,), blocks=(1,), strides=(2,), out_channels=16, num_groups=4)
HEAD = SegmentationConfig(channels=(32,))
CLASSES = ("ignore", "ground", "car", "walker")
SCENE = [
    [(0, [3.1, -2.2, 0.9, 4.4, 1.9, 1.6, 0.5, 0, 0]), (1, [-3.3, 4.1, 0.9, 0.8, 0.7, 1.8, -2.0, 0, 0])],
    [(0, [-1.0, 1.3, 0.9, 4.6, 2.0, 1.7, -1.2, 0, 0]), (1, [12.0, 1.3, 0.9, 0.6, 0.7, 1.7, -1.2, 0, 0])],
]
BATCH = labelled(SCENE)  # the walker of the second frame is outside the grid


def segmenter(seed=0, classes=CLASSES, **head):
    torch.manual_seed(seed)
    return Segmenter(PYRAMID, ("a", "b"), MODEL, HEAD.model_copy(update=head), classes, {"frame": "ego"})


def added(parts):
    return {key: sum(part[key] for part in parts) for key in parts[0]}


def metrics_of(model, *batches):
    model.eval()
    baseline = model.finish_baseline(added([model.baseline_sums(b) for b in batches]))
    return model.finish_validation(added([model.validation_sums(b, baseline) for b in batches]))


@pytest.mark.parametrize("neck", [None, NECK])
def test_gradient_reaches_every_parameter(neck):
    model = segmenter(neck=neck)
    output = model(BATCH)
    output.loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    terms = output.terms
    wanted = float(terms["cross_entropy"] + terms["lovasz"] + 0.1 * terms["raw"])
    assert float(output.loss.detach()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("neck", [None, NECK])
def test_a_segmenter_learns_two_frames_by_heart(neck, one_thread):
    model = segmenter(neck=neck)
    untrained = metrics_of(model, BATCH)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=True)
    for _ in range(60):
        model(BATCH).loss.backward()
        optimizer.step(), optimizer.zero_grad()
    metrics = metrics_of(model, BATCH)
    assert metrics["val/miou"] > 0.9 > untrained["val/miou"] and metrics["val/miou_baseline"] < 0.4
    assert metrics["val/points_outside"] == 80
    predicted = model.logits(BATCH).argmax(1)
    assert float((predicted == BATCH.labels).float().mean()) > 0.95


def test_points_outside_the_grid_have_logits_of_their_own():
    model = segmenter().eval()
    inside = GeometryIndex(BATCH, PYRAMID).point_to_token >= 0
    logits = model.logits(BATCH)
    assert logits.shape == (len(BATCH.xyz), 4) and logits.dtype == torch.float32
    assert (logits[:, 0] == -torch.inf).all() and logits[:, 1:].isfinite().all()
    with torch.no_grad():
        raw = model._logits(BATCH).raw
    assert torch.equal(logits[~inside, 1:], raw[~inside]) and int((~inside).sum()) == 80
    assert not torch.equal(logits[inside, 1:], raw[inside])
    BATCH_far = labelled(SCENE)
    odd = torch.tensor([[math.nan, 0, 0], [0, math.inf, 0], [1e30, -1e30, 3e38], [-math.inf, 0, math.nan]])
    BATCH_far.xyz[:4], BATCH_far.features[1, 0] = odd, math.nan
    assert model.logits(BATCH_far)[:4, 1:].isfinite().all()


def test_points_of_one_token_are_told_apart():
    model = segmenter().eval()
    index = GeometryIndex(BATCH, PYRAMID)
    crowded = int(index.levels[0].num_points.argmax())
    of_token = model.logits(BATCH)[index.point_to_token == crowded, 1:]
    assert len(torch.unique(of_token, dim=0)) > 5


@pytest.mark.parametrize("neck", [None, NECK])
def test_frames_of_a_batch_do_not_see_each_other(neck):
    model = segmenter(neck=neck).eval()
    together = model.logits(BATCH)[:, 1:]
    for b, frame in enumerate(SCENE):
        alone = model.logits(labelled([frame], seed=b))[:, 1:]
        assert torch.allclose(alone, together[BATCH.offsets[b] : BATCH.offsets[b + 1]], atol=1e-5)


def test_every_point_sees_the_cell_of_the_map_that_it_lies_in():
    model = segmenter(neck=NECK).eval()
    cells = model._cells_of_tokens(torch.tensor([[0, 0, 0, 0], [1, 3, 5, 0], [1, 15, 15, 0]], dtype=torch.int32))
    assert model.neck.map_grid.shape == (8, 8) and cells.tolist() == [0, 64 + 1 * 8 + 2, 64 + 63]


def test_the_same_weights_and_batch_give_the_same_bits():
    assert torch.equal(*(segmenter(neck=NECK)(BATCH).loss for _ in range(2)))


def test_validation_of_parts_adds_up_to_that_of_the_whole():
    model = segmenter()
    whole = metrics_of(model, BATCH)
    parts = metrics_of(model, *(labelled([frame], seed=b) for b, frame in enumerate(SCENE)))
    assert list(parts) == list(whole)
    for name, value in whole.items():
        assert parts[name] == pytest.approx(value, rel=1e-4, nan_ok=True), name
    assert whole["val/loss"] == pytest.approx(float(model.eval()(BATCH).loss.detach()), rel=1e-5)


def test_iou_is_intersection_over_union_of_labelled_points():
    model = segmenter().eval()
    batch = labelled(SCENE)
    batch.labels[:50] = 0
    predicted, truth = model.logits(batch).argmax(1), batch.labels
    metrics = metrics_of(model, batch)
    ious = []
    for number, name in enumerate(CLASSES[1:], start=1):
        known = truth > 0
        both = int((known & (truth == number) & (predicted == number)).sum())
        either = int((known & ((truth == number) | (predicted == number))).sum())
        ious.append(both / either)
        assert metrics[f"val/iou_{name}"] == pytest.approx(ious[-1])
    assert metrics["val/miou"] == pytest.approx(sum(ious) / 3)
    known = truth > 0
    share = float((truth[known] == 1).double().mean())  # the ground is the most frequent class
    assert metrics["val/iou_ground_baseline"] == metrics["val/accuracy_baseline"] == pytest.approx(share)
    assert metrics["val/miou_baseline"] == pytest.approx(share / 3)


def test_a_class_that_nobody_has_is_left_out_of_the_mean():
    metrics = metrics_of(segmenter(classes=(*CLASSES, "ghost")), BATCH)
    assert math.isnan(metrics["val/iou_ghost_baseline"]) and metrics["val/miou_baseline"] > 0


@pytest.mark.parametrize("frames", [[[], []], [[]], []])
def test_every_batch_has_the_same_finite_terms(frames):
    for batch in (labelled(frames), labelled(frames, num_ground=0)):
        for head in ({}, {"class_weights": (0.0, 1.0, 2.0)}):
            output = segmenter(**head)(batch)
            output.loss.backward()
            assert list(output.terms) == ["cross_entropy", "lovasz", "raw"] and output.loss.isfinite()
    unknown = labelled(SCENE)
    unknown.labels.zero_()
    assert float(segmenter()(unknown).loss.detach()) == 0


def test_every_tensor_is_made_on_the_device_of_the_batch():
    """Whoever forgets to name the device gets the default one, here a device that mixes with no other."""
    model = segmenter(neck=NECK, class_weights=(1.0, 2.0, 3.0))
    with torch.device("meta"):
        model(BATCH).loss.backward()
        metrics = metrics_of(model, BATCH)
        picture = model.picture(BATCH)
    assert metrics["val/loss"] > 0
    tensors = [*picture.values(), *(p.grad for p in model.parameters())]
    assert {value.device.type for value in tensors if isinstance(value, torch.Tensor)} == {"cpu"}


def test_losses_stay_float32_under_autocast():
    model = segmenter(neck=NECK)
    with torch.autocast("cpu", torch.bfloat16):
        output, logits = model(BATCH), model.logits(BATCH)
    assert output.loss.dtype == logits.dtype == torch.float32
    assert float(output.loss.detach()) == pytest.approx(float(segmenter(neck=NECK)(BATCH).loss.detach()), rel=0.05)


def test_picture_shows_the_first_frame():
    picture = segmenter().eval().picture(BATCH)
    first = slice(0, int(BATCH.offsets[1]))
    assert torch.equal(picture["labels_true"], BATCH.labels[first]) and torch.equal(picture["points"], BATCH.xyz[first])
    assert bool(((picture["labels_predicted"] >= 1) & (picture["labels_predicted"] <= 3)).all())


def test_what_does_not_fit_is_refused():
    batch = labelled(SCENE)
    with pytest.raises(ValueError, match=r"labels must be given for all .* points, got 0; set data.labels=coarse"):
        segmenter()(type(batch)(**{**vars(batch), "labels": torch.zeros(0, dtype=torch.int64)}))
    batch.labels[0] = 4
    with pytest.raises(ValueError, match=r"labels must be 0 to 3, got 1 to 4"):
        segmenter()(batch)
    with pytest.raises(ValueError, match="class_weights: must hold 3 numbers"):
        segmenter(class_weights=(1.0, 2.0))
    with pytest.raises(ValueError, match="classes must be the ignored one and at least one more"):
        segmenter(classes=("ignore",))
