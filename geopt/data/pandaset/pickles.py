"""Pickles as descriptions of what they would make. Nothing is imported, called or made.

A pickle is a program that may call any function by its name. Here it runs on a machine of our own, which knows the few
operations that a table needs and puts a :class:`Made` where a function would have been called. Names that no table needs are
refused.

Source of the operations: Python's ``pickletools``, which also splits the bytes into them.
"""

from __future__ import annotations

import dataclasses
import pickletools
from collections.abc import Callable
from typing import Any

MAX_OPERATIONS = 1 << 18
"""Operations in a pickle, about a second. A frame of PandaSet with 113 cuboids has 1,800, its points have 160."""


@dataclasses.dataclass
class Name:
    """A class or function that a pickle names, such as ``numpy.dtype``."""

    text: str


@dataclasses.dataclass
class Made:
    """What a call would have returned."""

    name: str
    """Of the class or function."""
    arguments: tuple
    state: Any = None
    """What it would have been given by ``__setstate__``."""


def describe(data: bytes, names: frozenset[str]) -> Any:
    """What a pickle would make.

    Time and memory grow with the number of its operations, which is limited, and with the size of ``data``; the nesting of
    what it describes does not matter, for nothing here calls itself.

    Args:
        data: The pickle, of protocol 2 to 5.
        names: Classes and functions that may appear, such as ``numpy.dtype``.

    Returns:
        Numbers, strings, bytes, lists, tuples and dicts with strings for keys, with :class:`Name` and :class:`Made` for the rest.

    Raises:
        ValueError: a name is not among ``names``; an operation is unknown, or there are too many; the pickle is damaged.
    """
    machine = _Machine(names)
    for number, (operation, argument, _) in enumerate(pickletools.genops(data)):
        if number >= MAX_OPERATIONS:
            raise ValueError(f"it has more than {MAX_OPERATIONS:,} operations")
        try:
            if machine.run(operation.name, argument):
                return machine.stack.pop()
        except (IndexError, KeyError):
            raise ValueError(f"operation {operation.name} uses what is not there") from None
    raise ValueError("it ends without a result")


CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}
NUMBERS_AND_TEXTS = {
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
}
BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8"}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Machine:
    """Stack, marks and memory of a pickle that runs."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memory: dict[int, Any] = {}

    def run(self, operation: str, argument: Any) -> bool:
        """Do one operation. Whether it was the last."""
        stack = self.stack
        if operation in NUMBERS_AND_TEXTS or operation in BYTES:
            stack.append(argument)
        elif operation in ("BINPUT", "LONG_BINPUT"):
            self.memory[argument] = stack[-1]
        elif operation == "MEMOIZE":
            self.memory[len(self.memory)] = stack[-1]
        elif operation in ("BINGET", "LONG_BINGET"):
            stack.append(self.memory[argument])
        elif operation in CONSTANTS:
            stack.append(CONSTANTS[operation]())
        elif operation in TUPLES:
            stack.append(tuple(self.pop(TUPLES[operation])))
        elif operation == "MARK":
            self.marks.append(len(stack))
        elif operation == "TUPLE":
            stack.append(tuple(self.pop_to_mark()))
        elif operation in ("APPEND", "APPENDS"):
            items = self.pop(1) if operation == "APPEND" else self.pop_to_mark()
            _of(stack[-1], list).extend(items)
        elif operation in ("SETITEM", "SETITEMS"):
            items = self.pop(2) if operation == "SETITEM" else self.pop_to_mark()
            for key, value in zip(items[::2], items[1::2], strict=True):
                _of(stack[-1], dict)[_of(key, str)] = value  # other keys may take ages to hash
        elif operation in ("GLOBAL", "STACK_GLOBAL"):
            module, name = argument.split(" ", 1) if operation == "GLOBAL" else self.pop(2)
            stack.append(self.named(_of(module, str), _of(name, str)))
        elif operation in ("REDUCE", "NEWOBJ"):
            called, arguments = self.pop(2)
            stack.append(Made(_of(called, Name).text, _of(arguments, tuple)))
        elif operation == "BUILD":
            (state,) = self.pop(1)
            _of(stack[-1], Made).state = state
        elif operation not in ("PROTO", "FRAME", "STOP"):
            raise ValueError(f"it has operation {operation}, which no table needs")
        return operation == "STOP"

    def named(self, module: str, name: str) -> Name:
        text = f"{module}.{name}"
        if text not in self.names:
            raise ValueError(f"it asks for {text[:80]!r}, which no table needs and which was not run")
        return Name(text)

    def pop(self, count: int) -> list[Any]:
        """The last items of the stack, not reaching behind the last mark."""
        first = len(self.stack) - count
        if first < (self.marks[-1] if self.marks else 0):
            raise IndexError
        items = self.stack[first:]
        del self.stack[first:]
        return items

    def pop_to_mark(self) -> list[Any]:
        first = self.marks.pop()
        items = self.stack[first:]
        del self.stack[first:]
        return items


def _of(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"it has a {type(value).__name__} where a {kind.__name__.lower()} must be")
    return value
