"""What the guide to folders says runs as it stands."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import scan_writers as writers
import yaml

from geopt import pretraining

GUIDE = (Path(__file__).parents[3] / "docs" / "folders.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("scans", ["made up", "real"])
def test_five_lines_of_yaml_pretrain(scans, tmp_path, monkeypatch, request):
    (text,) = blocks("yaml")
    assert len(text.splitlines()) == 5
    (tmp_path / "my_scans.yaml").write_text(text)
    if scans == "real":
        real = request.getfixturevalue("shared_data") / "kitti_raw_drive"
        (tmp_path / "my_scans").symlink_to(real)
    else:
        (tmp_path / "my_scans").mkdir()
        for number in range(4):
            content = writers.pcd(writers.cloud(4000, number), "binary_compressed")
            (tmp_path / "my_scans" / f"{number}.pcd").write_bytes(content)
    monkeypatch.chdir(tmp_path)
    more = ["train.max_steps=2", "data.workers=0", "run.dir=run", "train.num_threads=1", "train.log_every=1"]
    run = pretraining.pretrain(pretraining.load("my_scans.yaml", more))
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data"]["features"] == [] and config["data"]["num_sweeps"] == 1
    losses = [json.loads(line).get("loss") for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any(loss is not None and np.isfinite(loss) for loss in losses)


def test_a_log_pretrains_with_poses_and_straight_scans(tmp_path, monkeypatch):
    topics = {"/points": "sensor_msgs/msg/PointCloud2", "/odom": "nav_msgs/msg/Odometry"}
    messages = []
    for number in range(4):
        points, time_ns = writers.cloud(3000, number, t="u4"), 1_700_000_000_000_000_000 + number * 100_000_000
        points["t"] = np.linspace(0, 99_000_000, len(points))
        messages.append(("/points", time_ns, writers.cloud_message(points, time_ns)))
        messages.append(("/odom", time_ns, writers.odometry_message(time_ns, (number, 0, 0), (0, 0, 0, 1))))
    (tmp_path / "my_bag").mkdir()
    writers.mcap(tmp_path / "my_bag" / "my_bag_0.mcap", topics, messages)
    monkeypatch.chdir(tmp_path)
    (command,) = [block for block in blocks("bash") if "my_bag" in block]
    preset, *overrides = command.replace("\\\n", " ").split()[2:]
    more = ["train.max_steps=2", "data.workers=0", "train.num_threads=1"]
    run = pretraining.pretrain(pretraining.load(preset, [*overrides, *more]))
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["data"]["folder"]["deskew"] and config["data"]["num_sweeps"] == 3


def test_code_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    points = writers.cloud(t="u4")
    points["t"] = np.linspace(0, 99_000_000, len(points))
    for number in range(3):
        (tmp_path / f"{number}.ply").write_bytes(writers.ply(points, "binary_little_endian"))
    (tmp_path / "times.txt").write_text("0\n0.1\n0.2\n")
    (tmp_path / "poses.txt").write_text("".join(f"1 0 0 {n} 0 1 0 0 0 0 1 0\n" for n in range(3)))
    monkeypatch.setenv("FOLDER", str(tmp_path))
    (block,) = blocks("python")
    exec(compile(block, "folders.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "(300, 3) 0.099" in printed and "(900, 3)" in printed and "'time'" in printed
