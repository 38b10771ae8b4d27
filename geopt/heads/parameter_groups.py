"""How deep a parameter lies, for learning rates that fall towards the input."""

from __future__ import annotations

from collections.abc import Sized

from geopt.heads.base import HeadModel


def num_depths(model: HeadModel) -> int:
    """Depths of a model: the layers of the voxel encoder, those of the encoder, and the head."""
    return _num_points(model) + _num_attention(model) + 1


def depth_of(name: str, model: HeadModel) -> int:
    """Depth of a parameter: 0 for the first layer of the voxel encoder, ``num_depths(model) - 1`` for neck and head.

    A final norm lies with the last layer. An encoder of somebody else without ``layers`` is one layer.

    Args:
        name: As in ``model.named_parameters()``.
        model: A :class:`geopt.heads.detector.Detector` or :class:`geopt.heads.segmenter.Segmenter`.

    Raises:
        ValueError: the model has no such parameter.
    """
    try:
        model.get_parameter(name)
    except AttributeError:
        raise ValueError(
            f"depth_of: name must be that of a parameter of {type(model).__name__}, got {name!r}"
        ) from None
    parts = name.split(".")
    if parts[0] != "backbone":
        return num_depths(model) - 1
    points, attention = _num_points(model), _num_attention(model)
    begin, count = (0, points) if parts[1] == "voxel_encoder" else (points, attention)
    is_numbered = parts[2] == "layers" and len(parts) > 3 and parts[3].isdigit()
    return begin + (min(int(parts[3]), count - 1) if is_numbered else count - 1)


def learning_rate_scale(name: str, model: HeadModel, decay: float) -> float:
    """Factor on the learning rate of a parameter: ``decay`` to the number of depths between it and the head.

    Source: Clark et al., ELECTRA, ICLR 2020, arXiv:2003.10555; Bao et al., BEiT, arXiv:2106.08254, for transformers
    that were pre-trained by masking.
    """
    return decay ** (num_depths(model) - 1 - depth_of(name, model))


def _num_points(model: HeadModel) -> int:
    return len(model.backbone.voxel_encoder.layers)


def _num_attention(model: HeadModel) -> int:
    layers = getattr(model.backbone.encoder, "layers", ())
    return max(1, len(layers)) if isinstance(layers, Sized) else 1
