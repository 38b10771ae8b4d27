"""Where the time of a pre-training step goes: `python benchmarks/bm_pretrain_step.py [--data ROOT --version V --frames SELECTION]`.

One frame of ten sweeps, the first of SELECTION that has as many; without --data a simulated one. The first table is the
geometry index and all targets alone; the second splits a whole step. Medians; the input is rotated among copies that are
shifted by a little, so that no cache holds the answer.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable

# As the command line does: threads that spin starve each other, those that fall asleep at once take long to wake.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "5000")

import torch
from goals import GOALS, verdict

from geopt import pretraining
from geopt.geometry import GeometryIndex
from geopt.models.geomae import GeoMAE, mean_losses
from geopt.structures import PointBatch
from geopt.targets import make_queries, random_mask


class Clock:
    """Adds up named parts of a step."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.parts: dict[str, list[float]] = {}

    def __call__(self, name: str, work: Callable[[], object]) -> object:
        self._wait()
        begin = time.perf_counter()
        result = work()
        self._wait()
        self.parts.setdefault(name, []).append(1e3 * (time.perf_counter() - begin))
        return result

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(times) for name, times in self.parts.items()}


def targets_only(model: GeoMAE, batch: PointBatch, clock: Clock) -> None:
    """Index, mask and the truth of every target."""
    index = clock("index", lambda: GeometryIndex(batch, model.pyramid))
    mask = clock("mask", lambda: random_mask(index, model.mask_config.ratio, batch.seeds))
    queries = clock("queries", lambda: make_queries(index, mask, model.mask_config.empty_radius))
    for target in model.targets.values():
        clock(target.name, lambda target=target: target.truth(index, queries))


def step(model: GeoMAE, optimizer: torch.optim.Optimizer, batch: PointBatch, clock: Clock) -> None:
    def targets():
        index = GeometryIndex(batch, model.pyramid)
        mask = random_mask(index, model.mask_config.ratio, batch.seeds)
        queries = make_queries(index, mask, model.mask_config.empty_radius)
        return index, mask, queries, {t.name: t.truth(index, queries) for t in model.targets.values()}

    def losses():
        found = {t.name: t.loss(outputs[t.name], truths[t.name]) for t in model.targets.values()}
        means = dict(zip(found, mean_losses(list(found.values()))))
        return sum(t.weight * means[t.name] for t in model.targets.values())

    index, mask, queries, truths = clock("index and targets", targets)
    coords = index.levels[0].coords_bxyz[mask.visible]
    tokens = clock("voxel encoder", lambda: model.backbone.voxel_tokens(index, batch.features, mask.visible)[0])
    tokens = clock("encoder", lambda: model.backbone.encoder(tokens, coords))
    outputs = clock("decoders and heads", lambda: model.decode(tokens, coords, queries))
    loss = clock("losses", losses)
    clock("backward", lambda: loss.backward())
    clock("optimizer", lambda: (optimizer.step(), optimizer.zero_grad()))


def batches(config: pretraining.PretrainConfig, device: torch.device) -> list[PointBatch]:
    """Copies of one frame, each moved by millimetres."""
    frames = pretraining.build_datasets(config).val
    full = (i for i in range(len(frames)) if len(frames[i].sensor_origins) == config.data.num_sweeps)
    batch = pretraining.collate([frames[next(full)]]).to(device)
    return [
        dataclasses.replace(batch, xyz=batch.xyz + batch.xyz.new_tensor([0.001 * i, -0.002 * i, 0.0]), seeds=(i,))
        for i in range(4)
    ]


def show(parts: dict[str, float], title: str) -> None:
    total = sum(parts.values())
    print(f"\n{title}")
    for name, value in parts.items():
        print(f"  {name:<22}{value:9.1f} ms {value / total:7.1%}")
    print(f"  {'total':<22}{total:9.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="")
    parser.add_argument("--version", default="v1.0-mini")
    parser.add_argument("--frames", default="mini_val")
    parser.add_argument("--presets", default="paper,geopt")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    where = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine()
    with tempfile.TemporaryDirectory() as folder:
        root = options.data
        if not root:
            from geopt.simulate import simulate

            root = str(simulate(folder, scenes=3, keyframes=1, sweeps=10))
        for preset in options.presets.split(","):
            data = [f"data.root={root}", f"data.version={options.version}"]
            config = pretraining.load(preset, [*data, f"data.train={options.frames}", f"data.val={options.frames}"])
            rotated = batches(config, device)
            model = pretraining.build_model(config).to(device)
            if preset == options.presets.split(",")[0]:
                print(f"{where}, {options.threads} threads, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}")
            print(f"\n== preset {preset}: {rotated[0].frames[0]}, {rotated[0].xyz.shape[0]:,} points")
            clock = Clock(device)
            for i in range(3 + options.repeats):
                if i == 3:
                    clock.parts.clear()
                targets_only(model, rotated[i % 4], clock)
            show(clock.medians(), "index and targets")
            if not options.steps:
                continue
            optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
            clock = Clock(device)
            for i in range(1 + options.steps):
                if i == 1:
                    clock.parts.clear()
                step(model, optimizer, rotated[i % 4], clock)
            parts = clock.medians()
            show(parts, "one step, one frame")
            if device.type == "cuda":
                goal = GOALS["index and targets", "ten sweeps"]
                print(f"  index and targets: goal {goal} ms, {verdict(parts['index and targets'], goal)}")


if __name__ == "__main__":
    main()
