"""Nearest points, points within a radius, normals and curvature. Index builds are included everywhere. The
clouds of small_gicp and Open3D are made from arrays while the clock runs, that of PCL before: its users hold one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geopt import ops
from geopt.bench import pcl
from geopt.bench.measure import OURS, Case, Peers, turned

K = 16
RADIUS_M = 0.5
MOST_POINTS_IN_RADIUS = 150_000
"""Clouds of more points are not searched for all points within a radius: of ten sweeps together they fill ten gigabytes."""
MOST_POINTS_OF_HYBRID = 300_000
"""Clouds of more points are not searched by radius and k: in a million Open3D takes two minutes."""


def cases(clouds: Mapping[str, Tensor], threads: int, peers: Peers) -> Iterator[Case]:
    """Cases for clouds of (N, 3) float32."""
    library = peers.load("pcl", pcl.load)
    for name, xyz in clouds.items():
        copies = turned(xyz)
        arrays, doubles = [copy.numpy() for copy in copies], [copy.double().numpy() for copy in copies]
        about = f"{name}, {len(xyz):,} points"

        def case(op: str, who: str, of: Any, run: Any, about: str = about, count: int = len(xyz)) -> Case:
            return Case(op, about, who, count, of, run)

        op = f"knn k={K}"
        yield case(op, OURS, copies, lambda x: ops.knn(x, x, K))
        if (pykdtree := peers.find("pykdtree.kdtree")) is not None:
            yield case(op, "pykdtree", arrays, partial(_pykdtree, pykdtree, k=K))
        if (small_gicp := peers.find("small_gicp")) is not None:
            yield case(op, "small_gicp", doubles, partial(_small_gicp, small_gicp, threads=threads))
        if (spatial := peers.find("scipy.spatial")) is not None:
            yield case(op, "scipy cKDTree", arrays, partial(_scipy, spatial, threads=threads))

        op = f"local_pca k={K}"
        yield case(op, OURS, copies, lambda x: ops.local_pca(x, k=K))
        if small_gicp is not None:
            yield case(op, "small_gicp, normals alone", doubles, partial(_small_gicp_normals, small_gicp, threads))
        if (open3d := peers.find("open3d")) is not None:
            yield case(op, "Open3D, normals alone", doubles, partial(_open3d_normals, open3d))
        if library is not None:
            clouds_of_pcl = [pcl.Cloud(library, array) for array in arrays]
            yield case(op, "PCL", clouds_of_pcl, lambda cloud: cloud.estimate(K, threads))

        yield from _chamfer(case, copies, arrays, pykdtree)
        if len(xyz) <= MOST_POINTS_IN_RADIUS:
            op = f"radius_search {RADIUS_M} m"
            yield case(op, OURS, copies, lambda x: ops.radius_search(x, x, RADIUS_M))
            if open3d is not None:
                yield case(op, "Open3D tensor", arrays, partial(_open3d_radius, open3d))
        if len(xyz) <= MOST_POINTS_OF_HYBRID:
            op = f"radius_search {RADIUS_M} m, k={K}"
            yield case(op, OURS, copies, lambda x: ops.radius_search(x, x, RADIUS_M, K))
            if open3d is not None:
                yield case(op, "Open3D tensor", arrays, partial(_open3d_hybrid, open3d))


def _chamfer(case: Any, copies: list[Tensor], arrays: list[NDArray], pykdtree: ModuleType | None) -> Iterator[Case]:
    """Each cloud against one that was moved a little, with gradients; the peer finds the nearest both ways, no more."""
    shift = torch.tensor([0.3, -0.2, 0.05])
    pairs = [(copy.clone().requires_grad_(), (copy + shift).requires_grad_()) for copy in copies]
    yield case("chamfer_distance", OURS, pairs, _our_chamfer)
    if pykdtree is not None:
        moved = [(array, array + shift.numpy()) for array in arrays]
        yield case("chamfer_distance", "pykdtree, nearest alone", moved, partial(_pykdtree_both_ways, pykdtree))


def _our_chamfer(pair: tuple[Tensor, Tensor]) -> object:
    return torch.autograd.grad(ops.chamfer_distance(*pair).sum(), pair)


def _pykdtree(module: ModuleType, points: NDArray, k: int, queries: NDArray | None = None) -> object:
    return module.KDTree(points).query(points if queries is None else queries, k)


def _pykdtree_both_ways(module: ModuleType, pair: tuple[NDArray, NDArray]) -> object:
    return _pykdtree(module, pair[0], 1, pair[1]), _pykdtree(module, pair[1], 1, pair[0])


def _small_gicp(module: ModuleType, points: NDArray, threads: int) -> object:
    return module.KdTree(points, threads).batch_knn_search(points, K, threads)


def _scipy(spatial: ModuleType, points: NDArray, threads: int) -> object:
    return spatial.cKDTree(points).query(points, K, workers=threads)


def _small_gicp_normals(module: ModuleType, threads: int, points: NDArray) -> object:
    cloud = module.PointCloud(points)
    module.estimate_normals(cloud, num_neighbors=K, num_threads=threads)
    return cloud.normals()


def _open3d_normals(module: ModuleType, points: NDArray) -> object:
    cloud = module.geometry.PointCloud(module.utility.Vector3dVector(points))
    cloud.estimate_normals(module.geometry.KDTreeSearchParamKNN(K))
    return np.asarray(cloud.normals)


def _open3d_search(module: ModuleType, points: NDArray) -> tuple[Any, Any]:
    tensor = module.core.Tensor.from_numpy(points)
    return tensor, module.core.nns.NearestNeighborSearch(tensor)


def _open3d_radius(module: ModuleType, points: NDArray) -> object:
    tensor, search = _open3d_search(module, points)
    search.fixed_radius_index(RADIUS_M)
    return search.fixed_radius_search(tensor, RADIUS_M)


def _open3d_hybrid(module: ModuleType, points: NDArray) -> object:
    tensor, search = _open3d_search(module, points)
    search.hybrid_index(RADIUS_M)
    return search.hybrid_search(tensor, RADIUS_M, K)
