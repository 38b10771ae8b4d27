"""Clouds to time on: scan files of the user's, and streets that a formula draws."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

SCANS_OF_A_FOLDER = 3


def street(num_beams: int, num_steps: int, seed: int = 0, shift_m: float = 0.0) -> Tensor:
    """Ground, two house fronts, parked cars and range noise from 1.8 m above the ground, beam by beam.

    Returns:
        (num_beams * num_steps, 3) float32, metres.
    """
    generator = torch.Generator().manual_seed(seed)
    elevation = torch.deg2rad(torch.linspace(-28, 8, num_beams, dtype=torch.float64))[:, None]
    azimuth = torch.linspace(-torch.pi, torch.pi, num_steps + 1, dtype=torch.float64)[None, :-1]
    x, y, z = elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin().expand(-1, num_steps)
    reach = torch.where(z < 0, -1.8 / z, torch.inf).clamp(max=80)
    reach = torch.minimum(reach, torch.where(y > 0, 9.0, 11.0) / y.abs())
    for number in range(16):  # a car's side as a piece of a wall parallel to the street
        along, side_m = (number // 2 - 4) * 7.5 - shift_m, (4.5, -5.5)[number % 2]
        distance = side_m / y
        hit = (distance > 0) & ((x * distance - along).abs() < 2.3) & (z * distance < -0.3)
        reach = torch.where(hit, torch.minimum(reach, distance), reach)
    reach = reach + 0.02 * torch.randn(reach.shape, generator=generator, dtype=torch.float64)
    return torch.stack([reach * x + shift_m, reach * y, reach * z], dim=-1).reshape(-1, 3).float().contiguous()


def made_up() -> dict[str, Tensor]:
    """A sweep of 32 beams, one of 64, and eight of the latter from places two metres apart."""
    many = [street(64, 1953, seed, 2.0 * seed) for seed in range(8)]
    return {
        "street, 32 beams": street(32, 1090),
        "street, 64 beams": street(64, 2508),
        "street, 8 sweeps": torch.cat(many),
    }


def read(paths: Sequence[str | Path]) -> dict[str, Tensor]:
    """Scan files, and the first, middle and last of each folder of them.

    Returns:
        (N, 3) float32 points that are finite, by name.

    Raises:
        FileNotFoundError, ValueError: a path is missing or damaged; names it.
    """
    from geopt.data.folder.scan_files import find_scans, read_scan  # pydantic, which streets alone do without

    clouds = {}
    for path in map(Path, paths):
        found = find_scans(path) if path.is_dir() else [path]
        chosen = sorted({round(i * (len(found) - 1) / (SCANS_OF_A_FOLDER - 1)) for i in range(SCANS_OF_A_FOLDER)})
        for number in chosen:
            columns = read_scan(found[number]).columns
            xyz = torch.from_numpy(np.stack([columns[axis] for axis in "xyz"], axis=1).astype(np.float32))
            clouds[found[number].name] = xyz[xyz.isfinite().all(dim=1)].contiguous()
    return clouds
