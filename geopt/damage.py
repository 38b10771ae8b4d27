"""What a library raises over a damaged file becomes an error that names the file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

LIBRARY_ERRORS = (ValueError, TypeError, LookupError, ArithmeticError, OSError, MemoryError, RecursionError)


@contextlib.contextmanager
def naming(kind: str, path: Path, *errors: type[Exception]) -> Iterator[None]:
    """A context in which errors become a ValueError that names a file; a missing file stays a FileNotFoundError; a
    missing package, or a file that may not be read, keeps its error.

    Args:
        kind: The dataset, for messages; errors that begin with it pass as they are.
        path: The file that is read.
        errors: Others that damage can raise, besides :data:`LIBRARY_ERRORS`.

    Raises:
        FileNotFoundError: the file, or another that was read here, is missing.
        ValueError: the file is damaged.
    """
    try:
        yield
    except (ImportError, PermissionError):
        raise
    except FileNotFoundError as error:
        if error.filename is None:  # somebody said already what is missing
            raise
        raise FileNotFoundError(
            f"{kind}: {error.filename} is missing, or a link that leads nowhere; copy it there again"
        ) from error
    except LIBRARY_ERRORS + errors as error:
        if str(error).startswith(f"{kind}: "):
            raise
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{kind}: {path} is damaged: {text}; copy the file again") from error
