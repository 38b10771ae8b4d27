"""What the report shows of one frame: points, mask, and cells and normals as they are and as predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.geometry import Pyramid
from geopt.structures import PointBatch
from geopt.targets import Normal, Occupancy
from geopt.targets.base import pick

if TYPE_CHECKING:
    from geopt.models.geomae import GeoMAE, Prediction


def picture(model: GeoMAE, batch: PointBatch) -> dict[str, Any]:
    """CPU arrays of the first frame of a batch.

    Returns:
        ``points`` (N, 3); ``token_coords`` (T, 3), ``token_hidden`` (T,); for the finest occupancy target ``cell_centers``
        (K, 3), ``cell_truth`` (K,), ``cell_probability`` (K,) of the cells of hidden tokens that are occupied or predicted
        so; for the normal target ``normal_positions``, ``normals``, ``normals_predicted`` (J, 3); sizes and extent.
    """
    prediction = model.predict(batch)
    grid, tokens = model.pyramid.grid, prediction.index.levels[0]
    first = tokens.coords_bxyz[:, 0] == 0
    hidden = torch.zeros(len(tokens), dtype=torch.bool, device=first.device)
    hidden[prediction.mask.hidden] = True
    result: dict[str, Any] = {
        "frame": batch.frames[0],
        "grid_lower": batch.xyz.new_tensor(grid.lower),
        "grid_upper": batch.xyz.new_tensor(grid.upper),
        "points": batch.xyz[: int(batch.offsets[1])],
        "token_coords": tokens.coords_bxyz[first, 1:],
        "token_size": batch.xyz.new_tensor(grid.size),
        "token_hidden": hidden[first],
    }
    targets = list(model.targets.values())
    occupancy = max((t for t in targets if isinstance(t, Occupancy)), key=lambda t: t.level, default=None)
    if occupancy is not None:
        result |= _cells(occupancy, prediction)
    normal = next((t for t in targets if isinstance(t, Normal)), None)
    if normal is not None:
        result |= _normals(normal, prediction)
    return {key: value.cpu() if isinstance(value, Tensor) else value for key, value in result.items()}


def _cells(target: Occupancy, prediction: Prediction) -> dict[str, Tensor]:
    queries = prediction.queries
    probability = target.probability(prediction.outputs[target.name])
    truth = prediction.truths[target.name]["occupied"]
    of_first = (queries.coords_bxyz[:, 0] == 0)[:, None]
    query, slot = torch.nonzero((truth | (probability > 0.5)) & of_first, as_tuple=True)
    return {
        "cell_centers": _cell_centers(target.pyramid, target.level, queries.coords_bxyz[query], slot),
        "cell_size": probability.new_tensor(target.pyramid.level_grid(target.level).size),
        "cell_truth": truth[query, slot],
        "cell_probability": probability[query, slot].float(),
    }


def _normals(target: Normal, prediction: Prediction) -> dict[str, Tensor]:
    truth, queries = prediction.truths[target.name], prediction.queries
    keep = queries.coords_bxyz[truth["query"], 0] == 0
    query, slot = truth["query"][keep], truth["slot"][keep]
    predicted = pick(prediction.outputs[target.name], query, slot, target.slots)
    return {
        "normal_positions": _cell_centers(target.pyramid, target.level, queries.coords_bxyz[query], slot),
        "normals": truth["normal"][keep],
        "normals_predicted": F.normalize(predicted, dim=1),
    }


def _cell_centers(pyramid: Pyramid, level: int, token_coords: Tensor, slot: Tensor) -> Tensor:
    """(K, 3) metres."""
    grid = pyramid.level_grid(level)
    scale = torch.tensor(pyramid.subdivision(level), device=slot.device)
    cell = token_coords[:, 1:] * scale + pyramid.slot_coords(level, slot.device)[slot]
    lower, size = (torch.tensor(value, device=slot.device) for value in (grid.lower, grid.size))
    return lower + (cell + 0.5) * size
