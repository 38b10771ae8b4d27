"""Classes that live outside geopt, named in a config as ``package.module:Class``."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
from typing import Any, TypeVar

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")

Kind = TypeVar("Kind")


class PluginError(ValueError):
    """A class named in a config cannot be found, or is not what the config needs."""


def check_name(name: str) -> str:
    """The name itself, or a :class:`PluginError` if it does not look like ``package.module:Class``."""
    if not _NAME.fullmatch(name):
        raise PluginError(f"plugins: a class must be named as 'package.module:Class', got '{name}'")
    return name


def load(name: str, base: type[Kind]) -> type[Kind]:
    """Import the class called ``package.module:Class``.

    Args:
        name: Importable module, a colon, a class in it.
        base: What the class must derive from.

    Raises:
        PluginError: the name has another form, or the module or the class does not exist; the nearest name that does
            is in the message. Errors inside the module itself come through as they are.
    """
    module_name, _, attribute = check_name(name).partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module exists; something that it imports does not
        near = _nearest(error.name.rpartition(".")[2], _modules_beside(error.name))
        raise PluginError(
            f"plugins: there is no module '{error.name}' for '{name}'{near}; install the package or put its "
            f"folder on PYTHONPATH"
        ) from None
    found = getattr(module, attribute, None)
    if found is None:
        known = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise PluginError(f"plugins: module '{module_name}' has no class '{attribute}'{_nearest(attribute, known)}")
    if not isinstance(found, type) or not issubclass(found, base):
        raise PluginError(f"plugins: '{name}' must be a class derived from {base.__name__}, got {found!r}")
    return found


def build(name: str, base: type[Kind], /, **arguments: Any) -> Kind:
    """Import the class called ``package.module:Class`` and call it with keyword arguments.

    Raises:
        PluginError: see :func:`load`; or the class does not take these arguments.
    """
    found = load(name, base)
    try:
        return found(**arguments)
    except TypeError as error:
        given = ", ".join(arguments)
        raise PluginError(f"plugins: '{name}' could not be built with arguments {given}: {error}") from error


def _modules_beside(missing: str) -> list[str]:
    """Names of the modules in the package that should have held this one."""
    parent = missing.rpartition(".")[0]
    path = getattr(importlib.import_module(parent), "__path__", []) if parent else None  # None is sys.path
    return [module.name for module in pkgutil.iter_modules(path)]


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
