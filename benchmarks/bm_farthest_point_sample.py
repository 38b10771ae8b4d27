"""4096 farthest points: `python benchmarks/bm_farthest_point_sample.py [--scan FILE.bin]`."""

from __future__ import annotations

import torch
from timing import arguments, clouds, installed, table

from geopt import ops, reference

NUM_SAMPLES = 4096


def main() -> None:
    given = arguments(__doc__ or "")
    rows = []
    for name, xyz in clouds(given).items():
        ends = torch.tensor([0, len(xyz)])
        rows.append(
            (name, "geopt", len(xyz), lambda x=xyz, e=ends: ops.farthest_point_sample(x, e, NUM_SAMPLES)),
        )
        rows.append(
            (name, "torch loop", len(xyz), lambda x=xyz, e=ends: reference.farthest_point_sample(x, e, NUM_SAMPLES))
        )
        if installed("fpsample"):
            import fpsample

            points = xyz.numpy()
            rows.append((name, "fpsample", len(xyz), lambda p=points: fpsample.fps_sampling(p, NUM_SAMPLES)))
    table(f"farthest_point_sample, {NUM_SAMPLES} of each cloud", given, rows)


if __name__ == "__main__":
    main()
