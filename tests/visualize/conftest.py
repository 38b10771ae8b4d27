"""A run folder as training leaves it, and one predicted frame."""

from pathlib import Path
from typing import Any

import pytest
import torch
from run_folders import train_rows, validation_rows, write_run

from geopt.structures import VoxelGrid


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run-a", train_rows(range(10, 401, 10)) + validation_rows())


@pytest.fixture(scope="session")
def picture() -> dict[str, Any]:
    """A wall of two cells' height and flat ground, on a grid that is longer than it is wide."""
    grid = VoxelGrid((-16.0, -8.0, -2.0), (16.0, 8.0, 2.0), (2.0, 2.0, 4.0))
    cells = grid.divided((2, 2, 2))
    generator = torch.Generator().manual_seed(0)
    ground = torch.rand(3000, 3, generator=generator) * torch.tensor([32.0, 16.0, 0.2]) + torch.tensor([-16.0, -8, -1])
    wall = torch.rand(1000, 3, generator=generator) * torch.tensor([8.0, 0.3, 2.5]) + torch.tensor([2.0, 4.0, -1])
    points = torch.cat([ground, wall])
    lower, size, cell_size = (torch.tensor(v) for v in (grid.lower, grid.size, cells.size))
    tokens = torch.unique(((points - lower) / size).floor().int(), dim=0)
    hidden = torch.rand(len(tokens), generator=generator) < 0.7
    occupied = torch.unique(((points - lower) / cell_size).floor(), dim=0)
    centers = (occupied + 0.5) * cell_size + lower
    truth = torch.ones(len(centers), dtype=torch.bool)
    truth[::5] = False
    probability = torch.full((len(centers),), 0.9)
    probability[1::5] = 0.1
    normals = torch.nn.functional.normalize(torch.randn(200, 3, generator=generator), dim=1)
    return {
        "grid_lower": lower,
        "grid_upper": torch.tensor(grid.upper),
        "points": points,
        "token_coords": tokens,
        "token_size": size,
        "token_hidden": hidden,
        "cell_centers": centers,
        "cell_size": cell_size,
        "cell_truth": truth,
        "cell_probability": probability,
        "normal_positions": points[:200],
        "normals": normals,
        "normals_predicted": -normals,
        "frame": "scene-0523/30",
        "step": 400,
    }
