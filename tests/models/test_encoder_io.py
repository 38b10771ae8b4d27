"""From a run folder to features of points."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch
from batches import batch_of, street

import geopt
from geopt.geometry import Pyramid
from geopt.models import encoder_io
from geopt.models.config import ModelConfig
from geopt.models.geomae import GeoMAE
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-8, -8, -4), (8, 8, 4), (1.0, 1.0, 8.0))
SMALL = ModelConfig.model_validate(
    {
        "voxel_encoder": {"channels": [16, 32]},
        "encoder": {"kind": "group", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1},
        "decoder": {"kind": "group", "d_model": 32, "num_heads": 2, "d_ffn": 32, "num_blocks": 1},
    }
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    description = {"frame": "ego", "intensity_scale": 0.5}
    model = GeoMAE(Pyramid(GRID, ((2, 2, 4), (2, 2, 2))), ("time_lag_s", "intensity"), SMALL, description=description)
    folder = tmp_path_factory.mktemp("run")
    encoder_io.write(folder / "encoder.safetensors", *model.encoder_state())
    return folder


def points(count: int = 600) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.cat([street(0)[:count], torch.rand(count, 2, generator=generator)], dim=1)


def test_five_lines_give_a_feature_to_every_point(run):
    encoder = geopt.load_encoder(run)
    features, inside = encoder(points().numpy())
    assert features.shape[0] == inside.shape[0] == 600 and features.dtype == torch.float32
    assert features[inside].abs().sum(1).min() > 0 and not features.requires_grad


def test_points_outside_the_grid_get_zeros_and_leave_the_others_alone(run):
    encoder, inner = geopt.load_encoder(run / "encoder.safetensors"), points()
    inner = inner[(inner[:, :3].abs() < 3.9).all(1)]
    far = torch.tensor([[100.0, 0, 0, 0, 0], [8.0, 0, 0, 0, 0], [torch.nan, 0, 0, 0, 0]])
    features, inside = encoder(torch.cat([far, inner]))
    assert inside.tolist() == [False] * 3 + [True] * len(inner)
    assert features[:3].count_nonzero() == 0
    torch.testing.assert_close(features[3:], encoder(inner).features, rtol=1e-5, atol=1e-6)


def test_raw_intensity_is_scaled_as_in_training(run):
    encoder, raw = geopt.load_encoder(run), points()
    scaled = raw[:, 3:] * torch.tensor([1.0, 0.5])
    batch = dataclasses.replace(batch_of(raw[:, :3]), features=scaled)
    assert torch.equal(encoder(raw).features, encoder(batch).features)
    unscaled = dataclasses.replace(batch, features=raw[:, 3:])
    assert not torch.equal(encoder(raw).features, encoder(unscaled).features)


def test_raw_intensity_follows_the_curve_of_training(run, tmp_path):
    state, description = encoder_io.read(run)
    encoder_io.write(tmp_path / "encoder.safetensors", state, {**description, "intensity_curve": "tanh"})
    raw = points()
    curved = torch.stack([raw[:, 3], torch.tanh(0.5 * raw[:, 4])], dim=1)
    batch = dataclasses.replace(batch_of(raw[:, :3]), features=curved)
    assert torch.equal(geopt.load_encoder(tmp_path)(raw).features, geopt.load_encoder(run)(batch).features)


def test_float64_points_and_no_points_are_fine(run):
    encoder = geopt.load_encoder(run)
    assert torch.equal(encoder(points().double().numpy()).features, encoder(points()).features)
    assert encoder(np.zeros((0, 5), np.float32)).features.shape[0] == 0


def test_wrong_columns_are_named(run):
    with pytest.raises(ValueError, match=r"shape \(N, 5\) with columns x, y, z, time_lag_s, intensity, got \(600, 3\)"):
        geopt.load_encoder(run)(points()[:, :3])


def test_the_file_says_what_its_input_is(run):
    with safetensors.safe_open(run / "encoder.safetensors", framework="pt") as file:
        description = json.loads(file.metadata()["geopt"])
        assert {name.split(".")[0] for name in file.keys()} == {"voxel_encoder", "encoder"}
    assert description["grid"] == {"lower": [-8, -8, -4], "upper": [8, 8, 4], "size": [1, 1, 8]}
    assert (description["levels"], description["features"]) == ([[2, 2, 4], [2, 2, 2]], ["time_lag_s", "intensity"])
    assert description["frame"] == "ego"


def test_files_that_are_no_encoder_are_refused(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"encoder\.safetensors does not exist; give the folder of a run"):
        geopt.load_encoder(tmp_path)
    path = tmp_path / "x.safetensors"
    path.write_bytes((run / "encoder.safetensors").read_bytes()[:500])
    with pytest.raises(ValueError, match=r"x\.safetensors is damaged"):
        geopt.load_encoder(path)
    safetensors.torch.save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="no metadata 'geopt'"):
        geopt.load_encoder(path)
    state, description = encoder_io.read(run)
    state.popitem()
    encoder_io.write(path, state, description)
    with pytest.raises(ValueError, match="does not fit its own description"):
        geopt.load_encoder(path)
