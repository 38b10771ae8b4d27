"""Exact k nearest neighbours of every point, index build included: `python benchmarks/bm_knn.py [--scan FILE.bin]`."""

from __future__ import annotations

from timing import arguments, clouds, installed, table

from geopt import ops

K = 16


def main() -> None:
    given = arguments(__doc__ or "")
    rows = []
    for name, xyz in clouds(given).items():
        rows.append((name, f"geopt knn k={K}", len(xyz), lambda xyz=xyz: ops.knn(xyz, xyz, K)))
        rows.append((name, "geopt knn k=1", len(xyz), lambda xyz=xyz: ops.knn(xyz, xyz, 1)))
        rows.append(
            (name, "geopt radius_search 0.5 m, 16", len(xyz), lambda xyz=xyz: ops.radius_search(xyz, xyz, 0.5, 16))
        )
        if installed("scipy"):
            from scipy.spatial import cKDTree

            points = xyz.numpy()
            rows.append(
                (name, f"scipy cKDTree k={K}", len(xyz), lambda p=points: cKDTree(p).query(p, K, workers=given.threads))
            )
        if installed("pykdtree"):
            from pykdtree.kdtree import KDTree

            points = xyz.numpy()
            rows.append((name, f"pykdtree k={K}", len(xyz), lambda p=points: KDTree(p).query(p, K)))
    table("knn", given, rows)


if __name__ == "__main__":
    main()
