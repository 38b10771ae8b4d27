"""The Python of docs/finetuning.md runs as it stands."""

import re
from pathlib import Path

from nuscenes_folder import write_nuscenes

from geopt import finetuning

GUIDE = (Path(__file__).parents[1] / "docs" / "finetuning.md").read_text()


def test_the_code_runs_on_a_detector(tmp_path, monkeypatch, capsys):
    data = write_nuscenes(tmp_path / "nuscenes")
    options = [f"data.root={data}", "data.version=v1.0-mini", "data.train=scene-0061", "data.val=scene-0103"]
    options += ["data.workers=0", "train.max_steps=1", "train.validate_every=0", "detection.decode.score_threshold=0"]
    monkeypatch.chdir(tmp_path)
    finetuning.finetune(finetuning.load("detect/tiny", [*options, "run.dir=runs/detect"]))
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, flags=re.DOTALL)
    assert blocks
    capsys.readouterr()
    for block in blocks:
        exec(compile(block, "docs/finetuning.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 5
