"""What a run leaves for others: the encoder and the report."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from geopt.heads.base import HeadModel
from geopt.models import encoder_io
from geopt.train.run_folder import RunFolder, versions
from geopt.visualize import pictures, task_pictures
from geopt.visualize.report import write_report


def write_results(folder: RunFolder, model: Any, picture: dict[str, Any] | None) -> None:
    """Write ``encoder.safetensors`` of the model as it is, ``report.html``, and ``preview.png`` of a validation frame;
    of a model with a head also ``model.safetensors``, all its weights.

    Args:
        folder: Of the run.
        model: Has ``encoder_state`` of :class:`geopt.train.protocol.Pretrainable`.
        picture: What ``model.picture`` gave, with the ``step`` it was made at; None without validation.
    """
    state, description = model.encoder_state()
    encoder_io.write(folder.encoder, state, {**description, "versions": versions()})
    if isinstance(model, HeadModel):
        encoder_io.write(folder.model, model.head_state(), {**description, "versions": versions()})
    write_report(folder.path, picture)
    if picture is None:
        return
    with suppress(ImportError):  # without matplotlib; the report has said so
        if task_pictures.are_in(picture):
            task_pictures.save_strip(folder.preview, picture, frame=description.get("frame", "ego"))
        elif "cell_centers" in picture:
            pictures.save_strip(folder.preview, picture, frame=description.get("frame", "ego"))
