"""Brute force in float64 NumPy, written from the definitions and sharing no code with geopt."""

from __future__ import annotations

import itertools
import math

import numpy as np


def nested_cells(xyz: np.ndarray, offsets: np.ndarray, lower, token_size, shape, ratios):
    """For each level a dict (batch, x, y, z) -> rows of xyz."""
    total = np.prod(np.array([(1, 1, 1), *ratios]), axis=0)
    size = np.array([s / t for s, t in zip(token_size, total)], dtype=np.float32)
    finest_shape = np.array(shape) * total
    levels = [{} for _ in range(len(ratios) + 1)]
    for b in range(len(offsets) - 1):
        for i in range(offsets[b], offsets[b + 1]):
            with np.errstate(invalid="ignore", over="ignore"):
                cell = np.floor((xyz[i] - np.array(lower, np.float32)) / size)
            if not all(0 <= c < n for c, n in zip(cell, finest_shape)):  # False for NaN
                continue
            cell = cell.astype(int)
            for level in range(len(ratios) + 1):
                below = np.prod(np.array([(1, 1, 1), *ratios[level:]]), axis=0)
                levels[level].setdefault((b, *(cell // below)), []).append(i)
    return levels


def plane(centroids: dict, cell: tuple, window: tuple, children=None, own=None):
    """Ascending eigenvalues, normal and count of the centroids in the window around a cell.

    centroids: cell -> float64 mean; children: cell -> list of keys of ``centroids`` when the window counts coarser cells.
    """
    members = []
    for step in itertools.product(*(range(-(w // 2), w // 2 + 1) for w in window)):
        near = (cell[0], *(c + s for c, s in zip(cell[1:], step)))
        if children is None:
            members += [centroids[near]] if near in centroids else []
        else:
            members += [centroids[child] for child in children.get(near, [])]
    q = np.array(members)
    center = q.mean(axis=0) if own is None else own
    covariance = (q - center).T @ (q - center) / (len(q) if own is None else 1)
    values, vectors = np.linalg.eigh(covariance)
    return values, vectors[:, 0], len(q)


def angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    """Between lines: the sign does not count."""
    cosine = min(1.0, abs(float(np.dot(a, b))) / (np.linalg.norm(a) * np.linalg.norm(b)))
    sine = np.linalg.norm(np.cross(a, b)) / (np.linalg.norm(a) * np.linalg.norm(b))
    return math.degrees(math.atan2(sine, cosine))
