"""What it costs to read a frame: `python benchmarks/bm_read_frame.py ROOT VERSION SELECTION`.

Prints CPU time of one core, best and median over the frames with a full set of sweeps, files in the page cache.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import platform
import sys
import time

import numpy as np
import torch

from geopt.data import DataConfig, build_dataset
from geopt.structures import VoxelGrid


def main(root: str, version: str, selection: str) -> None:
    torch.set_num_threads(1)
    grid = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (0.256, 0.256, 8.0))
    config = DataConfig(root=root, version=version, train=selection, val=selection)
    begin = time.process_time()
    training = build_dataset(config, "train", grid, seed=0)
    machine = platform.processor() or platform.machine()
    print(f"{machine}, NumPy {np.__version__}, {time.strftime('%Y-%m-%d')}, {selection}")
    print(f"open the dataset        {1e3 * (time.process_time() - begin):7.1f} ms")
    still = build_dataset(config, "train", grid, seed=0, augment=False)
    full = [i for i in range(len(still)) if len(still[i].sensor_origins) == config.num_sweeps]
    if not full:
        sys.exit(f"no frame of {selection} has {config.num_sweeps} sweeps")
    for name, dataset in (("not moved", still), ("augmented", training)):
        times, points = [], []
        for index in full * 3:
            begin = time.process_time()
            sample = dataset[0, index]
            times.append(1e3 * (time.process_time() - begin))
            points.append(len(sample.xyz))
        label = f"{config.num_sweeps} sweeps, {name}"
        cost = f"{min(times):7.1f} ms best, {np.median(times):5.1f} median"
        print(f"{label:<23} {cost}, {np.median(points):9,.0f} points kept")


if __name__ == "__main__":
    main(*sys.argv[1:])
