"""What is aimed at on one H100, in milliseconds, by operation and cloud, and how far a figure is from it."""

from __future__ import annotations

GOALS = {
    ("normals and curvature, k = 16", "160k"): 0.3,
    ("normals and curvature, k = 16", "1M"): 1.2,
    ("knn, k = 16", "160k"): 0.35,
    ("knn, k = 16", "1M"): 1.4,
    ("voxelize 0.1 m", "160k"): 0.05,
    ("voxelize 0.1 m", "1M"): 0.15,
    ("farthest_point_sample 4096", "160k"): 6.0,
    ("box_iou 1000 x 1000", "boxes"): 0.03,
    ("nms of 10,000", "boxes"): 0.5,
    ("index and targets", "ten sweeps"): 1.0,
}


def verdict(milliseconds: float, goal: float | None) -> str:
    """``held``, or by how much the goal is missed; nothing where there is none."""
    if goal is None:
        return ""
    return "held" if milliseconds <= goal else f"missed, {milliseconds / goal:.1f} times as long"
