"""Pre-train 3D encoders on unlabelled LiDAR by predicting masked geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from geopt.models.encoder_io import LoadedEncoder

__version__ = "0.1.0"


def load_encoder(run: str | Path) -> LoadedEncoder:
    """Load a pre-trained encoder, which gives a feature to every point.

    Args:
        run: A run folder, or the path of an ``encoder.safetensors``.

    Returns:
        To be called with (N, 3 + C) points; see :class:`geopt.models.encoder_io.LoadedEncoder`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or its weights do not fit its description.
    """
    from geopt.models import encoder_io

    return encoder_io.load(run)
