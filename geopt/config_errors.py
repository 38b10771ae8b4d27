"""Problems of a config in words: which key, what was expected, what it may have meant."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic


class ConfigError(ValueError):
    """A config cannot be used; ``problems`` holds one line for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def describe(
    error: pydantic.ValidationError, schema: type[pydantic.BaseModel], values: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """All problems of a failed validation as (dotted key, sentence), in the order of the schema.

    Args:
        error: What ``schema.model_validate(values)`` raised.
        schema: The root of the config.
        values: What was validated.
    """
    problems: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        path = _path(item["loc"], values, schema)
        key = ".".join(path)
        kind, given = item["type"], item["input"]
        if kind == "too_short" and any(other.startswith(f"{key}.") for other in problems):
            continue  # pydantic counts the right items only, and has named the wrong ones
        if kind == "extra_forbidden":
            text = f"unknown key '{key}'; {_nearest(schema, path, values)}"
        elif kind == "missing":
            text = f"missing key '{key}'; set it in the file or as {key}=... on the command line"
        elif kind in ("value_error", "assertion_error"):
            text = f"'{key}': " if key else ""
            text += item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        elif kind == "too_short":
            text = f"'{key}': expected at least {item['ctx']['min_length']} entries, got {_shown(given)}"
        elif kind.startswith("union_tag"):
            tag = "kind" if isinstance(given, Mapping) else ""
            expected = item.get("ctx", {}).get("expected_tags", "the kinds that exist")
            key = f"{key}.{tag}" if tag else key
            got = given.get("kind") if isinstance(given, Mapping) else given
            text = f"'{key}': expected one of {expected}, got {_shown(got)}"
        else:
            text = f"'{key}': {_expected(item['msg'])}, got {_shown(given)}"
        problems.setdefault(key, []).append(text)
    return [(key, _joined(texts)) for key, texts in problems.items()]


def is_text(schema: type[pydantic.BaseModel], path: Sequence[str], values: Mapping[str, Any]) -> bool:
    """Whether the schema has a plain string at this key, so that ``00`` or ``a[1:2]`` must stay as written."""
    for parent in _schemas_at(schema, path[:-1], values):
        field = parent.model_fields.get(path[-1])
        if field is not None and field.annotation is str:
            return True
    return False


def _joined(texts: list[str]) -> str:
    """One sentence from the members of a union, which each complained about the same key."""
    head, _, got = texts[0].rpartition(", got ")
    others = [t.rpartition(", got ")[0].partition("expected ")[2] for t in texts[1:]]
    if not head or not all(others):
        return texts[0]
    return " or ".join([head, *others]) + f", got {got}"


def _expected(message: str) -> str:
    """pydantic's message in our words."""
    text = message.replace("Input should be", "expected").replace("a valid tuple", "a list").partition(", unable to")[0]
    return "expected a mapping of keys to values" if "dictionary or instance of" in text else text


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _path(loc: Sequence[int | str], values: Any, schema: type[pydantic.BaseModel]) -> list[str]:
    """Keys of ``loc`` without the names of union members that pydantic puts between them."""
    root = values
    path: list[str] = []
    node, seen_tag = values, False
    for position, part in enumerate(loc):
        last = position == len(loc) - 1
        if isinstance(node, Mapping):
            # A tag may be called like a key beside it, and a key (data.folder) like the kind where kinds are no union.
            is_tag = node.get("kind") == part and not seen_tag and _is_member(schema, path, root, part)
            if not last and (is_tag or part not in node):
                seen_tag = True
                continue
            node, seen_tag = node.get(part), False
            path.append(str(part))
        elif isinstance(node, Sequence) and not isinstance(node, str) and isinstance(part, int) and part < len(node):
            node = node[part]
            seen_tag = False
            path.append(str(part))
    return path


def _schemas(annotation: Any) -> list[type[pydantic.BaseModel]]:
    """Every model inside an annotation: unions, lists, mappings, Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return [annotation]
    return [schema for inner in typing.get_args(annotation) for schema in _schemas(inner)]


def _schemas_at(schema: type[pydantic.BaseModel], path: Sequence[str], values: Any) -> list[type[pydantic.BaseModel]]:
    """The models that may describe the node at ``path``; one, unless a union leaves it open."""
    here, node, skip = [schema], values, False
    for part in path:
        if isinstance(node, Mapping):
            node = node.get(part)
        elif isinstance(node, Sequence) and not isinstance(node, str) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            node = None
        if skip:  # this part was a position in a list or a key of a mapping of models
            skip = False
        else:
            annotations = [s.model_fields[part].annotation for s in here if part in s.model_fields]
            here = [found for annotation in annotations for found in _schemas(annotation)]
            skip = any(_is_collection(annotation) for annotation in annotations)
        kind = node.get("kind") if isinstance(node, Mapping) else None
        chosen = [s for s in here if kind in typing.get_args(_annotation(s, "kind"))]
        here = chosen or here
    return here


def _is_member(schema: type[pydantic.BaseModel], path: Sequence[str], values: Any, tag: int | str) -> bool:
    """Whether ``tag`` names a member of a union at ``path``: a model of one kind alone."""
    return any(typing.get_args(_annotation(s, "kind")) == (tag,) for s in _schemas_at(schema, path, values))


def _annotation(schema: type[pydantic.BaseModel], name: str) -> Any:
    field = schema.model_fields.get(name)
    return field.annotation if field is not None else None


def _is_collection(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        return any(_is_collection(inner) for inner in typing.get_args(annotation))
    return origin in (list, tuple, dict) and bool(_schemas(annotation))


def _nearest(schema: type[pydantic.BaseModel], path: Sequence[str], values: Any) -> str:
    """What an unknown key may have meant: a sibling first, else the same name elsewhere."""
    parent, name = list(path[:-1]), path[-1]
    found = _schemas_at(schema, parent, values)
    siblings = sorted({known for s in found for known in s.model_fields})
    everywhere = [key for key in _dotted_keys(schema) if key != ".".join(path)]  # it may belong to another kind

    def near(cutoff: float) -> list[str]:
        return [".".join([*parent, n]) for n in difflib.get_close_matches(name, siblings, n=1, cutoff=cutoff)]

    meant = (
        near(0.75)
        or [key for key in everywhere if key.rpartition(".")[2] == name]
        or near(0.6)
        or difflib.get_close_matches(".".join(path), everywhere, n=1, cutoff=0.8)
    )
    if meant:
        return f"did you mean '{meant[0]}'?"
    kind = f" of kind '{found[0].model_fields['kind'].default}'" if len(found) == 1 and "kind" in siblings else ""
    where = f"'{'.'.join(parent)}'{kind} has" if parent else "there are"
    return f"{where} {', '.join(siblings)}" if siblings else f"'{'.'.join(parent)}' has no keys"


def _dotted_keys(schema: type[pydantic.BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in schema.model_fields.items():
        keys.append(prefix + name)
        for inner in _schemas(field.annotation):
            keys.extend(_dotted_keys(inner, f"{prefix}{name}."))
    return keys
