"""What each shipped preset promises: `release` to the number, the others by how they differ from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import released
import torch
from batches import batch_of, street

from geopt import pretraining
from geopt.data.config import AugmentConfig
from geopt.geometry import GeometryIndex
from geopt.models.geomae import GeoMAE
from geopt.structures import PointBatch
from geopt.targets import make_queries, random_mask
from geopt.train.optimizer import learning_rate


def model_of(preset: str, *overrides: str) -> GeoMAE:
    return pretraining.build_model(pretraining.load(preset, list(overrides)))


def street_batch() -> PointBatch:
    """Two clouds over a few windows, with raw intensities, some of it below and above the grid."""
    clouds = [
        street(0, n=700, extent=2.3),
        torch.zeros(0, 3),
        street(1, n=300, extent=2.3) + torch.tensor([20.0, -9.0, 0.0]),
    ]
    batch = batch_of(*clouds)
    generator = torch.Generator().manual_seed(3)
    features = torch.rand(batch.xyz.shape[0], 2, generator=generator) * torch.tensor([255.0, 0.45])
    xyz = batch.xyz.clone()
    xyz[::50, 2] += 6.0
    return PointBatch(**{**vars(batch), "xyz": xyz, "features": features})


BATCH = street_batch()


def pillars_of(coords_bxyz: torch.Tensor) -> list[released.Pillar]:
    return [(b, y, x) for b, x, y, _ in coords_bxyz.tolist()]


def released_slots(model: GeoMAE, level: int) -> torch.Tensor:
    """For each slot in the order of the official code, ours."""
    of_z, of_y, of_x = reversed(model.pyramid.subdivision(level))
    theirs = {(x, y, z): (z * of_y + y) * of_x + x for z in range(of_z) for y in range(of_y) for x in range(of_x)}
    ours = [theirs[tuple(cell)] for cell in model.pyramid.slot_coords(level).tolist()]
    return torch.tensor(ours).argsort()


def test_release_loses_what_the_official_formulas_lose():
    """The whole step, recomputed from points to the weighted sum with the same weights and the same mask."""
    model = model_of("release").train()
    output = model(BATCH)

    frame = torch.repeat_interleave(torch.arange(3), BATCH.offsets.diff())
    cloud = released.Cloud(BATCH.xyz.numpy(), BATCH.features.double().numpy(), frame.numpy())
    index = GeometryIndex(BATCH, model.pyramid)
    mask = random_mask(index, 0.7, BATCH.seeds)
    visible, hidden = (pillars_of(index.levels[0].coords_bxyz[rows]) for rows in mask)
    assert sorted(visible + hidden) == cloud.pillars
    for b in (0, 2):
        pillars = sum(p[0] == b for p in cloud.pillars)
        assert pillars > 50 and sum(p[0] == b for p in visible) == int(pillars * 0.3)

    state = {name: value.double() for name, value in model.state_dict().items()}

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}

    layers = part("backbone.voxel_encoder.layers.")
    tokens = released.voxel_encoder(
        cloud, [(layers[f"{i}.linear.weight"], layers[f"{i}.norm.weight"], layers[f"{i}.norm.bias"]) for i in range(2)]
    )
    seen = tokens[[cloud.pillars.index(p) for p in visible]]
    seen = released.transformer(part("backbone.encoder."), seen, visible)
    everything = torch.cat([seen, state["mask_token"].expand(len(hidden), -1)])

    def head(branch: str, name: str, level: int, width: int) -> torch.Tensor:
        weights = part(f"heads.{name}.")
        decoded = decoded_by[branch] @ weights["weight"].T + weights["bias"]
        slots = released_slots(model, level)
        return decoded.view(len(hidden), len(slots), width)[:, slots]

    decoded_by = {
        branch: released.transformer(part(f"decoders.{branch}."), everything, visible + hidden)[len(visible) :]
        for branch in ("points", "surface")
    }
    outputs = {"normal": head("surface", "normal_0", 0, 3)[:, 0].flip(1)}  # x, y, z to z, y, x
    for level, name in enumerate(("top", "med", "low")):
        outputs[f"centroid_{name}"] = head("points", f"centroid_{level}", level, 3).flip(2)
    for level, name in ((1, "med"), (2, "low")):
        outputs[f"occupancy_{name}"] = head("points", f"occupancy_{level}", level, 2)

    with torch.no_grad():
        normals = model.targets["normal_0"].truth(index, make_queries(index, mask))["normal"].double().flip(1).numpy()
    for pillar, normal in zip(hidden, normals, strict=True):  # every pillar has one, with or without a plane
        scatter = cloud.scatter(pillar)
        assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-6)
        assert normal @ scatter @ normal <= np.linalg.eigvalsh(scatter)[0] + 1e-6 * np.trace(scatter)

    terms = released.losses(cloud, hidden, outputs, normals)
    expected = float(sum(released.WEIGHTS[name] * value.detach() for name, value in terms.items()))
    assert float(output.loss.detach()) == pytest.approx(expected, rel=1e-4)
    names = {"centroid_0": "centroid_top", "centroid_1": "centroid_med", "centroid_2": "centroid_low"}
    names |= {"occupancy_1": "occupancy_med", "occupancy_2": "occupancy_low", "normal_0": "normal"}
    assert output.terms.keys() == names.keys()
    for ours, theirs in names.items():
        assert float(output.terms[ours]) == pytest.approx(float(terms[theirs].detach()), rel=1e-4), ours


def test_release_has_the_size_of_the_official_model():
    model = model_of("release")

    def count(*modules: torch.nn.Module) -> int:
        return sum(parameter.numel() for module in modules for parameter in module.parameters())

    assert count(model.backbone.voxel_encoder) == 17_472
    assert count(model.backbone.encoder) == 12 * 132_480
    assert count(*model.decoders.values()) == 8 * 132_480
    assert count(*model.heads.values()) == 129 * (384 + 48 + 3 + 256 + 32 + 3)
    assert count(model) == 2_760_854


def test_release_feeds_eleven_channels_in_the_official_order():
    model = model_of("release")
    index = GeometryIndex(BATCH, model.pyramid)
    tokens, seen = index.levels[0], []
    model.backbone.voxel_encoder.layers[0].linear.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    _, rows, _ = model.backbone.voxel_tokens(index, BATCH.features, torch.arange(len(tokens)))
    assert sorted(rows.tolist()) == index.order.sort().values.tolist()

    frame = torch.repeat_interleave(torch.arange(3), BATCH.offsets.diff())[rows]
    cloud = released.Cloud(BATCH.xyz[rows].numpy(), BATCH.features[rows].double().numpy(), frame.numpy())
    expected = released.point_inputs(cloud)
    assert seen[0].shape == expected.shape == (rows.shape[0], 11)
    assert torch.allclose(seen[0].double(), expected, atol=1e-5)


def test_release_keeps_the_official_schedule_and_augmentation():
    config = pretraining.load("release")
    train = config.train
    assert learning_rate(1, train) == pytest.approx(1e-5, rel=0.02)
    assert learning_rate(round(0.1 * train.max_steps), train) == pytest.approx(1e-3)
    assert learning_rate(train.max_steps, train) == pytest.approx(1e-8)
    assert train.max_steps == 72 * (28_130 // 32)
    assert (train.weight_decay, train.betas, train.clip_norm, train.precision) == (0.05, (0.9, 0.999), 10, "fp32")
    augment = AugmentConfig(rotation_rad=0.3925, scale=(0.95, 1.05), flip_x=0.5, flip_y=0.5)
    assert config.data.augment == augment
    assert (config.data.num_sweeps, config.data.sweep_choice) == (10, "random")


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {k: v for key, part in value.items() for k, v in flat(part, f"{prefix}{key}.").items()}
    return {prefix[:-1]: value}


def changes(base: pretraining.PretrainConfig, other: pretraining.PretrainConfig) -> dict[str, Any]:
    """Values of the other where they are not those of the base; parts that the other leaves out are not named."""
    old, new = flat(base.model_dump()), flat(other.model_dump())
    return {key: value for key, value in new.items() if key not in old or old[key] != value}


def test_paper_differs_from_release_as_its_file_says():
    assert changes(pretraining.load("release"), pretraining.load("paper")) == {
        "data.frame": "ego",
        "data.intensity_scale": 1 / 255,
        "grid.lower": (-51.2, -51.2, -3.2),
        "grid.upper": (51.2, 51.2, 4.8),
        "model.encode_hidden": False,
        "targets.neighborhood.min_cells": 6,
        "targets.neighborhood.min_gap": 0.01,
        "targets.normal.loss": "unsigned",
        "targets.curvature.weight": 4.0,
        "targets.curvature.loss": "mse",
    }


def test_geopt_differs_from_the_defaults_as_its_file_says():
    assert changes(pretraining.PretrainConfig(), pretraining.load("geopt")) == {
        "data.sweep_choice": "random",
        "model.feature_drop": 0.1,
        "mask.empty_radius": 1,
        "targets.occupancy.weights": (2.0, 2.0, 5.0),
        "targets.density.weights": (0.0, 0.5),
    }


def test_geopt_differs_from_release_in_the_choices_that_are_its_own():
    found = changes(pretraining.load("release"), pretraining.load("geopt"))
    for part in ("model.encoder", "model.decoder"):
        assert (found.pop(f"{part}.norm"), found.pop(f"{part}.layer_scale")) == ("pre", 0.1)
    assert found == {
        "data.frame": "ego",
        "data.intensity_scale": 1 / 255,
        "grid.lower": (-51.2, -51.2, -3.2),
        "grid.upper": (51.2, 51.2, 4.8),
        "mask.empty_radius": 1,
        "model.decoder.num_blocks": 1,
        "model.encode_hidden": False,
        "model.feature_drop": 0.1,
        "model.init": "small",
        "model.voxel_encoder.norm": "layer",
        "model.voxel_encoder.normalize_xyz": True,
        "targets.occupancy.weights": (2.0, 2.0, 5.0),
        "targets.occupancy.max_positive_weight": 5.0,
        "targets.occupancy.two_logits": False,
        "targets.centroid.origin": "center",
        "targets.centroid.loss": "smooth_l1",
        "targets.neighborhood.level": 1,
        "targets.neighborhood.window": (3, 3, 3),
        "targets.neighborhood.about_own": False,
        "targets.neighborhood.min_cells": 6,
        "targets.neighborhood.min_gap": 0.01,
        "targets.normal.loss": "oriented",
        "targets.curvature.weight": 2.0,
        "targets.curvature.loss": "log",
        "targets.density.weights": (0.0, 0.5),
        "train.max_steps": 20_000,
        "train.min_lr_ratio": 1e-3,
        "train.precision": "auto",
    }


def test_tiny_is_geopt_made_small():
    """No flaw of the release comes in: targets, masking of hidden tokens and optimiser are those of `geopt`."""
    found = changes(pretraining.load("geopt"), pretraining.load("tiny"))
    of_targets = {key: value for key, value in found.items() if key.startswith("targets.")}
    assert of_targets == {"targets.occupancy.weights": (0.0, 2.0, 5.0), "targets.density": None}
    assert found["mask.empty_radius"] == 0
    assert not {"mask.ratio", "model.encode_hidden", "model.encoder.norm", "model.voxel_encoder.norm"} & found.keys()


@pytest.mark.parametrize("preset", ["release", "paper", "geopt", "tiny"])
def test_every_target_of_a_preset_is_trained(preset):
    model = model_of(preset)
    output = model(BATCH)
    assert float(output.loss.detach()) == pytest.approx(
        sum(model.targets[name].weight * float(value) for name, value in output.terms.items()), rel=1e-5
    )
    output.loss.backward()
    for name in model.targets:
        assert float(output.terms[name]) > 0, name
        assert float(model.heads[name].weight.grad.abs().sum()) > 0, name


def test_curvature_is_trained_by_paper_and_not_by_release():
    assert "curvature_0" in model_of("paper").targets
    assert not any(name.startswith("curvature") for name in model_of("release").targets)
