"""Encoders into models with heads: every key has an account, and depths of parameters."""

import json
import sys
import types

import pytest
import torch
from labelled_clouds import labelled

from geopt.geometry import Pyramid
from geopt.heads.config import DetectionConfig, NeckConfig, SegmentationConfig
from geopt.heads.detector import Detector
from geopt.heads.loading import freeze, load_encoder_into
from geopt.heads.parameter_groups import depth_of, learning_rate_scale, num_depths
from geopt.heads.segmenter import Segmenter
from geopt.models import encoder_io
from geopt.models.config import ModelConfig, TargetsConfig
from geopt.models.geomae import GeoMAE
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-8, -8, -4), (8, 8, 4), (0.5, 0.5, 8.0))
PYRAMID = Pyramid(GRID, ((2, 2, 4),))
FEATURES = ("intensity", "time_lag_s")
FACTS = {"frame": "ego", "intensity_scale": 1 / 255, "intensity_curve": "linear"}
NET = {
    "voxel_encoder": {"channels": [16, 32], "norm": "batch"},
    "encoder": {
        "kind": "window",
        "d_model": 32,
        "num_heads": 2,
        "d_ffn": 32,
        "num_blocks": 2,
        "window": [4, 4],
        "dropout": 0.1,
    },
    "decoder": {"kind": "window", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1, "window": [4, 4]},
}
NECK = NeckConfig(channels=(8,), blocks=(1,), strides=(2,), out_channels=8, num_groups=4)
HEAD = DetectionConfig(groups=(("car",),), channels=8)
BATCH = labelled([[(0, [3.1, -2.2, 0.9, 4.4, 1.9, 1.6, 0.5, 2.0, 1.0])], []])


def net(**encoder):
    return ModelConfig.model_validate({**NET, "encoder": {**NET["encoder"], **encoder}})


def detector(seed=1, pyramid=PYRAMID, features=FEATURES, model=None, facts=FACTS):
    torch.manual_seed(seed)
    return Detector(pyramid, features, model or net(), HEAD, NECK, ("car",), facts)


def pretrained(model=None, seed=7, pyramid=PYRAMID):
    """State and description as a file has them."""
    torch.manual_seed(seed)
    targets = TargetsConfig.model_validate({"occupancy": {"weights": [0, 2]}, "centroid": {"weights": [1]}})
    state, description = GeoMAE(pyramid, FEATURES, model or net(), targets=targets, description=FACTS).encoder_state()
    return state, json.loads(json.dumps(description))


def backbone_of(model):
    return {name: value.clone() for name, value in model.backbone.state_dict().items()}


def test_an_encoder_file_loads_whole_and_the_head_stays(tmp_path):
    state, description = pretrained()
    encoder_io.write(tmp_path / "encoder.safetensors", state, description)
    model = detector()
    head = {name: value.clone() for name, value in model.state_dict().items() if not name.startswith("backbone.")}
    account = load_encoder_into(model, *encoder_io.read(tmp_path))
    assert account.is_complete and set(account.loaded) == set(state) and account.differences == ()
    assert all(torch.equal(value, state[name]) for name, value in model.backbone.state_dict().items())
    assert all(torch.equal(model.state_dict()[name], value) for name, value in head.items())
    again, said = model.encoder_state()
    assert json.loads(json.dumps(said)) == description and all(torch.equal(again[n], state[n]) for n in state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pyramid": Pyramid(VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 8)), ((2, 2, 4),))},
            "grid is .* in the file, .* in the model",
        ),
        ({"pyramid": Pyramid(GRID, ((2, 2, 2),))}, "levels is"),
        ({"features": ("time_lag_s", "intensity")}, r"features is \['intensity', 'time_lag_s'\] in the file"),
        ({"facts": {**FACTS, "frame": "lidar"}}, "frame is ego in the file, lidar in the model"),
        ({"facts": {**FACTS, "intensity_scale": 1.0}}, "intensity_scale is"),
        ({"facts": {**FACTS, "intensity_curve": "tanh"}}, "intensity_curve is linear in the file, tanh in the model"),
    ],
)
def test_another_input_is_refused_unless_told(change, message):
    model = detector(**change)
    before = backbone_of(model)
    with pytest.raises(ValueError, match=f"load_encoder_into: the encoder was trained on another input: {message}"):
        load_encoder_into(model, *pretrained())
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    account = load_encoder_into(model, *pretrained(), allow_mismatch=True)
    assert account.is_complete and len(account.differences) == 1 and account.differences[0] in str(account)


def test_other_sweeps_are_told_and_taken():
    state, description = pretrained()
    account = load_encoder_into(detector(facts={**FACTS, "num_sweeps": 2}), state, {**description, "num_sweeps": 10})
    assert account.is_complete and "differs: num_sweeps is 10 in the file, 2 in the model" in str(account)


def test_every_key_is_in_the_account():
    state, description = pretrained()
    state["encoder.layers.9.extra"] = torch.zeros(3, 2)
    gone = state.pop("encoder.layers.0.norm_1.weight", None)
    name = next(iter(state)) if gone is None else "encoder.layers.0.norm_1.weight"
    if gone is None:
        state.pop(name)
    model = detector()
    before = backbone_of(model)
    account = load_encoder_into(model, state, description)
    assert list(account.missing) == [name] and account.unexpected == {"encoder.layers.9.extra": (3, 2)}
    assert torch.equal(model.backbone.state_dict()[name], before[name]) and not account.is_complete
    text = str(account)
    for key in (*account.loaded, *account.missing, *account.unexpected):
        assert f" {key} " in text
    total = len(before)
    assert text.startswith(
        f"encoder: {total - 1} of {total} tensors loaded, 1 missing, 1 unexpected, 0 of another shape"
    )
    assert "unexpected encoder.layers.9.extra 3x2" in text


def test_other_shapes_are_refused_unless_told_and_then_listed():
    wide = pretrained(net(d_ffn=64))
    model = detector()
    before = backbone_of(model)
    with pytest.raises(
        ValueError, match=r"tensors of the file have another shape than the model's(.|\n)*64x32 in the file, 32x32"
    ):
        load_encoder_into(model, *wide)
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    account = load_encoder_into(model, *wide, allow_mismatch=True)
    assert account.mismatched and all(theirs != ours for theirs, ours in account.mismatched.values())
    for name, value in model.backbone.state_dict().items():
        assert torch.equal(value, before[name] if name in account.mismatched else wide[0][name])


def test_another_network_of_equal_shapes_is_told():
    account = load_encoder_into(detector(), *pretrained(net(num_heads=4, window=[6, 6])))
    assert account.is_complete
    assert account.differences == (
        "model.encoder.num_heads is 4 in the file, 2 in the model",
        "model.encoder.window is [6.0, 6.0] in the file, [4.0, 4.0] in the model",
    )


def test_a_file_that_has_nothing_for_the_model_is_refused():
    with pytest.raises(ValueError, match="no tensor of the file fits the model"):
        load_encoder_into(detector(), {"other.weight": torch.zeros(2)}, {})


def test_a_frozen_backbone_stays_as_it_is_to_the_last_statistic():
    model = detector()
    freeze(model.train())
    before = backbone_of(model)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    for _ in range(2):
        model.train()
        model(BATCH).loss.backward()
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())
    assert all(p.grad is None for p in model.backbone.parameters()) and all(p.grad is not None for p in trained)
    assert model.training and model.head.training and not any(m.training for m in model.backbone.modules())
    plain = detector().train()
    plain(BATCH)
    statistics = [name for name in before if "running_mean" in name]
    assert statistics and not all(torch.equal(plain.backbone.state_dict()[n], before[n]) for n in statistics)


@pytest.mark.parametrize("task", ["detection", "segmentation"])
def test_depths_rise_from_the_points_to_the_head(task):
    model = (
        detector()
        if task == "detection"
        else Segmenter(PYRAMID, FEATURES, net(), SegmentationConfig(neck=NECK), ("x", "y"))
    )
    wanted = {"backbone.voxel_encoder.layers.0": 0, "backbone.voxel_encoder.layers.1": 1}
    wanted |= {f"backbone.encoder.layers.{i}": 2 + i for i in range(4)}
    wanted |= {"backbone.encoder.final_norm": 5, "neck": 6, "head": 6, "raw_head": 6}
    assert num_depths(model) == 7
    seen = set()
    for name, _ in model.named_parameters():
        prefix = max((p for p in wanted if name.startswith(f"{p}.")), key=len)
        assert depth_of(name, model) == wanted[prefix]
        assert learning_rate_scale(name, model, 0.5) == 0.5 ** (6 - wanted[prefix])
        seen.add(prefix)
    assert seen >= set(wanted) - {"raw_head"}
    with pytest.raises(ValueError, match=r"depth_of: name must be that of a parameter of \w+, got 'head.nothing'"):
        depth_of("head.nothing", model)


class Mixer(torch.nn.Module):
    """An encoder of somebody else."""

    def __init__(self, d_model, grid):
        super().__init__()
        self.mix = torch.nn.Linear(d_model, d_model)

    def forward(self, tokens, coords_bxyz):
        return self.mix(tokens)


def test_an_encoder_of_somebody_else_is_one_layer(monkeypatch):
    module = types.ModuleType("somebody")
    module.Mixer = Mixer
    monkeypatch.setitem(sys.modules, "somebody", module)
    model = detector(model=ModelConfig.model_validate({**NET, "encoder": {"kind": "somebody:Mixer", "d_model": 32}}))
    assert num_depths(model) == 4 and depth_of("backbone.encoder.mix.weight", model) == 2
    model(BATCH).loss.backward()
