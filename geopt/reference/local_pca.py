"""Plain torch for :mod:`geopt.ops.local_pca`."""

from __future__ import annotations

import torch
from torch import Tensor

from geopt.reference.eigh3 import eigh3
from geopt.reference.knn import knn
from geopt.structures import LocalPCA

LINE_RATIO = 1e-12
"""Neighbours whose middle eigenvalue is at most this part of the largest lie on a line."""


def local_pca(xyz: Tensor, offsets: Tensor | None = None, k: int = 16, viewpoint: Tensor | None = None) -> LocalPCA:
    rows = knn(xyz, xyz, k, offsets, offsets).indices
    found = (rows >= 0)[..., None]
    count = found.sum(dim=1)
    wide = xyz.to(torch.float64)
    around = torch.where(found, wide[rows.clamp(min=0)] - wide[:, None], 0.0)
    mean = around.sum(dim=1, keepdim=True) / count[:, None].clamp(min=1)
    centred = torch.where(found, around - mean, 0.0)
    covariance = centred.transpose(1, 2) @ centred / count[..., None].clamp(min=1)
    values, vectors = eigh3(covariance)
    values = values.clamp(min=0)
    normals = _positive(vectors[:, 0].to(xyz.dtype))
    determined = (count[:, 0] >= 3) & (values[:, 1] > LINE_RATIO * values[:, 2])
    normals = torch.where(determined[:, None], normals, 0.0)
    if viewpoint is not None:
        normals = turned_towards(normals, viewpoint, xyz, offsets)
    return LocalPCA(normals, values.to(xyz.dtype), count[:, 0])


def _positive(normals: Tensor) -> Tensor:
    """Turned so that the component with the largest magnitude, the first of equal ones, is positive."""
    largest = normals.gather(1, normals.abs().argmax(dim=1, keepdim=True))
    return torch.where(largest < 0, 0.0 - normals, normals)


def turned_towards(normals: Tensor, viewpoint: Tensor, xyz: Tensor, offsets: Tensor | None) -> Tensor:
    """Normals (N, 3) turned to the side of the viewpoint: (3,), (N, 3) for each point or (B, 3) for each cloud."""
    if viewpoint.dim() == 2 and viewpoint.shape[0] != xyz.shape[0] and offsets is not None:
        cloud = torch.bucketize(torch.arange(xyz.shape[0], device=xyz.device), offsets[1:], right=True)
        viewpoint = viewpoint[cloud]
    away = ((viewpoint - xyz) * normals).sum(dim=1, keepdim=True) < 0
    return torch.where(away, 0.0 - normals, normals)
