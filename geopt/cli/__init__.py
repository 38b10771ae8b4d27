"""The command line. What a command needs is imported when it runs, so that help comes at once."""

from __future__ import annotations

import logging
import os
import signal
import sys

from geopt.cli import bench, datasets, info, inspecting, models, scores, training  # noqa: F401  (they hang their commands on app)
from geopt.cli.app import app

__all__ = ["app", "main"]

USAGE_ERROR = 2


def main() -> None:
    """Run a command; problems that a user can solve are one line in red, with exit code 2 for a wrong config.

    A run that was asked to stop exits with 128 and the number of the signal, as shells do.
    GEOPT_DEBUG=1 shows the traceback.
    """
    # Threads that spin while they wait starve the data workers; but a tenth of a step is threads that fall asleep between
    # two loops and wake again, so they do look for new work for a while (benchmarks/results/pretrain_step.md).
    if os.environ.setdefault("OMP_WAIT_POLICY", "passive").lower() == "passive":
        os.environ.setdefault("GOMP_SPINCOUNT", "5000")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("geopt").setLevel(logging.INFO)
    try:
        app()
    except Exception as error:
        if os.environ.get("GEOPT_DEBUG") == "1":
            raise
        sys.exit(_tell(error))


def _tell(error: Exception) -> int:
    """Say what went wrong and return the exit code; errors that nobody foresaw are raised again."""
    from rich.console import Console

    from geopt.config_errors import ConfigError

    text, code, style, name = str(error), 1, "red", type(error).__name__
    if isinstance(error, ConfigError):
        code = USAGE_ERROR
    elif name == "Interrupted":  # by name: torch need not be there to say that a file is missing
        code, style = 128 + getattr(error, "signal", signal.SIGTERM), "yellow"
    elif name == "OutOfMemoryError":
        text = f"{text.splitlines()[0]} Try a smaller train.batch_size and a larger train.accumulate."
    elif isinstance(error, RuntimeError) and (name.startswith("Dist") or "gloo" in text or "NCCL" in text):
        text = f"rank {os.environ.get('RANK', '0')}: lost the other ranks ({text.splitlines()[0]})"
    elif not isinstance(error, (ArithmeticError, ImportError, OSError, ValueError)) and name != "OtherRankFailed":
        raise error
    if name in ("Interrupted", "NotFinite", "OtherRankFailed") and os.environ.get("RANK", "0") != "0":
        return code  # rank 0 says the same
    Console(stderr=True).print(text, style=style, markup=False, highlight=False, soft_wrap=True)
    return code
