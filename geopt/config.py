"""Configs: layers of YAML and dotted overrides become one checked, frozen object.

A layer says only how it differs from the one before: the defaults of the schema, then the files named by
``base``, then the file, then the overrides ``key=value`` of the command line.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pydantic
import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from geopt import config_errors, resources
from geopt.config_errors import ConfigError

__all__ = ["COMMAND_LINE", "ConfigError", "Layer", "dump", "flatten", "load"]

COMMAND_LINE = "command line"
Schema = TypeVar("Schema", bound=pydantic.BaseModel)


class Layer(NamedTuple):
    """Values from one place."""

    name: str
    """What messages call it: the path of the file, or ``command line``."""
    values: dict[str, Any]
    """Nested mappings, not yet checked."""


def load(schema: type[Schema], source: str, overrides: Sequence[str] = (), *, group: str = "pretrain") -> Schema:
    """Read a config: the defaults, a YAML file (and its ``base`` files), then overrides.

    A layer that changes the ``kind`` of a node drops what earlier layers said there, because those keys belong to
    the other kind. Interpolations such as ``${data.root}/cache`` are resolved after the last layer.

    Args:
        schema: The pydantic model to fill; its defaults are the first layer.
        source: Path of a YAML file, or the name of a shipped one such as ``tiny``.
        overrides: ``key=value`` with dotted keys; the value is YAML, but taken literally where the schema has a string.
        group: Folder of ``configs/`` in which shipped names are looked up.

    Raises:
        ConfigError: every problem found, one a line, each naming the file, the key and the nearest known key.
    """
    layers = list(_file_layers(source, group, seen=()))
    merged = _defaults(schema)
    for layer in layers:
        merged = _merge(merged, layer.values)
    given, problems = _parse_overrides(schema, overrides, merged)
    layers.append(Layer(COMMAND_LINE, given))
    merged = _merge(merged, given)
    try:
        resolved: Any = OmegaConf.to_container(OmegaConf.create(merged), resolve=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        problems.append(f"{_owner(layers, key)}: '{key}': {str(error).splitlines()[0]}")
        raise ConfigError(problems) from None
    try:
        config = schema.model_validate(resolved)
    except pydantic.ValidationError as error:
        described = config_errors.describe(error, schema, resolved)
        problems += [f"{_owner(layers, key)}: {text}" for key, text in described]
    if problems:
        raise ConfigError(problems)
    return config


def dump(config: pydantic.BaseModel) -> str:
    """The whole config as YAML, defaults included, in the order of the schema."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, default_flow_style=None)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted keys; lists stay whole."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _file_layers(source: str, group: str, seen: tuple[str, ...], beside: Path | None = None) -> Iterator[Layer]:
    path, name = _find(source, group, beside)
    if str(path.resolve()) in seen:
        raise ConfigError([f"{name}: 'base' leads back to this file"])
    try:
        loaded = OmegaConf.load(path)
        values = OmegaConf.to_container(loaded)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ConfigError([f"{name}:{line} is no valid YAML: {getattr(error, 'problem', None) or error}"]) from None
    except (OSError, UnicodeDecodeError, OmegaConfBaseException) as error:
        raise ConfigError([f"{name}: cannot be read: {error}"]) from None
    if not isinstance(values, dict):
        raise ConfigError([f"{name}: expected a mapping of keys to values, got a list"])
    base = values.pop("base", None)
    if base is not None:
        yield from _file_layers(str(base), group, (*seen, str(path.resolve())), beside=path.parent)
    yield Layer(name, {str(key): value for key, value in values.items()})


def _find(source: str, group: str, beside: Path | None) -> tuple[Path, str]:
    """Where a config lies, and what messages call it."""
    is_path = source.endswith((".yaml", ".yml")) or os.sep in source
    if is_path:
        path = Path(source) if beside is None else beside / source
        if not path.is_file():
            raise ConfigError([f"{path}: there is no such file; give the path of a YAML file or a shipped name"])
        return path, str(path)
    folder = resources.path("configs", group)
    path = folder / f"{source}.yaml"
    if not path.is_file():
        shipped = sorted(p.stem for p in folder.glob("*.yaml"))
        near = difflib.get_close_matches(source, shipped, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "give the path of a YAML file or one of these"
        raise ConfigError([f"no shipped config is called '{source}'; {hint} (shipped: {', '.join(shipped)})"])
    return path, f"configs/{group}/{source}.yaml"


def _parse_overrides(
    schema: type[pydantic.BaseModel], overrides: Sequence[str], below: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """Nested values of ``key=value`` texts, and what is wrong with the texts themselves."""
    result: dict[str, Any] = {}
    problems = []
    for text in overrides:
        key, equals, raw = text.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path):
            problems.append(f"{COMMAND_LINE}: expected key=value such as train.max_steps=100, got '{text}'")
            continue
        try:
            value = raw if config_errors.is_text(schema, path, below) else _yaml_value(raw)
        except yaml.YAMLError:
            problems.append(f"{COMMAND_LINE}: '{key}': the value is no valid YAML: {raw}")
            continue
        node = result
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                problems.append(f"{COMMAND_LINE}: '{key}' is set below a key that another override gives a value")
                break
        else:
            node[path[-1]] = _merge(node.get(path[-1]), value)
    return result, problems


def _yaml_value(text: str) -> Any:
    """One value as OmegaConf's YAML reads it: ``5e-3`` is a number there, unlike in plain PyYAML."""
    return OmegaConf.to_container(OmegaConf.create(f"value: {text}"))["value"]  # type: ignore[index, call-overload]


def _defaults(schema: type[pydantic.BaseModel]) -> dict[str, Any]:
    """What the schema says by itself; keys without a default are absent."""
    values: dict[str, Any] = {}
    for name, field in schema.model_fields.items():
        if not field.is_required():
            value = field.get_default(call_default_factory=True)
            values[name] = value.model_dump(mode="json") if isinstance(value, pydantic.BaseModel) else value
        elif isinstance(field.annotation, type) and issubclass(field.annotation, pydantic.BaseModel):
            values[name] = _defaults(field.annotation)
    return values


def _merge(low: Any, high: Any) -> Any:
    """``high`` over ``low``; a mapping whose ``kind`` changes starts afresh."""
    if not isinstance(low, dict) or not isinstance(high, dict):
        return high
    if "kind" in low and "kind" in high and low["kind"] != high["kind"]:
        return dict(high)
    return {**low, **{key: _merge(low.get(key), value) for key, value in high.items()}}


def _owner(layers: list[Layer], key: str | None) -> str:
    """Name of the last layer that says something at ``key``, below it, or at a parent of it."""
    for layer in reversed(layers):
        node: Any = layer.values
        for part in (key or "").split("."):
            if not isinstance(node, dict):
                return layer.name  # a parent has a plain value here
            if part not in node:
                break
            node = node[part]
        else:
            return layer.name
    return next((layer.name for layer in reversed(layers) if layer.name != COMMAND_LINE), "config")
