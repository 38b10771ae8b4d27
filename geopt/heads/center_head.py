"""Maps of centres and boxes for groups of classes."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from geopt.heads.bev import at_cells, map_norm
from geopt.heads.center_targets import KINDS, NUM_WITHOUT_VELOCITY, CenterTargets
from geopt.heads.config import DetectionConfig, NeckConfig
from geopt.heads.losses import gaussian_focal, masked_l1
from geopt.targets.base import Loss

PRIOR = 0.1
"""Score of every cell before training (Lin et al., Focal Loss, arXiv:1708.02002; CenterPoint's -2.19)."""


class GroupMaps(NamedTuple):
    """What the head says of a task group."""

    heatmap: Tensor
    """(B, classes of the group, X, Y) float32 logits."""
    values: Tensor
    """(B, 10, X, Y) float32; channels as :attr:`geopt.heads.center_targets.CenterTargets.values`."""


class TaskGroups:
    """Which class is in which group.

    Args:
        groups: Names.
        classes: Names in the order of the task's class numbers.

    Attributes:
        names: One for each group.
        rows: Class numbers of each group.
        group_of_class: Group of each class.

    Raises:
        ValueError: a class is in no group, or a group has an unknown class.
    """

    def __init__(self, groups: tuple[tuple[str, ...], ...], classes: tuple[str, ...]) -> None:
        grouped = [name for group in groups for name in group]
        if sorted(grouped) != sorted(classes):
            extra, absent = sorted(set(grouped) - set(classes)), sorted(set(classes) - set(grouped))
            raise ValueError(
                f"head.groups: must hold each class once ({', '.join(classes)}), got {', '.join(extra) or 'none'} that is "
                f"no class, and nothing of {', '.join(absent) or 'none'}"
            )
        self.names = tuple("+".join(group) for group in groups)
        self.rows = tuple(tuple(classes.index(name) for name in group) for group in groups)
        of_class = {row: number for number, rows in enumerate(self.rows) for row in rows}
        self.group_of_class = tuple(of_class[row] for row in range(len(classes)))


class CenterHead(nn.Module):
    """A shared layer, then for each group a heatmap and the maps of a box.

    Args:
        config: Width and branches.
        neck: Its norm is used.
        in_channels: Of the map.
        groups: Classes.

    Source: Yin et al., CenterPoint, CVPR 2021, arXiv:2006.11275.
    """

    def __init__(self, config: DetectionConfig, neck: NeckConfig, in_channels: int, groups: TaskGroups) -> None:
        super().__init__()
        width = config.channels
        if neck.norm == "group" and width % neck.num_groups:
            raise ValueError(f"head.channels: must be a multiple of neck.num_groups ({neck.num_groups}), got {width}")
        self.groups, self.config = groups, config
        self.shared = _layer(neck, in_channels, width)
        self.tasks = nn.ModuleList()
        for rows in groups.rows:
            kinds = {"heatmap": len(rows), **KINDS}
            if config.branches == "joint":
                kinds = {"all": sum(kinds.values())}
            branches = {
                kind: nn.Sequential(_layer(neck, width, width), nn.Conv2d(width, outputs, 1))
                for kind, outputs in kinds.items()
            }
            self.tasks.append(nn.ModuleDict(branches))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        for rows, task in zip(groups.rows, self.tasks):
            for kind, branch in task.items():  # type: ignore[operator]
                last = branch[-1]
                nn.init.normal_(last.weight, std=0.01)
                nn.init.zeros_(last.bias)
                if kind in ("heatmap", "all"):
                    nn.init.constant_(last.bias[: len(rows)], math.log(PRIOR / (1 - PRIOR)))

    def forward(self, dense: Tensor) -> list[GroupMaps]:
        """(B, in_channels, X, Y) to the maps of every group."""
        shared = self.shared(dense)
        found = []
        for rows, task in zip(self.groups.rows, self.tasks):
            maps = torch.cat([branch(shared) for branch in task.values()], dim=1).float()  # type: ignore[operator]
            found.append(GroupMaps(maps[:, : len(rows)], maps[:, len(rows) :]))
        return found

    def losses(self, maps: list[GroupMaps], targets: CenterTargets) -> dict[str, Loss]:
        """``heatmap_<group>``, ``box_<group>`` (offset, height, size, rotation) and ``velocity_<group>``."""
        bounds = torch.searchsorted(targets.groups, torch.arange(len(maps) + 1, device=targets.groups.device)).tolist()
        found: dict[str, Loss] = {}
        for number, (name, rows, of_group) in enumerate(zip(self.groups.names, self.groups.rows, maps)):
            objects = slice(bounds[number], bounds[number + 1])
            predicted = at_cells(of_group.values, targets.cells[objects])
            truth = targets.values[objects]
            split = NUM_WITHOUT_VELOCITY
            found[f"heatmap_{name}"] = gaussian_focal(of_group.heatmap, targets.heatmaps[:, list(rows)])
            found[f"box_{name}"] = masked_l1(predicted[:, :split], truth[:, :split])
            found[f"velocity_{name}"] = masked_l1(predicted[:, split:], truth[:, split:])
        return found

    def weight_of(self, term: str) -> float:
        """Weight of a loss in the total, by its name in :meth:`losses`."""
        return float(getattr(self.config, f"{term.partition('_')[0]}_weight"))


def _layer(neck: NeckConfig, in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), map_norm(neck, out_channels), nn.ReLU()
    )
