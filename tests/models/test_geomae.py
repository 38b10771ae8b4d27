"""The whole model: every target that is configured is trained, and nothing else changes the loss."""

import gc
import json
import weakref

import pytest
import torch
from batches import batch_of, street

from geopt.geometry import GeometryIndex, Pyramid
from geopt.models import geomae
from geopt.models.config import MaskConfig, ModelConfig, TargetsConfig
from geopt.models.geomae import GeoMAE
from geopt.models.pretrained import PretrainedEncoder
from geopt.structures import VoxelGrid
from geopt.targets import Loss

GRID = VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 1.0, 8.0))
PYRAMID = Pyramid(GRID, ((2, 2, 4), (2, 2, 2)))
SMALL = ModelConfig.model_validate(
    {
        "voxel_encoder": {"channels": [16, 32]},
        "encoder": {"kind": "group", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1},
        "decoder": {"kind": "group", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1},
    }
)
WINDOWS = {"kind": "window", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1, "window": [4, 4]}
NOTHING = {"occupancy": None, "centroid": None, "normal": None, "curvature": None, "density": None}
ONE_TARGET = {
    "occupancy_1": {"occupancy": {"weights": [0, 2]}},
    "occupancy_2": {"occupancy": {"weights": [0, 0, 5], "two_logits": True}},
    "centroid_0": {"centroid": {"weights": [10]}},
    "centroid_1": {"centroid": {"weights": [0, 8]}},
    "centroid_2": {"centroid": {"weights": [0, 0, 10], "origin": "corner", "loss": "mse"}},
    "normal_1": {"normal": {"weight": 4}},
    "normal_0": {"normal": {"loss": "mse"}, "neighborhood": {"level": 0, "window": [3, 3, 1], "min_cells": 0}},
    "curvature_1": {"curvature": {"weight": 2}},
    "curvature_0": {"curvature": {"loss": "mse"}, "neighborhood": {"level": 0, "window": [3, 3, 1]}},
    "density_1": {"density": {"weights": [0, 0.5]}},
}


def model_of(targets=None, mask=None, seed=0, **changes):
    torch.manual_seed(seed)
    return GeoMAE(
        PYRAMID,
        ("intensity", "time_lag_s"),
        SMALL.model_copy(update=changes),
        MaskConfig.model_validate(mask or {}),
        TargetsConfig() if targets is None else TargetsConfig.model_validate({**NOTHING, **targets}),
    )


BATCH = batch_of(street(0, n=800), torch.zeros(0, 3), street(1, n=500))


@pytest.mark.parametrize("name", ONE_TARGET)
def test_a_configured_target_changes_the_loss_and_receives_gradient(name):
    alone = model_of(ONE_TARGET[name])
    assert list(alone.targets) == [name]
    output = alone(BATCH)
    output.loss.backward()
    assert float(output.loss.detach()) == pytest.approx(alone.targets[name].weight * float(output.terms[name]))
    assert float(alone.heads[name].weight.grad.abs().sum()) > 0
    encoder = sum(float(p.grad.abs().sum()) for p in alone.backbone.parameters())
    assert encoder > 0 and float(alone.mask_token.grad.abs().sum()) > 0

    other = {"density": {"weights": [1, 0.5 if name == "density_1" else 0]}}
    together = model_of({**ONE_TARGET[name], **other})(BATCH)
    assert set(together.terms) == {name, "density_0"}
    assert float(together.loss.detach()) > float(together.terms["density_0"])


def test_every_parameter_of_the_default_targets_is_trained():
    model = model_of()
    model(BATCH).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_the_released_variant_also_encodes_hidden_tokens():
    """Their points reach the batch statistics, as in the official code; tokens themselves stay hidden."""
    norm = SMALL.voxel_encoder.model_copy(update={"norm": "batch"})
    plain = model_of(voxel_encoder=norm)
    released = model_of(voxel_encoder=norm, encode_hidden=True)
    assert float(plain(BATCH).loss.detach()) != float(released(BATCH).loss.detach())
    plain.eval(), released.eval()
    released.load_state_dict(plain.state_dict())
    assert float(plain(BATCH).loss.detach()) == pytest.approx(float(released(BATCH).loss.detach()), rel=1e-6)


def test_hidden_points_do_not_reach_the_encoder():
    model = model_of().eval()
    prediction = model.predict(BATCH)
    hidden = torch.isin(prediction.index.point_to_token, prediction.mask.hidden)
    moved = BATCH.features.clone()
    moved[hidden] = 1e6
    changed = type(BATCH)(**{**vars(BATCH), "features": moved})
    for name, output in model.predict(changed).outputs.items():
        assert torch.equal(output, prediction.outputs[name])


@pytest.mark.parametrize(
    "clouds", [[torch.zeros(0, 3)], [torch.zeros(1, 3)], [torch.full((5, 3), 99.0), street(0, n=40)]]
)
def test_nearly_empty_batches_have_a_finite_loss(clouds):
    model = model_of(mask={"empty_radius": 1})
    output = model(batch_of(*clouds))
    output.loss.backward()
    assert output.loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


SHAPES = {
    "tokens above each other": (VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 1)), ((2, 2, 1), (2, 2, 2)), {}),
    "levels of equal size": (VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 8)), ((1, 1, 1), (1, 1, 1)), {}),
    "one finer level": (
        VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 8)),
        ((4, 4, 8),),
        {"occupancy": {"weights": [0, 5]}, "centroid": {"weights": [10, 10]}},
    ),
    "planes of finest cells": (PYRAMID.grid, PYRAMID.ratios, {"neighborhood": {"level": 2}}),
    "not square": (VoxelGrid((-8, -6, -4), (8, 6, 4), (2, 1.5, 2)), ((3, 1, 2), (1, 2, 1)), {}),
    "one token": (VoxelGrid((-8, -8, -4), (8, 8, 4), (16, 16, 8)), ((16, 16, 4), (2, 2, 2)), {}),
    "100 km away": (VoxelGrid((1e5, -1e5, -4), (1e5 + 16, -1e5 + 16, 4), (1, 1, 8)), ((2, 2, 4), (2, 2, 2)), {}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_pyramids_of_every_shape_are_trained_and_validated(shape):
    grid, ratios, targets = SHAPES[shape]
    pyramid = Pyramid(grid, ratios)
    config = TargetsConfig.model_validate(targets)
    model = GeoMAE(pyramid, ("intensity", "time_lag_s"), SMALL, MaskConfig(empty_radius=1), config)
    middle = (torch.tensor(grid.lower) + torch.tensor(grid.upper)) / 2
    for clouds in ([street(0, n=400) + middle, street(1, n=200) + middle], [torch.zeros(0, 3)], []):
        batch = batch_of(*clouds)
        output = model.train()(batch)
        output.loss.backward()
        assert output.loss.isfinite() and all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
        if clouds and len(clouds[0]) and shape != "one token":  # the only token of a cloud is hidden, and has no plane
            assert all(float(term) > 0 for term in output.terms.values()), output.terms
        model.eval()
        baseline = model.finish_baseline(model.baseline_sums(batch))
        metrics = model.finish_validation(model.validation_sums(batch, baseline))
        assert metrics["val/loss"] >= 0


def test_clouds_together_lose_what_they_lose_alone():
    model = model_of({"centroid": {"weights": [0, 0, 1]}}).eval()
    clouds = [street(0, n=700), street(1, n=300)]
    together = model.predict(batch_of(*clouds))
    name = "centroid_2"
    parts = [model.predict(batch_of(cloud, seeds=(i,))) for i, cloud in enumerate(clouds)]
    with torch.no_grad():
        whole = model.targets[name].loss(together.outputs[name], together.truths[name])
        losses = [model.targets[name].loss(part.outputs[name], part.truths[name]) for part in parts]
    assert float(whole.count) == sum(float(loss.count) for loss in losses)
    assert float(whole.total) == pytest.approx(sum(float(loss.total) for loss in losses), rel=1e-5)


def test_validation_reports_each_metric_beside_its_baseline():
    model = model_of().eval()
    baseline = model.finish_baseline(model.baseline_sums(BATCH))
    metrics = model.finish_validation(model.validation_sums(BATCH, baseline))
    for name in ("occupancy_iou", "centroid_error_m", "normal_error_deg", "curvature_error"):
        assert 0 <= metrics[f"val/{name}"] and 0 <= metrics[f"val/{name}_baseline"]
    assert metrics["val/loss"] == pytest.approx(
        sum(t.weight * metrics[f"val/loss_{n}"] for n, t in model.targets.items())
    )
    halves = [batch_of(street(0, n=800)), batch_of(street(1, n=500), seeds=(2,))]
    sums = [model.validation_sums(half, baseline) for half in halves]
    added = model.finish_validation({key: sums[0][key] + sums[1][key] for key in sums[0]})
    assert added["val/centroid_error_m"] == pytest.approx(metrics["val/centroid_error_m"], rel=1e-5)
    assert added["val/occupancy_iou_baseline"] == pytest.approx(metrics["val/occupancy_iou_baseline"])


def test_encoder_comes_back_from_its_state():
    model = model_of().eval()
    state, description = model.encoder_state()
    encoder = PretrainedEncoder.from_state(state, json.loads(json.dumps(description)))
    features, inside = encoder(BATCH)
    assert features.shape == (BATCH.xyz.shape[0], 64)
    index = GeometryIndex(BATCH, PYRAMID)
    assert torch.equal(inside, index.point_to_token >= 0)
    assert not features[~inside].any()
    everything = torch.arange(len(index.levels[0]))
    with torch.no_grad():
        tokens, _, _ = model.backbone.voxel_tokens(index, BATCH.features, everything)
        tokens = model.backbone.encoder(tokens, index.levels[0].coords_bxyz)
    assert torch.allclose(features[inside][:, :32], tokens[index.point_to_token[inside]], atol=1e-6)


def test_features_of_points_are_not_rounded_to_bfloat16():
    encoder = PretrainedEncoder.from_state(*model_of().encoder_state())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        features, inside = encoder(BATCH)
    tokens = features[inside, :32]
    assert features.dtype == torch.float32 and not torch.equal(tokens.bfloat16().float(), tokens)


def test_points_on_the_faces_of_tokens_are_where_training_put_them():
    """A token is found on the finest grid; thirds of a metre round otherwise than metres do."""
    pyramid = Pyramid(VoxelGrid((-6, -6, -3), (6, 6, 3), (0.6, 0.6, 6.0)), ((3, 3, 3),))
    targets = TargetsConfig.model_validate({**NOTHING, "density": {"weights": [1]}})
    model = GeoMAE(pyramid, ("intensity", "time_lag_s"), SMALL, targets=targets).eval()
    steps = torch.arange(-29, 30) * 0.2
    faces = torch.cartesian_prod(steps, steps, torch.tensor([0.1]))
    batch = batch_of(faces)
    index = GeometryIndex(batch, pyramid)
    differing = index.point_to_token != GeometryIndex(batch, Pyramid(pyramid.grid, ())).point_to_token
    assert differing.any()
    with torch.no_grad():
        everything = torch.arange(len(index.levels[0]))
        tokens = model.backbone.encoder(
            model.backbone.voxel_tokens(index, batch.features, everything)[0], index.levels[0].coords_bxyz
        )
    features, _ = PretrainedEncoder.from_state(*model.encoder_state())(batch)
    assert torch.allclose(features[:, :32], tokens[index.point_to_token], atol=1e-6)


def test_picture_shows_the_first_frame_only():
    model = model_of().eval()
    picture = model.picture(batch_of(street(1, n=500), street(0)))
    assert picture["points"].shape[0] == street(1, n=500).shape[0]
    assert picture["cell_truth"].sum() > 0
    lower, upper = torch.tensor(GRID.lower), torch.tensor(GRID.upper)
    for key in ("cell_centers", "normal_positions"):
        assert bool(((picture[key] > lower) & (picture[key] < upper)).all())
    assert torch.allclose(picture["normals_predicted"].norm(dim=1), torch.ones(picture["normals"].shape[0]), atol=1e-5)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: model_of({}), "targets: at least one target must have a weight above 0, got none"),
        (
            lambda: model_of({"centroid": {"weights": [1, 1, 1, 1]}}),
            r"targets.centroid.weights must have at most 3 entries .*, got 4",
        ),
        (
            lambda: model_of(voxel_encoder=SMALL.voxel_encoder.model_copy(update={"channels": (16,)})),
            r"the last of voxel_encoder.channels must equal encoder.d_model \(32\), got 16",
        ),
    ],
)
def test_models_that_do_not_fit_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_a_step_leaves_nothing_behind():
    """Whatever a batch needed is gone with it: a cache that outlives the batch would fill the memory."""
    model = model_of()
    gc.disable()  # not even until the collector runs
    try:
        prediction = model.predict(BATCH)
        gone = [weakref.ref(prediction.queries), weakref.ref(prediction.index), weakref.ref(prediction.index.levels[0])]
        del prediction
        assert [reference() for reference in gone] == [None, None, None]
    finally:
        gc.enable()


def test_features_are_dropped_frame_by_frame_and_by_the_frames_seed():
    model = model_of(feature_drop=0.5)
    clouds = [torch.full((4, 3), 1.0)] * 40
    batch = batch_of(*clouds, seeds=tuple(range(40)))
    kept = model._features(batch).view(40, 4, 2)
    share = kept.any(dim=2).float().mean(dim=1)
    assert set(share.tolist()) == {0.0, 1.0} and 10 < int(share.sum()) < 30
    turned = model._features(batch_of(*clouds, seeds=tuple(reversed(range(40))))).view(40, 4, 2)
    assert torch.equal(turned.flip(0), kept)
    assert torch.equal(model.eval()._features(batch), batch.features)


@pytest.mark.parametrize("kind", ["group", "window"])
def test_every_tensor_is_made_on_the_device_of_the_batch(kind):
    """Whoever forgets to name the device gets the default one, here a device that mixes with no other."""
    parts = {} if kind == "group" else {"encoder": WINDOWS, "decoder": WINDOWS}
    config = ModelConfig.model_validate({**SMALL.model_dump(), "feature_drop": 0.5, **parts})
    model = model_of(mask={"empty_radius": 1}, **dict(config))
    encoder = PretrainedEncoder.from_state(*model.encoder_state())
    with torch.device("meta"):
        model(BATCH).loss.backward()
        model.eval()
        baseline = model.finish_baseline(model.baseline_sums(BATCH))
        metrics = model.finish_validation(model.validation_sums(BATCH, baseline))
        picture = model.picture(BATCH)
        features, inside = encoder(BATCH)
    assert metrics["val/loss"] > 0
    kept = [*picture.values(), features, inside, *(p.grad for p in model.parameters())]
    assert {value.device.type for value in kept if isinstance(value, torch.Tensor)} == {"cpu"}


def test_truth_and_losses_stay_float32_under_autocast():
    model = model_of(mask={"empty_radius": 1}).eval()
    baseline = model.finish_baseline(model.baseline_sums(BATCH))
    plain, sums = model.predict(BATCH), model.validation_sums(BATCH, baseline)
    with torch.autocast("cpu", torch.bfloat16):
        cast, output = model.predict(BATCH), model(BATCH)
        cast_sums = model.validation_sums(BATCH, model.finish_baseline(model.baseline_sums(BATCH)))
    for name, truth in plain.truths.items():
        assert all(torch.equal(value, cast.truths[name][key]) for key, value in truth.items())
        assert cast.outputs[name].dtype == torch.float32
        assert output.terms[name].dtype == torch.float32
        assert not torch.equal(cast.outputs[name], plain.outputs[name])  # the products did run in bfloat16
    assert output.loss.dtype == torch.float32
    for key, value in sums.items():
        assert cast_sums[key].dtype == torch.float64
        if "baseline" in key or "count" in key:
            assert torch.equal(cast_sums[key], value)
        elif "loss" in key:
            assert float(cast_sums[key]) == pytest.approx(float(value), rel=0.05)


def test_nothing_hidden_costs_nothing_and_breaks_nothing():
    model = model_of(mask={"ratio": 0.0})
    output = model(BATCH)
    output.loss.backward()
    assert float(output.loss.detach()) == 0 and set(output.terms) == set(model.targets)
    assert not any(p.grad.any() for p in model.parameters() if p.grad is not None)
    metrics = model.eval().finish_validation(
        model.validation_sums(BATCH, model.finish_baseline(model.baseline_sums(BATCH)))
    )
    assert metrics["val/loss"] == 0 and metrics["val/centroid_error_m"] != metrics["val/centroid_error_m"]  # NaN


def test_losses_of_ranks_average_to_the_loss_of_all_frames(monkeypatch):
    """Each rank divides by the mean count of all ranks; the test stands in for the exchange."""
    losses = [Loss(torch.tensor(6.0), 2), Loss(torch.tensor(3.0), 10)]
    alone = [float(geomae.mean_losses([loss])[0]) for loss in losses]
    assert alone == pytest.approx([3.0, 0.3])
    assert float(geomae.mean_losses([Loss(torch.tensor(0.0), 0)])[0]) == 0
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(geomae, "sum_over_ranks", lambda counts: torch.full_like(counts, 12.0))
    shares = [float(geomae.mean_losses([loss])[0]) for loss in losses]
    assert sum(shares) / 2 == pytest.approx((6 + 3) / 12)


def test_a_plugin_target_of_weight_zero_is_left_out():
    extra = [{"target": "geopt.targets:Occupancy", "weight": weight, "options": {"level": 1}} for weight in (0, 2)]
    assert list(model_of({"extra": extra[1:]}).targets) == ["occupancy_1"]
    assert list(model_of({"extra": extra[:1], "density": {"weights": [1]}}).targets) == ["density_0"]
