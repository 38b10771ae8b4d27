"""Normals and eigenvalues from 16 neighbours: `python benchmarks/bm_local_pca.py [--scan FILE.bin]`."""

from __future__ import annotations

import torch
from timing import arguments, clouds, installed, table
from torch import Tensor

from geopt import ops

K = 16


def with_scipy(xyz: Tensor, workers: int) -> Tensor:
    """The usual substitute: a k-d tree, then batched eigh."""
    from scipy.spatial import cKDTree

    rows = torch.from_numpy(cKDTree(xyz.numpy()).query(xyz.numpy(), K, workers=workers)[1])
    around = (xyz[rows] - xyz[:, None]).double()
    centred = around - around.mean(dim=1, keepdim=True)
    return torch.linalg.eigh(centred.transpose(1, 2) @ centred / K)[1][..., 0]


def main() -> None:
    given = arguments(__doc__ or "")
    rows = []
    for name, xyz in clouds(given).items():
        rows.append((name, f"geopt local_pca k={K}", len(xyz), lambda xyz=xyz: ops.local_pca(xyz, k=K)))
        if installed("scipy"):
            rows.append((name, "scipy cKDTree + torch eigh", len(xyz), lambda xyz=xyz: with_scipy(xyz, given.threads)))
        if installed("small_gicp"):
            import small_gicp

            points = xyz.numpy()

            def normals(points=points):  # type: ignore[no-untyped-def]
                cloud = small_gicp.PointCloud(points)
                small_gicp.estimate_normals(cloud, num_neighbors=K, num_threads=given.threads)

            rows.append((name, "small_gicp normals alone", len(xyz), normals))
    table("local_pca", given, rows)


if __name__ == "__main__":
    main()
