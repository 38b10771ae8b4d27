"""How many times as long as geopt the peers are expected to take, on equal threads."""

from __future__ import annotations

from typing import NamedTuple


class Goal(NamedTuple):
    """A ratio to hold on every input, or None and None where it is shown for information."""

    op: str
    """:attr:`geopt.bench.measure.Case.op`"""
    peer: str
    """What :attr:`geopt.bench.measure.Case.who` of the peer begins with; of several such cases the fastest counts."""
    must: float | None
    reach: float | None


GOALS = (
    Goal("local_pca k=16", "small_gicp", 5, 10),
    Goal("local_pca k=16", "Open3D", 6, 12),
    Goal("local_pca k=16", "PCL", 8.5, 15),
    Goal("knn k=16", "pykdtree", 3.2, 6),
    Goal("knn k=16", "small_gicp", 3.2, 6),
    # No goal: a scan has tens of millions of pairs within 0.5 m. To write them down, found by nobody, already takes a tenth
    # of Open3D's time; the goal for searches is that of the next row.
    Goal("radius_search 0.5 m", "Open3D tensor", None, None),
    Goal("radius_search 0.5 m, k=16", "Open3D tensor", 20, 40),
    Goal("voxelize 0.1 m and mean", "spconv", 2.5, 3.5),
    Goal("voxelize 0.1 m and mean", "torch.unique(key)", 2.8, 4),
    Goal("voxelize 0.1 m and mean", "torch.unique(dim=0)", 100, 150),
    Goal("farthest_point_sample 4096", "fpsample", 3, 6),
    Goal("box_iou bev, sparse", "numba", 6, 10),
    Goal("box_iou bev, dense", "numba", 10, 15),
    Goal("nms 4,000 boxes", "numba", 3, 6),
    Goal("chamfer_distance", "pykdtree", 3, 5),
)
"""PCL has no wheel, and spconv not for every machine; where a peer is missing the goal is not judged."""
