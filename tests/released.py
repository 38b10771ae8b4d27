"""What the official code of GeoMAE computes, from its description, in float64 and without any code of geopt's models.

Coordinates here run (z, y, x) and slots of a sub-cell are row-major in (z, y, x), as there.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

ORIGIN = np.array([-5.0, -51.2, -51.2])
PILLAR = np.array([8.0, 0.256, 0.256])
CELL = {"low": np.array([1.0, 0.064, 0.064]), "med": np.array([2.0, 0.128, 0.128]), "top": PILLAR}
PER_PILLAR = {"low": (8, 4, 4), "med": (4, 2, 2), "top": (1, 1, 1)}
WEIGHTS = {
    "centroid_low": 10.0,
    "centroid_med": 8.0,
    "centroid_top": 10.0,
    "occupancy_low": 5.0,
    "occupancy_med": 2.0,
    "normal": 4.0,
}
WINDOW = 12

Pillar = tuple[int, int, int]
"""(frame, y, x)."""


class Cloud:
    """Points in range, and for each level the rows of the points in each cell (frame, z, y, x)."""

    def __init__(self, xyz: np.ndarray, features: np.ndarray, frame: np.ndarray) -> None:
        zyx = xyz[:, ::-1].astype(np.float64)
        cell = np.floor((zyx - ORIGIN) / CELL["low"]).astype(int)
        inside = ((cell >= 0) & (cell < (8, 1600, 1600))).all(axis=1)
        self.zyx, self.features, self.frame, cell = zyx[inside], features[inside], frame[inside], cell[inside]
        self.cells: dict[str, dict[tuple[int, ...], list[int]]] = {}
        for level, count in PER_PILLAR.items():
            shrink = np.array(PER_PILLAR["low"]) // count
            found = defaultdict(list)
            for row, (b, c) in enumerate(zip(self.frame, cell // shrink)):
                found[(int(b), *c.tolist())].append(row)
            self.cells[level] = dict(found)
        self.pillars: list[Pillar] = sorted((b, y, x) for b, _, y, x in self.cells["top"])

    def mean(self, level: str, cell: tuple[int, ...]) -> np.ndarray:
        return self.zyx[self.cells[level][cell]].mean(axis=0)

    def sub_cells(self, level: str, pillar: Pillar) -> list[tuple[int, tuple[int, ...]]]:
        """Slot and cell of the occupied sub-cells of a pillar."""
        b, y, x = pillar
        rz, ry, rx = PER_PILLAR[level]
        cells = [(b, z, y * ry + j, x * rx + i) for z in range(rz) for j in range(ry) for i in range(rx)]
        return [(slot, cell) for slot, cell in enumerate(cells) if cell in self.cells[level]]

    def scatter(self, pillar: Pillar) -> np.ndarray:
        """(3, 3) of the 2 m cells of 3 x 3 pillars, about the mean of the pillar, not divided by their number."""
        b, y, x = pillar
        around = [(b, y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1)]
        means = [self.mean("med", cell) for near in around for _, cell in self.sub_cells("med", near)]
        q = np.array(means) - self.mean("top", (b, 0, y, x))
        return q.T @ q


def point_inputs(cloud: Cloud) -> Tensor:
    """(P, 11): x, y, z, intensity, time, offset from the mean of the pillar, offset from its centre."""
    xyz = cloud.zyx[:, ::-1]
    means, centers = np.empty_like(xyz), np.empty_like(xyz)
    for (_, _, y, x), rows in cloud.cells["top"].items():
        means[rows] = xyz[rows].mean(axis=0)
        centers[rows] = (-51.2 + (x + 0.5) * 0.256, -51.2 + (y + 0.5) * 0.256, -1.0)
    return torch.from_numpy(np.concatenate([xyz, cloud.features, xyz - means, xyz - centers], axis=1))


def voxel_encoder(cloud: Cloud, layers: list[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
    """(pillars, 128): twice linear, batch norm over all points, ReLU and maximum; weight, scale and shift per layer."""
    points = point_inputs(cloud)
    number = {pillar: i for i, pillar in enumerate(cloud.pillars)}
    owner = torch.empty(points.shape[0], dtype=torch.int64)
    for (b, _, y, x), rows in cloud.cells["top"].items():
        owner[rows] = number[b, y, x]
    for weight, scale, shift in layers:
        if points.shape[1] != weight.shape[1]:
            points = torch.cat([points, pooled[owner]], dim=1)  # noqa: F821  of the layer before
        points = points @ weight.T
        mean, variance = points.mean(0), points.var(0, unbiased=False)
        points = torch.relu((points - mean) / (variance + 1e-3).sqrt() * scale + shift)
        pooled = torch.stack([points[owner == i].amax(0) for i in range(len(number))])
    return pooled


def position(in_window: Tensor) -> Tensor:
    """(n, 128) of (n, 2) x, y in the window: 64 channels an axis, sine and cosine in turn."""
    axes = []
    for u in (in_window.double() - WINDOW / 2).T:
        channels = [(torch.sin if i % 2 == 0 else torch.cos)(u / 10000 ** (2 * (i // 2) / 64)) for i in range(64)]
        axes.append(torch.stack(channels, dim=1))
    return torch.cat(axes, dim=1)


class Layer(nn.Module):
    """Attention of one window, then a perceptron, both normalised after the sum."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(128, 8, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(128, 256), nn.Linear(256, 128)
        self.norm1, self.norm2 = nn.LayerNorm(128), nn.LayerNorm(128)

    def forward(self, tokens: Tensor, pillars: list[Pillar], shifted: bool) -> Tensor:
        shift = WINDOW - WINDOW // 2 if shifted else 0
        windows = defaultdict(list)
        for row, (b, y, x) in enumerate(pillars):
            windows[b, (y + shift) // WINDOW, (x + shift) // WINDOW].append(row)
        attended = torch.empty_like(tokens)
        for rows in windows.values():
            in_window = torch.tensor(
                [[(pillars[r][2] + shift) % WINDOW, (pillars[r][1] + shift) % WINDOW] for r in rows]
            )
            value = tokens[rows][None]
            query = value + position(in_window)
            attended[rows] = self.attention(query, query, value, need_weights=False)[0][0]
        tokens = self.norm1(tokens + attended)
        return self.norm2(tokens + self.linear2(F.gelu(self.linear1(tokens))))


def transformer(state: dict[str, Tensor], tokens: Tensor, pillars: list[Pillar]) -> Tensor:
    """Layers on plain and shifted windows in turn, with the weights ``layers.<n>.*``."""
    numbers = sorted({int(name.split(".")[1]) for name in state})
    for number in numbers:
        prefix = f"layers.{number}."
        layer = Layer().double()
        layer.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        tokens = layer(tokens, pillars, shifted=number % 2 == 1)
    return tokens


def losses(cloud: Cloud, hidden: list[Pillar], outputs: dict[str, Tensor], normals: np.ndarray) -> dict[str, Tensor]:
    """The six terms, before their weights.

    Args:
        hidden: Masked pillars, the rows of the outputs.
        outputs: ``centroid_<level>`` (N, slots, 3), ``occupancy_<level>`` (N, slots, 2) and ``normal`` (N, 3).
        normals: (N, 3) least-variance directions; their sign is a choice of the SVD.
    """
    terms = {}
    for level in ("low", "med", "top"):
        squares = []
        for row, pillar in enumerate(hidden):
            for slot, cell in cloud.sub_cells(level, pillar):
                target = (cloud.mean(level, cell) - (ORIGIN + np.array(cell[1:]) * CELL[level])) / CELL[level]
                squares.append(((outputs[f"centroid_{level}"][row, slot] - torch.from_numpy(target)) ** 2).mean())
        terms[f"centroid_{level}"] = torch.stack(squares).mean()
    for level in ("low", "med"):
        logits = outputs[f"occupancy_{level}"]
        wanted = torch.zeros_like(logits)
        wanted[..., 0] = 1
        for row, pillar in enumerate(hidden):
            for slot, _ in cloud.sub_cells(level, pillar):
                wanted[row, slot] = torch.tensor([0.0, 1.0], dtype=wanted.dtype)
        elements = wanted * F.softplus(-logits) + (1 - wanted) * F.softplus(logits)
        terms[f"occupancy_{level}"] = elements.sum() / (len(hidden) * math.prod(PER_PILLAR[level]) * 2)
    terms["normal"] = ((outputs["normal"] - torch.from_numpy(normals)) ** 2).mean(dim=1).mean()
    return terms
