"""The two promises of the README, kept: minutes of pre-training beat constant predictors on frames never seen."""

from __future__ import annotations

import json

import pytest

from geopt import demo, pretraining

pytestmark = [pytest.mark.long, pytest.mark.timeout(2400)]


def check(found: dict[str, tuple[float, float]]) -> None:
    gains = {name: demo.improvement(name, *values) for name, values in found.items()}
    assert all(gains[name] >= needed for name, needed in demo.NEEDED.items()), gains


def test_the_demo_learns_from_simulated_streets(tmp_path):
    pytest.importorskip("embreex")
    check(demo.pretrain_on(demo.simulate_city(tmp_path), tmp_path))
    assert (tmp_path / "run" / "report.html").stat().st_size > 50_000


def test_tiny_learns_from_real_scans(nuscenes_root, tmp_path):
    """First 30 key frames of scene-0523 to train on, last 10 to validate on; they share no sweep."""
    overrides = [f"data.root={nuscenes_root}", "data.version=v1.0-mini", f"run.dir={tmp_path / 'run'}"]
    overrides += ["data.train=scene-0523[:30]", "data.val=scene-0523[30:]"]
    run = pretraining.pretrain(pretraining.load("tiny", overrides))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = rows[-1] if "val/loss" in rows[-1] else rows[-2]
    check({name: (last[f"val/{name}"], last[f"val/{name}_baseline"]) for name in demo.NEEDED})
