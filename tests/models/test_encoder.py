import lidar_tokens
import pydantic
import pytest
import torch

from geopt.models.decoder import Decoder, DecoderConfig, WindowDecoderConfig, build_decoder
from geopt.models.encoder import Encoder, EncoderConfig, GroupConfig, PluginConfig, WindowConfig, build_encoder
from geopt.structures import VoxelGrid

PILLARS = VoxelGrid((-32, -24, -3), (32, 24, 5), (1, 1, 8))
VOXELS = VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 1))
SMALL = {"d_model": 32, "num_heads": 4, "d_ffn": 64, "num_blocks": 2}
CONFIGS = {
    "window": WindowConfig(**SMALL),
    "window, rope": WindowConfig(**SMALL, position="rope"),
    "window, as released": WindowConfig(**SMALL, norm="post", layer_scale=None),
    "group": GroupConfig(**SMALL, group_size=48),
}


def build(config, grid=PILLARS):
    torch.manual_seed(0)
    encoder = Encoder(config, grid)
    for name, parameter in encoder.named_parameters():
        if "scale" in name:
            torch.nn.init.ones_(parameter)  # branches count in full, so that differences show
    return encoder


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request):
    return request.param


def test_bucketed_layers_equal_reference_layers_with_gradients(config, device):
    coords = lidar_tokens.coords(600, 7, 300).to(device)
    results = []
    for backend in ("bucketed", "reference"):
        encoder = build(config.model_copy(update={"backend": backend})).to(device)
        tokens = lidar_tokens.randn(907, 32).to(device).requires_grad_()
        out = encoder(tokens, coords)
        weight = lidar_tokens.randn(907, 32, seed=1).to(device) / 907
        results.append([out, *torch.autograd.grad((out * weight).sum(), [tokens, *encoder.parameters()])])
    for got, expected in zip(*results):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_eight_clouds_together_equal_eight_alone(config):
    encoder = build(config)
    sizes = (200, 1, 330, 48, 0, 97, 500, 31)
    coords, tokens = lidar_tokens.coords(*sizes), lidar_tokens.randn(sum(sizes), 32)
    together = encoder(tokens, coords)
    for batch in range(8):
        rows = (coords[:, 0] == batch).nonzero()[:, 0]
        own = coords[rows].clone()
        own[:, 0] = 0
        torch.testing.assert_close(together[rows], encoder(tokens[rows], own), rtol=0, atol=1e-5)


def test_order_of_tokens_does_not_matter(config):
    encoder = build(config)
    coords, tokens = lidar_tokens.coords(500, 300), lidar_tokens.randn(800, 32)
    order = torch.randperm(800, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(encoder(tokens[order], coords[order]), encoder(tokens, coords)[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("position", ["sinusoid", "rope"])
def test_windows_do_not_notice_a_move_by_a_whole_window(position):
    encoder = build(WindowConfig(**SMALL, position=position))
    coords, tokens = lidar_tokens.coords(300, shape=(36, 24, 1)), lidar_tokens.randn(300, 32)
    moved = coords + torch.tensor([0, 24, 12, 0])
    torch.testing.assert_close(encoder(tokens, coords), encoder(tokens, moved), rtol=0, atol=1e-5)
    by_one = encoder(tokens, coords + torch.tensor([0, 1, 0, 0]))
    assert (encoder(tokens, coords) - by_one).abs().max() > 1e-2


def test_a_group_that_holds_the_whole_cloud_does_not_notice_any_move():
    encoder = build(GroupConfig(**SMALL, group_size=1000))  # shifted groups begin with 500 tokens: all of them
    coords, tokens = lidar_tokens.coords(300, shape=(36, 24, 1)), lidar_tokens.randn(300, 32)
    moved = coords + torch.tensor([0, 17, 5, 0])
    torch.testing.assert_close(encoder(tokens, coords), encoder(tokens, moved), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["window", "group"])
def test_equal_tokens_are_told_apart_by_place(kind):
    """As hidden tokens are: one vector for all, so only positions in attention can separate them."""
    encoder = build(CONFIGS[kind])
    coords = lidar_tokens.coords(400)
    seen = lidar_tokens.randn(200, 32)
    out = encoder(torch.cat([seen, torch.zeros(200, 32)]), coords)[200:]
    assert torch.pdist(out).min() > 1e-3


@pytest.mark.parametrize("num_tokens", [0, 1])
def test_no_token_or_a_single_one_trains_every_parameter_it_can(config, num_tokens):
    encoder = build(config)
    out = encoder(lidar_tokens.randn(num_tokens, 32), lidar_tokens.coords(num_tokens))
    out.square().sum().backward()
    assert out.shape == (num_tokens, 32) and out.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


def test_every_parameter_gets_gradient(config):
    encoder = build(config)
    out = encoder(lidar_tokens.randn(300, 32), lidar_tokens.coords(300))
    (out * lidar_tokens.randn(300, 32, seed=1)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_gradient_of_a_small_encoder_equals_finite_differences():
    config = GroupConfig(d_model=8, num_heads=2, d_ffn=8, num_blocks=1, group_size=4)
    encoder = build(config).double()
    coords = lidar_tokens.coords(7, 2)
    tokens = lidar_tokens.randn(9, 8, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: encoder(x, coords), tokens)


def test_runs_in_bfloat16_close_to_float32(config, device):
    encoder = build(config).to(device)
    coords, tokens = lidar_tokens.coords(500).to(device), lidar_tokens.randn(500, 32).to(device)
    expected = encoder(tokens, coords)
    with torch.autocast(device.type, torch.bfloat16):
        got = encoder(tokens, coords)
    got.square().mean().backward()
    assert all(p.grad.isfinite().all() for p in encoder.parameters())
    assert (got - expected).norm() / expected.norm() < 0.03


def test_shared_tables_change_nothing(config):
    encoder = build(config)
    coords, tokens = lidar_tokens.coords(300), lidar_tokens.randn(300, 32)
    assert torch.equal(encoder(tokens, coords, encoder.tables(coords)), encoder(tokens, coords))


def test_weights_fit_any_grid():
    encoder = build(CONFIGS["window"])
    other = build(CONFIGS["window"], VoxelGrid((-50, -50, -5), (50, 50, 3), (0.25, 0.25, 8)))
    loaded = other.load_state_dict(encoder.state_dict())
    assert not loaded.missing_keys and not loaded.unexpected_keys
    coords, tokens = lidar_tokens.coords(300), lidar_tokens.randn(300, 32)
    assert torch.equal(other(tokens, coords), encoder(tokens, coords))


def test_voxels_above_each_other_need_a_window_with_height():
    with pytest.raises(ValueError, match=r"Encoder: window must have three .* got \(12, 12\); \(12, 12, 8\) spans"):
        Encoder(WindowConfig(), VOXELS)
    encoder = build(WindowConfig(**SMALL, window=(4, 4, 4)), VOXELS)
    out = encoder(torch.zeros(3, 32), torch.tensor([[0, 5, 5, 2], [0, 5, 5, 3], [0, 5, 6, 2]]))
    assert out.shape == (3, 32)


def test_layers_alternate_between_plain_and_shifted_windows():
    """Two tokens in different plain windows but one shifted window meet in the second layer, not in the first."""
    coords = torch.tensor([[0, 11, 3, 0], [0, 12, 3, 0]])
    tokens = lidar_tokens.randn(2, 32)
    changed = tokens.clone()
    changed[1] += 1
    for num_layers, meet in ((1, False), (2, True)):
        encoder = build(WindowConfig(**SMALL))
        encoder.layers = encoder.layers[:num_layers]
        assert torch.equal(encoder(tokens, coords)[0], encoder(changed, coords)[0]) is not meet


def test_dropout_and_drop_path_act_in_training_only():
    coords, tokens = lidar_tokens.coords(200), lidar_tokens.randn(200, 32)
    plain = build(WindowConfig(**SMALL))(tokens, coords)
    for option in ("dropout", "drop_path"):
        encoder = build(WindowConfig(**SMALL, **{option: 0.5}))
        assert not torch.equal(encoder(tokens, coords), plain)
        assert torch.equal(encoder.eval()(tokens, coords), plain)
    rates = [layer.drop_path for layer in build(WindowConfig(**SMALL, drop_path=0.3)).layers]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])


def test_drop_path_keeps_the_expected_branch():
    layer = build(WindowConfig(**SMALL, drop_path=0.25)).layers[3]
    branch = layer._add(torch.zeros(20000, 32), torch.ones(20000, 32), None)
    assert branch.unique().tolist() == pytest.approx([0, 4 / 3])
    assert branch.mean().item() == pytest.approx(1, abs=0.02)
    assert (branch == branch[:, :1]).all()  # a token skips the whole branch


def test_matrices_are_drawn_xavier_uniform():
    encoder = Encoder(WindowConfig(num_blocks=1), PILLARS)
    for name, parameter in encoder.named_parameters():
        if parameter.dim() > 1:
            bound = (6 / sum(parameter.shape)) ** 0.5
            assert 0.95 * bound < parameter.abs().max() <= bound, name


def test_post_norm_has_the_parameters_of_the_released_layer():
    encoder = Encoder(WindowConfig(norm="post", layer_scale=None, num_blocks=6), PILLARS)
    assert sum(p.numel() for p in encoder.layers[0].parameters()) == 132_480
    assert sum(p.numel() for p in encoder.parameters()) == 12 * 132_480


def test_decoder_is_one_block_by_default_and_shares_tables():
    decoder = build_decoder(WindowDecoderConfig(), PILLARS)
    assert isinstance(decoder, Decoder) and len(decoder.layers) == 2
    coords = lidar_tokens.coords(40)
    tables = build_decoder(WindowDecoderConfig(), PILLARS).tables(coords)
    assert decoder(lidar_tokens.randn(40, 128), coords, tables).shape == (40, 128)


class Doubling(torch.nn.Module):
    def __init__(self, d_model, grid, factor=2.0):
        super().__init__()
        self.d_model, self.factor = d_model, factor

    def forward(self, tokens, coords_bxyz):
        return tokens * self.factor


@pytest.mark.parametrize("build_kind", [build_encoder, build_decoder])
def test_own_class_by_name(build_kind):
    config = PluginConfig(kind=f"{__name__}:Doubling", d_model=7, options={"factor": 3.0})
    encoder = build_kind(config, PILLARS)
    assert encoder.d_model == 7
    assert torch.equal(encoder(torch.ones(2, 7), lidar_tokens.coords(2)), torch.full((2, 7), 3.0))


def test_kind_decides_which_keys_are_known():
    schema = pydantic.TypeAdapter(EncoderConfig)
    assert isinstance(schema.validate_python({"window": [8, 8, 2]}), WindowConfig)
    assert isinstance(schema.validate_python({"kind": "group", "group_size": 32}), GroupConfig)
    assert isinstance(schema.validate_python({"kind": "mine.encoders:Mine"}), PluginConfig)
    assert schema.validate_python(schema.dump_python(WindowConfig(window=(8, 8)))) == WindowConfig(window=(8, 8))
    assert pydantic.TypeAdapter(DecoderConfig).validate_python({"kind": "group"}).num_blocks == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "windw"}, "expected tags: 'window', 'group', 'module:Class'"),
        ({"kind": "group", "window": [8, 8]}, "group.window\n  Extra inputs are not permitted"),
        ({"window": [8, 0]}, "greater than 0"),
        ({"d_model": 100}, "num_heads must divide d_model 100, got 8"),
        ({"kind": "mine:encoders:Mine"}, "must be named as 'package.module:Class', got 'mine:encoders:Mine'"),
        ({"drop_path": 1.0}, "less than 1"),
    ],
)
def test_config_errors_say_what_is_wrong(values, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        pydantic.TypeAdapter(EncoderConfig).validate_python(values)


def test_refuses_tokens_that_do_not_match_the_coordinates():
    message = r"Decoder: tokens must have shape \(5, 32\) .* got \(5, 16\)"
    with pytest.raises(ValueError, match=message):
        Decoder(WindowConfig(**SMALL), PILLARS)(torch.zeros(5, 16), lidar_tokens.coords(5))


def test_head_must_hold_a_rotation_per_axis():
    with pytest.raises(ValueError, match="even and at least 6 for 3 axes, got 4"):
        Encoder(GroupConfig(d_model=32, num_heads=8), VOXELS)
