"""The detector as a whole: it trains, finds what it learned, and its sums add."""

import math

import pytest
import torch
from labelled_clouds import labelled

from geopt.geometry import Pyramid
from geopt.heads.config import DetectionConfig, NeckConfig
from geopt.heads.detector import Detector
from geopt.models.config import ModelConfig
from geopt.structures import VoxelGrid

PYRAMID = Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (0.5, 0.5, 8.0)), ((2, 2, 4),))
MODEL = ModelConfig.model_validate(
    {
        "voxel_encoder": {"channels": [16, 32]},
        "encoder": {"kind": "group", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1},
        "decoder": {"kind": "group", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1},
    }
)
NECK = NeckConfig(channels=(16, 32), blocks=(1, 1), strides=(1, 2), out_channels=32, num_groups=4)
HEAD = DetectionConfig(groups=(("car",), ("walker", "cone")), channels=16, branches="joint")
CLASSES = ("car", "walker", "cone")
NAN = math.nan
SCENE = [
    [
        (0, [3.1, -2.2, 0.9, 4.4, 1.9, 1.6, 0.5, 2.0, 1.0]),
        (1, [-3.3, 4.1, 0.9, 0.8, 0.7, 1.8, -2.0, NAN, NAN]),
        (0, [-4.2, -4.7, 0.8, 4.0, 1.8, 1.5, 2.8, 0.0, 0.0]),
    ],
    [(2, [1.2, 5.3, 0.5, 0.5, 0.5, 1.0, 0.1, 0.0, 0.0]), (0, [-1.0, 1.3, 0.9, 4.6, 2.0, 1.7, -1.2, -3.0, 0.5])],
]
BATCH = labelled(SCENE)


def detector(seed=0, neck=NECK, model=MODEL, **head):
    torch.manual_seed(seed)
    return Detector(PYRAMID, ("a", "b"), model, HEAD.model_copy(update=head), neck, CLASSES, {"frame": "ego"})


def metrics_of(model, *batches):
    model.eval()
    baseline = model.finish_baseline(added([model.baseline_sums(b) for b in batches]))
    return model.finish_validation(added([model.validation_sums(b, baseline) for b in batches]))


def added(parts):
    return {key: sum(part[key] for part in parts) for key in parts[0]}


@pytest.mark.parametrize("branches", ["joint", "separate"])
@pytest.mark.parametrize("norm", ["group", "layer", "batch"])
def test_gradient_reaches_every_parameter(branches, norm):
    model = detector(branches=branches, neck=NECK.model_copy(update={"norm": norm}))
    output = model(labelled(SCENE[1:]))  # one object of each group: with two, signs may cancel in a bias
    output.loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    wanted = sum(model.head.weight_of(name) * float(value) for name, value in output.terms.items())
    assert float(output.loss.detach()) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("frames", [[[], []], [[]], SCENE[:1], [[(0, [99.0, 0, 0, 4, 2, 2, 0, 0, 0])]]])
def test_every_batch_has_the_same_finite_terms(frames):
    for batch in (labelled(frames), labelled(frames, num_ground=0, per_box=0)):
        output = detector()(batch)
        output.loss.backward()
        assert list(output.terms) == list(detector()(BATCH).terms) and len(output.terms) == 6
        assert output.loss.isfinite() and all(value.isfinite() for value in output.terms.values())


def test_a_detector_learns_two_frames_by_heart(one_thread):
    model = detector()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=150)
    for _ in range(150):
        model(BATCH).loss.backward()
        optimizer.step(), optimizer.zero_grad(), schedule.step()
    model.eval()
    for objects, found in zip(SCENE, model.detections(BATCH)):
        sure = found.scores > 0.5
        assert int(sure.sum()) == len(objects)
        for number, box in objects:
            of_class = torch.nonzero(sure & (found.classes == number))[:, 0]
            truth = torch.tensor(box).double()
            near = found.boxes[of_class[(found.boxes[of_class, :2] - truth[:2]).norm(dim=1).argmin()]]
            assert float((near[:3] - truth[:3]).norm()) < 0.1
            assert float((near[3:6] / truth[3:6]).log().abs().max()) < 0.1
            assert abs(math.remainder(float(near[6] - truth[6]), 2 * math.pi)) < 0.05
            if not math.isnan(box[7]):
                assert float((near[7:] - truth[7:]).norm()) < 0.5
    metrics = metrics_of(model, BATCH)
    assert metrics["val/map"] > 0.95 and metrics["val/loss"] < 0.5 * metrics_of(detector(), BATCH)["val/loss"]


def test_frames_of_a_batch_do_not_see_each_other():
    model = detector(score_threshold=0.0).eval()
    together = model.detections(BATCH)
    maps = model.maps(BATCH)
    for b, frame in enumerate(SCENE):
        alone = labelled([frame], seed=b)
        assert torch.equal(alone.xyz, BATCH.xyz[BATCH.offsets[b] : BATCH.offsets[b + 1]])
        for one, other in zip(model.maps(alone), maps):
            assert torch.allclose(one.heatmap[0], other.heatmap[b], atol=1e-5)
            assert torch.allclose(one.values[0], other.values[b], atol=1e-5)
        assert len(model.detections(alone)[0].boxes) == len(together[b].boxes)


def test_the_same_weights_and_batch_give_the_same_bits():
    losses = [detector()(BATCH).loss for _ in range(2)]
    assert torch.equal(*losses)
    model = detector().eval()
    for one, other in zip(model.detections(BATCH), model.detections(BATCH)):
        assert all(torch.equal(a, b) for a, b in zip(one, other))


def test_validation_of_parts_adds_up_to_that_of_the_whole():
    model = detector()
    whole = metrics_of(model, BATCH)
    parts = metrics_of(model, *(labelled([frame], seed=b) for b, frame in enumerate(SCENE)))
    assert list(parts) == list(whole)
    for name, value in whole.items():
        assert parts[name] == pytest.approx(value, rel=1e-4, abs=1e-6, nan_ok=True), name
    assert whole["val/loss"] == pytest.approx(
        sum(
            model.head.weight_of(key.removeprefix("val/loss_")) * v
            for key, v in whole.items()
            if key.startswith("val/loss_")
        )
    )
    loss = float(model.eval()(BATCH).loss.detach())
    assert whole["val/loss"] == pytest.approx(loss, rel=1e-5)


def test_boxes_that_take_no_part_are_counted():
    away = [(0, [20.0, 0, 0, 4, 2, 2, 0, 0, 0]), (1, [0.0, 0, 0, 1, 1, 1, 0, 0, 0]), (0, [3.0, 3, 0, 4, 2, 2, 0, 0, 0])]
    metrics = metrics_of(detector(), labelled([away], num_points=[[5, 0, 5]]))
    assert metrics["val/boxes_outside"] == 1 and metrics["val/boxes_too_few_points"] == 1
    assert metrics["val/ap_car"] >= 0 and math.isnan(metrics["val/ap_walker"]) and math.isnan(metrics["val/ap_cone"])


def test_the_constant_detector_finds_what_is_always_in_the_same_place():
    always = [(0, [3.0, 3.0, 0.9, 4, 2, 2, 0, 0, 0])]
    batch = labelled([always, [*always, (1, [-5.0, -5.0, 1, 1, 1, 2, 0, 0, 0])]])
    metrics = metrics_of(detector(), batch)
    assert metrics["val/ap_car_baseline"] == pytest.approx(1.0)
    assert 0 < metrics["val/ap_walker_baseline"] < 0.6  # claimed in both frames, there in one
    elsewhere = labelled([[(0, [-6.0, -6.0, 0.9, 4, 2, 2, 0, 0, 0])]])
    model = detector().eval()
    baseline = model.finish_baseline(model.baseline_sums(batch))
    assert model.finish_validation(model.validation_sums(elsewhere, baseline))["val/map_baseline"] == 0


def test_picture_shows_the_first_frame():
    picture = detector().eval().picture(BATCH)
    assert torch.equal(picture["boxes_true"].nan_to_num(), BATCH.boxes[:3].nan_to_num())
    assert picture["box_classes_true"].tolist() == [0, 1, 0]
    assert len(picture["points"]) == int(BATCH.offsets[1]) and picture["classes"] == CLASSES
    assert len(picture["boxes_predicted"]) == len(picture["box_scores"]) == len(picture["box_classes_predicted"])


def test_every_tensor_is_made_on_the_device_of_the_batch():
    """Whoever forgets to name the device gets the default one, here a device that mixes with no other."""
    model = detector()
    with torch.device("meta"):
        model(BATCH).loss.backward()
        metrics = metrics_of(model, BATCH)
        picture = model.picture(BATCH)
    assert metrics["val/loss"] > 0
    tensors = [*picture.values(), *(p.grad for p in model.parameters())]
    assert {value.device.type for value in tensors if isinstance(value, torch.Tensor)} == {"cpu"}


def test_losses_stay_float32_under_autocast():
    model = detector()
    with torch.autocast("cpu", torch.bfloat16):
        output = model(BATCH)
        found = model.eval().detections(BATCH)
    assert output.loss.dtype == torch.float32 and found[0].boxes.dtype == torch.float64
    assert float(output.loss.detach()) == pytest.approx(float(detector()(BATCH).loss.detach()), rel=0.05)


def test_several_heights_and_coarser_maps_train_too():
    pyramid = Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 1.0, 2.0)), ())
    neck = NECK.model_copy(update={"strides": (3, 2)})
    model = Detector(pyramid, ("a", "b"), MODEL, HEAD, neck, CLASSES)
    model(BATCH).loss.backward()
    assert model.map_grid.shape == (6, 6) and model.neck.stages[0][0].in_channels == 4 * 32
    assert float(model.backbone.voxel_encoder.layers[0].linear.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: detector(groups=(("car",),)), r"head.groups: .* and nothing of cone, walker"),
        (lambda: detector(channels=18), r"head.channels: must be a multiple of neck.num_groups \(4\), got 18"),
    ],
)
def test_detectors_that_do_not_fit_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize("groups", [[], [[]], [["car"], ["car"]], [["car"], []]])
def test_groups_that_make_no_sense_are_refused(groups):
    with pytest.raises(ValueError, match="groups"):
        DetectionConfig.model_validate({"groups": groups})
