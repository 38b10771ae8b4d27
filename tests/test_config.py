"""Layers of YAML and overrides, and what a user reads when one is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, PositiveInt

from geopt import config, resources
from geopt.config import ConfigError
from geopt.schema import Frozen


class Window(Frozen):
    kind: Literal["window"] = "window"
    depth: int = 3
    window: tuple[int, int] = (12, 12)


class Group(Frozen):
    kind: Literal["group"] = "group"
    size: int = 64


class Mask(Frozen):
    ratio: float = 0.7


class Root(Frozen):
    seed: int = 0
    mask: Mask = Mask()
    encoder: Annotated[Window | Group, Field(discriminator="kind")] = Window()
    deterministic: bool | Literal["auto"] = "auto"
    scenes: str
    targets: dict[str, Mask] = {}
    stages: list[Mask] = []
    sizes: tuple[PositiveInt, ...] = Field((1,), min_length=1)


def write(folder: Path, text: str, name: str = "run.yaml") -> str:
    path = folder / name
    path.write_text("scenes: a\n" + text)
    return str(path)


def problems(path: str, *overrides: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config.load(Root, path, overrides)
    return caught.value.problems


def test_later_layers_win_and_defaults_fill_the_rest(tmp_path):
    write(tmp_path, "seed: 1\nmask: {ratio: 0.5}\n", "low.yaml")
    path = write(tmp_path, "base: low.yaml\nseed: 2\n")
    loaded = config.load(Root, path, ["encoder.depth=5"])
    assert (loaded.seed, loaded.mask.ratio, loaded.encoder) == (2, 0.5, Window(depth=5))


def test_a_typo_names_file_key_and_nearest_key(tmp_path):
    path = write(tmp_path, "mask: {ration: 0.4}\n")
    assert problems(path) == (f"{path}: unknown key 'mask.ration'; did you mean 'mask.ratio'?",)


def test_all_problems_of_all_layers_are_told_at_once(tmp_path):
    path = write(tmp_path, "mask: {ration: 0.4}\nencoder: {depht: 2}\n")
    assert problems(path, "seed=x", "nonsense") == (
        "command line: expected key=value such as train.max_steps=100, got 'nonsense'",
        "command line: 'seed': expected a valid integer, got 'x'",
        f"{path}: unknown key 'mask.ration'; did you mean 'mask.ratio'?",
        f"{path}: unknown key 'encoder.depht'; did you mean 'encoder.depth'?",
    )


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("ratio=0.3", "unknown key 'ratio'; did you mean 'mask.ratio'?"),
        ("mask=3", "'mask': expected a mapping of keys to values, got 3"),
        ("encoder.kind=grop", "'encoder.kind': expected one of 'window', 'group', got 'grop'"),
        ("encoder.window=3", "'encoder.window': expected a list, got 3"),
        ("encoder.window=[1,x]", "'encoder.window.1': expected a valid integer, got 'x'"),
        ("deterministic=perhaps", "'deterministic': expected a valid boolean or 'auto', got 'perhaps'"),
        ("targets.a.ratoi=1", "unknown key 'targets.a.ratoi'; did you mean 'targets.a.ratio'?"),
        ("stages=[{ratoi: 1}]", "unknown key 'stages.0.ratoi'; did you mean 'stages.0.ratio'?"),
        ("sizes=[]", "'sizes': expected at least 1 entries, got []"),
        ("sizes=[0]", "'sizes.0': expected greater than 0, got 0"),
        ("seed=[1", "'seed': the value is no valid YAML: [1"),
        ("mask.ratio=${masks.ratio}", "'mask.ratio': Interpolation key 'masks.ratio' not found"),
        ("mask.ratio=nan", "'mask.ratio': expected a finite number, got 'nan'"),
    ],
)
def test_wrong_overrides(tmp_path, override, told):
    assert problems(write(tmp_path, ""), override) == (f"command line: {told}",)


def test_another_kind_drops_the_keys_of_the_one_before(tmp_path):
    path = write(tmp_path, "encoder: {depth: 9}\n")
    assert config.load(Root, path, ["encoder.kind=group", "encoder.size=32"]).encoder == Group(size=32)
    assert problems(path, "encoder.kind=group", "encoder.depth=9") == (
        "command line: unknown key 'encoder.depth'; 'encoder' of kind 'group' has kind, size",
    )


def test_text_stays_as_it_was_typed(tmp_path):
    path = write(tmp_path, "")
    for text in ("00", "1:30", "[30:]", "scene-0523[:30]", "null", "a=b"):
        assert config.load(Root, path, [f"scenes={text}"]).scenes == text


def test_interpolation_sees_the_last_layer(tmp_path):
    path = write(tmp_path, "mask: {ratio: 0.25}\nstages: [{ratio: '${mask.ratio}'}]\n")
    assert config.load(Root, path, ["mask.ratio=0.5"]).stages == [Mask(ratio=0.5)]


def test_a_missing_key_says_where_to_put_it(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("")
    assert problems(str(path)) == (
        f"{path}: missing key 'scenes'; set it in the file or as scenes=... on the command line",
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [1\nb: 2\n", "line 3 is no valid YAML"),
        ("seed: 1\nseed: 2\n", "line 3 is no valid YAML: found duplicate key seed"),
        ("base: run.yaml\n", "'base' leads back to this file"),
        ("base: gone.yaml\n", "gone.yaml: there is no such file"),
    ],
)
def test_broken_files(tmp_path, text, told):
    (problem,) = problems(write(tmp_path, text))
    assert told in problem and str(tmp_path) in problem


def test_an_unknown_name_lists_the_shipped_ones(tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text("scenes: b\n")
    monkeypatch.setattr(resources, "path", lambda kind, name: tmp_path)
    assert config.load(Root, "tiny").scenes == "b"
    assert problems("tinny") == ("no shipped config is called 'tinny'; did you mean 'tiny'? (shipped: tiny)",)


def test_a_dumped_config_loads_as_itself(tmp_path):
    loaded = config.load(Root, write(tmp_path, "encoder: {kind: group}\ntargets: {a: {ratio: 0.1}}\n"))
    path = tmp_path / "resolved.yaml"
    path.write_text(config.dump(loaded))
    assert config.load(Root, str(path)) == loaded
