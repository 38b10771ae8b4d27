"""The code of the guide runs, and the keys that it promises may change are those that may."""

from __future__ import annotations

import re
from pathlib import Path

from nuscenes_folder import write_nuscenes

from geopt import pretraining
from geopt.train.run_folder import FREE_KEYS

GUIDE = (Path(__file__).parents[2] / "docs" / "training.md").read_text()


def test_code_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    root = write_nuscenes(tmp_path / "city", num_key_frames=2)
    overrides = [f"data.root={root}", "data.version=v1.0-mini", "data.train=scene-0061", "data.val=scene-0103"]
    overrides += [f"run.dir={tmp_path / 'runs' / 'city'}", "train.max_steps=2", "data.workers=0"]
    pretraining.pretrain(pretraining.load("tiny", overrides))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    exec(compile(block, "docs/training.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("2 ") and printed[1].startswith("('intensity', 'time_lag_s') ego {'lower': [-25.6")


def test_the_guide_names_the_keys_that_may_change():
    (sentence,) = re.findall(r"These may change.*?: (.*?)\. ", GUIDE, re.DOTALL)
    named = {key.removesuffix(".*") for key in re.findall(r"`([\w.*]+)`", sentence)}
    assert named == set(FREE_KEYS)
