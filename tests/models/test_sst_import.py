"""Weights in the layout of the official code, against that model written here with plain padded attention."""

from __future__ import annotations

import dataclasses
import logging

import pytest
import torch
import torch.nn.functional as F
from batches import batch_of, street
from torch import Tensor, nn

import geopt
from geopt import pretraining
from geopt.geometry import GeometryIndex, Pyramid
from geopt.models import encoder_io, sst_import
from geopt.models.config import ModelConfig
from geopt.models.geomae import GeoMAE, TokenEncoder
from geopt.structures import PointBatch, VoxelGrid

RELEASE = VoxelGrid((-51.2, -51.2, -5.0), (51.2, 51.2, 3.0), (0.256, 0.256, 8.0))
BINARY = VoxelGrid(
    (-50.0, -50.0, -5.0), (50.0, 50.0, 3.0), (0.25, 0.25, 8.0)
)  # of a released detector; exact in float32
WINDOW = 12


# The official model, from its description; its modules give the names of its checkpoints.


class VoxelLayer(nn.Module):
    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(num_outputs, eps=1e-3, momentum=0.01)
        self.linear = nn.Linear(num_inputs, num_outputs, bias=False)

    def forward(self, points: Tensor) -> Tensor:
        return F.relu(self.norm(self.linear(points)))


class DynamicVoxelEncoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vfe_layers = nn.ModuleList([VoxelLayer(11, 64), VoxelLayer(128, 128)])

    def forward(self, xyz: Tensor, features: Tensor, owner: Tensor, bzyx: Tensor, grid: VoxelGrid) -> Tensor:
        count = torch.bincount(owner, minlength=len(bzyx))[:, None]
        mean = torch.zeros(len(bzyx), 3, dtype=xyz.dtype).index_add(0, owner, xyz) / count
        size, lower = (torch.tensor(v, dtype=xyz.dtype) for v in (grid.size, grid.lower))
        center = bzyx[:, [3, 2, 1]] * size + (size / 2 + lower)
        points = torch.cat([xyz, features, xyz - mean[owner], xyz - center[owner]], dim=1)
        for i, layer in enumerate(self.vfe_layers):
            points = layer(points)
            pooled = torch.zeros(len(bzyx), points.shape[1], dtype=xyz.dtype)
            pooled.scatter_reduce_(0, owner[:, None].expand_as(points), points, "amax")  # after the ReLU: at least 0
            if i == 0:
                points = torch.cat([points, pooled[owner]], dim=1)
        return pooled


class WindowAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(128, 8)

    def forward(self, tokens: Tensor, bzyx: Tensor, shifted: bool) -> Tensor:
        moved = bzyx[:, [3, 2]] + (WINDOW - WINDOW // 2 if shifted else 0)  # x, y
        window, within = moved // WINDOW, moved % WINDOW
        _, window = torch.unique(bzyx[:, 0] * 35 * 35 + window[:, 0] * 35 + window[:, 1], return_inverse=True)
        tokens_of = [torch.nonzero(window == w)[:, 0] for w in range(int(window.max()) + 1)]
        padded = nn.utils.rnn.pad_sequence([tokens[rows] for rows in tokens_of])  # (longest, windows, 128)
        position = nn.utils.rnn.pad_sequence([sines(within[rows]).to(tokens.dtype) for rows in tokens_of])
        padding = nn.utils.rnn.pad_sequence([torch.zeros(len(rows)) for rows in tokens_of], True, 1.0).bool()
        query = padded + position
        out, _ = self.self_attn(query, query, value=padded, key_padding_mask=padding)
        result = torch.empty_like(tokens)
        for column, rows in enumerate(tokens_of):
            result[rows] = out[: len(rows), column]
        return result


def sines(within: Tensor) -> Tensor:
    """(n, 128) float32 of (n, 2) x, y in the window."""
    exponent = 2 * (torch.arange(64).double() // 2) / 64
    angle = (within.double() - WINDOW / 2)[:, :, None] / 10000**exponent  # (n, 2, 64)
    is_sine = torch.arange(64) % 2 == 0
    return torch.where(is_sine, angle.sin(), angle.cos()).flatten(1).float()


class EncoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.win_attn = WindowAttention()
        self.linear1, self.linear2 = nn.Linear(128, 256), nn.Linear(256, 128)
        self.norm1, self.norm2 = nn.LayerNorm(128), nn.LayerNorm(128)

    def forward(self, tokens: Tensor, bzyx: Tensor, shifted: bool) -> Tensor:
        tokens = self.norm1(tokens + self.win_attn(tokens, bzyx, shifted))
        return self.norm2(tokens + self.linear2(F.gelu(self.linear1(tokens))))


class ShiftBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder_list = nn.ModuleList([EncoderLayer(), EncoderLayer()])

    def forward(self, tokens: Tensor, bzyx: Tensor) -> Tensor:
        for i, layer in enumerate(self.encoder_list):
            tokens = layer(tokens, bzyx, shifted=i == 1)
        return tokens


class Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder_blocks = nn.ModuleList(ShiftBlock() for _ in range(6))
        self.decoder_centroid_blocks = nn.ModuleList(ShiftBlock() for _ in range(2))
        self.decoder_density_blocks = nn.ModuleList(ShiftBlock() for _ in range(2))
        self.mask_token = nn.Parameter(torch.zeros(1, 128))
        self.decoder_pred_low, self.cls_pred_low = nn.Linear(128, 384), nn.Linear(128, 256)


class Official(nn.Module):
    """Pre-training model of the official code; the decoders are there for their names."""

    def __init__(self) -> None:
        super().__init__()
        self.voxel_encoder, self.backbone = DynamicVoxelEncoder(), Backbone()

    def forward(self, xyz: Tensor, features: Tensor, owner: Tensor, bzyx: Tensor, grid: VoxelGrid) -> Tensor:
        tokens = self.voxel_encoder(xyz, features, owner, bzyx, grid)
        for block in self.backbone.encoder_blocks:
            tokens = block(tokens, bzyx)
        return tokens


@pytest.fixture(scope="module")
def official() -> Official:
    """With random weights everywhere, statistics and biases too; attention is choosy, so that tokens stay different."""
    torch.manual_seed(0)
    model = Official().eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith("running_mean"):
                value.normal_(0, 0.2)
            elif name.endswith("running_var"):
                value.uniform_(0.02, 0.1)
            elif name.endswith("in_proj_weight"):
                value[:256] *= 3
            elif value.is_floating_point() and value.dim() == 1:
                value.add_(0.2 * torch.randn_like(value))
        model.voxel_encoder.vfe_layers[0].norm.running_var *= 5000  # raw intensities
    return model


@pytest.fixture(scope="module")
def batch() -> PointBatch:
    """Two clouds with full windows, lone pillars on every border of the grids, and an empty cloud between them."""
    border = torch.cartesian_prod(torch.tensor([-49.99, 0.01, 49.99]), torch.tensor([-49.99, 0.01, 49.99]))
    border = torch.cat([border, torch.zeros(9, 1)], dim=1)
    clouds = batch_of(
        torch.cat([street(0, n=900, extent=2.3), border]),
        torch.zeros(0, 3),
        street(1, n=300, extent=5.0) + torch.tensor([20.0, -9.0, 0.0]),
    )
    clouds.xyz[:, 2] -= 1.0
    generator = torch.Generator().manual_seed(3)
    features = torch.rand(clouds.xyz.shape[0], 2, generator=generator) * torch.tensor([255.0, 0.45])
    return dataclasses.replace(clouds, features=features)


def pillars_of(batch: PointBatch, grid: VoxelGrid) -> tuple[Tensor, Tensor]:
    """(N,) pillar of each point and (P, 4) b, z, y, x of each pillar; all points lie in the grid."""
    cloud = torch.repeat_interleave(torch.arange(len(batch.offsets) - 1), batch.offsets.diff())
    cell = ((batch.xyz - torch.tensor(grid.lower)) / torch.tensor(grid.size)).floor().long()
    bzyx, owner = torch.unique(torch.cat([cloud[:, None], cell.flip(1)], dim=1), dim=0, return_inverse=True)
    return owner, bzyx


def ours_with(state: dict[str, Tensor], grid: VoxelGrid, dtype: torch.dtype) -> TokenEncoder:
    preset = pretraining.load("release")
    model = TokenEncoder(Pyramid(grid, preset.levels), 2, preset.model).to(dtype).eval()
    model.load_state_dict(state)
    return model


# The forward pass.


@torch.no_grad()
def test_a_file_of_the_official_code_gives_the_features_of_the_official_model(official, batch, tmp_path):
    """From a file on the disk through the public interface, in float32 on the released grid."""
    path = tmp_path / "epoch_72.pth"
    torch.save({"meta": {"epoch": 72}, "state_dict": official.state_dict(), "optimizer": {"state": {}}}, path)
    owner, bzyx = pillars_of(batch, RELEASE)
    expected = official(batch.xyz, batch.features, owner, bzyx, RELEASE)
    encoder = geopt.load_encoder(path)
    assert (encoder.features, encoder.description["frame"]) == (("intensity", "time_lag_s"), "lidar")
    features, inside = encoder(batch)
    assert inside.all() and features.shape[1] == 256
    assert float(expected.std()) > 0.3 and float(expected.std(dim=0).min()) > 0.01  # it depends on the tokens
    torch.testing.assert_close(features[:, :128], expected[owner], rtol=0, atol=1e-5)
    points = torch.cat([batch.xyz, batch.features], dim=1)[: batch.offsets[1]]  # intensities go in as they are
    torch.testing.assert_close(encoder(points).features, features[: batch.offsets[1]], rtol=0, atol=1e-5)


@torch.no_grad()
def test_in_float64_they_agree_to_ten_digits(official, batch):
    owner, bzyx = pillars_of(batch, BINARY)
    theirs = {name: value.double() for name, value in official.state_dict().items()}
    twin = Official().double().eval()
    twin.load_state_dict(theirs)
    state, _ = sst_import.from_sst(theirs)
    ours = ours_with(state, BINARY, torch.float64)
    xyz, features = batch.xyz.double(), batch.features.double()
    coords = bzyx[:, [0, 3, 2, 1]].int()
    means = torch.stack([xyz[owner == pillar].mean(dim=0) for pillar in range(len(bzyx))])
    tokens = ours.voxel_encoder(xyz, features, owner, coords, means)
    torch.testing.assert_close(tokens, twin.voxel_encoder(xyz, features, owner, bzyx, BINARY), rtol=0, atol=1e-11)
    assert float(tokens.std()) > 0.1
    encoded = ours.encoder(tokens, coords)
    torch.testing.assert_close(encoded, twin(xyz, features, owner, bzyx, BINARY), rtol=0, atol=1e-10)


def test_the_batch_is_hard_enough(batch):
    """Windows that are nearly full, and pillars at both ends of the grid, where shifted windows are cut off."""
    owner, bzyx = pillars_of(batch, RELEASE)
    for shift in (0, 6):
        window = torch.unique(
            torch.cat([bzyx[:, :1], (bzyx[:, 2:] + shift) // WINDOW], dim=1), dim=0, return_counts=True
        )
        assert window[1].max() > 90 and window[1].min() == 1 and len(window[1]) > 20
    assert bzyx[:, 2:].min() < 6 and bzyx[:, 2:].max() > 393 and torch.bincount(owner).min() == 1


@torch.no_grad()
def test_the_comparison_would_notice_small_mistakes(official, batch, monkeypatch):
    owner, bzyx = pillars_of(batch, RELEASE)
    right = official(batch.xyz, batch.features, owner, bzyx, RELEASE)

    def distance() -> float:
        return float((official(batch.xyz, batch.features, owner, bzyx, RELEASE) - right).abs().max())

    with monkeypatch.context() as patched:
        patched.setattr(f"{__name__}.sines", lambda within: sines_of(within.flip(1)))
        assert distance() > 0.1  # y before x
        patched.setattr(f"{__name__}.sines", lambda within: sines_of(within + 1))
        assert distance() > 0.1  # another middle of the window
    with monkeypatch.context() as patched:
        patched.setattr(f"{__name__}.WINDOW", 11)
        assert distance() > 0.1
    with monkeypatch.context() as patched:
        patched.setattr(official.voxel_encoder.vfe_layers[1].norm, "eps", 1e-5)
        assert distance() > 0.01
    assert distance() == 0


sines_of = sines


@torch.no_grad()
def test_geopts_own_release_model_matches_after_the_way_back(official, batch):
    """to_sst names ours as theirs, so our weights run in the official model."""
    ours = ours_with(pretraining_state(), RELEASE, torch.float32)
    theirs = sst_import.to_sst(ours.state_dict())
    twin = Official().eval()
    account = twin.load_state_dict(theirs, strict=False)
    assert not account.unexpected_keys
    assert {key.split(".")[1].split("_")[0] for key in account.missing_keys} == {"decoder", "mask", "cls"}
    back, _ = sst_import.from_sst(theirs)
    assert back.keys() == ours.state_dict().keys()
    assert all(torch.equal(value, back[name]) for name, value in ours.state_dict().items())
    owner, bzyx = pillars_of(batch, RELEASE)
    index = GeometryIndex(batch, Pyramid(RELEASE, ((2, 2, 4), (2, 2, 2))))
    level = index.levels[0]
    tokens = ours.voxel_tokens(index, batch.features, torch.arange(len(level)))[0]
    got = ours.encoder(tokens, level.coords_bxyz)[index.point_to_token]
    expected = twin(batch.xyz, batch.features, owner, bzyx, RELEASE)[owner]
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def pretraining_state() -> dict[str, Tensor]:
    model = pretraining.build_model(pretraining.load("release"))
    assert isinstance(model, GeoMAE)
    return model.backbone.state_dict()


# The account.


def test_every_key_is_accounted_for(official):
    theirs = official.state_dict()
    state, account = sst_import.from_sst(theirs)
    assert sorted([*account.used, *account.ignored]) == sorted(theirs)
    assert set(account.used.values()) == set(state) == set(pretraining_state()) and not account.filled
    for key, name in account.used.items():
        assert state[name] is theirs[key]
    assert account.used["backbone.encoder_blocks.2.encoder_list.1.win_attn.self_attn.in_proj_weight"] == (
        "encoder.layers.5.attention.in_proj_weight"
    )
    assert set(account.ignored.values()) == {"decoder of pre-training and its predictions"}
    assert len(account.lines()) == len(theirs)
    assert str(account) == "156 keys used, 101 ignored (decoder of pre-training and its predictions)"


def test_other_wrappings_of_the_same_weights_are_read(official):
    theirs = official.state_dict()
    plain, _ = sst_import.from_sst(theirs)
    parallel = {f"module.{name}": value for name, value in theirs.items()}
    of_sst = {name.replace("encoder_blocks", "block_list"): value for name, value in theirs.items()}
    detector = theirs | {"neck.deblocks.0.0.weight": torch.zeros(1), "bbox_head.conv_cls.bias": torch.zeros(2)}
    detector |= {"backbone.conv_blocks.0.0.weight": torch.zeros(1), "step": torch.zeros(1)}
    old = {name: value for name, value in theirs.items() if "num_batches" not in name}
    for other in ({"state_dict": theirs}, {"state_dict": parallel}, of_sst, detector, old):
        state, account = sst_import.from_sst(other)
        assert all(torch.equal(state[name], value) for name, value in plain.items())
    assert account.filled == tuple(f"voxel_encoder.vfe_layers.{i}.norm.num_batches_tracked" for i in (0, 1))
    ignored = sst_import.from_sst(detector)[1].ignored
    assert ignored["neck.deblocks.0.0.weight"] == "neck of a detector"
    assert ignored["step"] == "neither voxel encoder nor backbone"


def test_what_does_not_fit_is_refused_by_name(official):
    theirs = official.state_dict()
    key = "backbone.encoder_blocks.5.encoder_list.0.linear1.weight"
    with pytest.raises(ValueError, match=rf"1 of the keys .* do not fit the model\n  {key} is missing$"):
        sst_import.from_sst({name: value for name, value in theirs.items() if name != key})
    with pytest.raises(ValueError, match=rf"{key} must have shape \(256, 128\), got \(512, 128\)"):
        sst_import.from_sst(theirs | {key: torch.zeros(512, 128)})
    with pytest.raises(ValueError, match=r"layers\.0\.linear\.weight must have shape \(64, 10\), got \(64, 11\)"):
        sst_import.from_sst(theirs, num_features=1)
    for strange in ("backbone.encoder_blocks.6.encoder_list.0.norm1.bias", "backbone.linear0.weight"):
        with pytest.raises(ValueError, match=rf"{strange} has no place in the encoder of this model"):
            sst_import.from_sst(theirs | {strange: torch.zeros(128)})
    tau = "backbone.encoder_blocks.0.encoder_list.0.win_attn.self_attn.tau"  # cosine attention of SST version 2
    with pytest.raises(ValueError, match="tau has no place"):
        sst_import.from_sst(theirs | {tau: torch.zeros(1)})
    with pytest.raises(ValueError, match="none of the 1 keys is of SST's voxel encoder or backbone"):
        sst_import.from_sst({"layer.weight": torch.zeros(1)})
    with pytest.raises(TypeError, match="must hold tensors, got int under 'epoch'"):
        sst_import.from_sst({"epoch": 3})


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("encoder", "norm", "pre"),
        ("encoder", "layer_scale", 0.1),
        ("encoder", "position", "rope"),
        ("voxel_encoder", "norm", "layer"),
        ("voxel_encoder", "normalize_xyz", True),
    ],
)
def test_a_model_that_would_compute_something_else_is_refused(official, part, key, value):
    model = sst_import.release().model.model_dump()
    model[part][key] = value
    with pytest.raises(ValueError, match=rf"model\.{part}\.{key} must be .*, got {value!r}"):
        sst_import.from_sst(official.state_dict(), ModelConfig.model_validate(model))
    with pytest.raises(ValueError, match=r"model\.encoder\.kind must be 'window', got 'group'"):
        sst_import.to_sst({}, ModelConfig.model_validate({"encoder": {"kind": "group"}}))


def test_another_depth_and_width_can_be_given(official):
    theirs = {k: v for k, v in official.state_dict().items() if not k.startswith("backbone.encoder_blocks.5")}
    model = sst_import.release().model
    shallow = model.model_copy(update={"encoder": model.encoder.model_copy(update={"num_blocks": 5})})
    state, _ = sst_import.from_sst(theirs, shallow)
    assert max(int(name.split(".")[2]) for name in state if name.startswith("encoder.")) == 9


# Files.


def test_finetuning_reads_such_a_file_like_its_own(official, tmp_path, caplog):
    path = tmp_path / "latest.pth"
    torch.save({"state_dict": official.state_dict()}, path)
    with caplog.at_level(logging.INFO):
        state, description = encoder_io.read(path)
    assert f"{path}: 156 keys used, 101 ignored" in caplog.text
    _, own = pretraining.build_model(pretraining.load("release")).encoder_state()
    assert description == own and state.keys() == pretraining_state().keys()


def test_reading_leaves_the_random_numbers_of_a_run_alone(official):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    sst_import.from_sst(official.state_dict())
    assert torch.equal(torch.rand(3), expected)


class Custom:
    """Something that only its own code can unpickle."""


def test_files_that_cannot_be_read_are_refused(official, tmp_path):
    path = tmp_path / "x.pth"
    with pytest.raises(FileNotFoundError, match=r"x\.pth does not exist"):
        encoder_io.read(path)
    torch.save({"state_dict": official.state_dict()}, path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"x\.pth is damaged, or holds more"):
        encoder_io.read(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"x\.pth is damaged, or holds more"):
        encoder_io.read(path)
    torch.save({"state_dict": official.state_dict(), "meta": Custom()}, path)
    with pytest.raises(ValueError, match=r"holds more than tensors .*run torch\.save"):
        encoder_io.read(path)
    torch.save([1, 2], path)
    with pytest.raises(ValueError, match="must hold a state dict, got list"):
        encoder_io.read(path)
    torch.save({"state_dict": {"a": torch.zeros(1)}}, path)
    with pytest.raises(ValueError, match=r"load_sst: .*x\.pth: from_sst: none of the 1 keys"):
        encoder_io.read(path)
