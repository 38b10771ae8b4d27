import re
from pathlib import Path

import kitti_folder
import waymo_files

GUIDE = Path(__file__).parents[2] / "docs" / "data.md"


def test_code_of_the_guide_runs(tiny_root, tmp_path, monkeypatch, capsys):
    waymo_files.write_v1(waymo_files.make_drive(num_frames=6), tmp_path / "training" / "segment.tfrecord")
    monkeypatch.setenv("WAYMO", str(tmp_path))
    monkeypatch.setenv("NUSCENES", str(tiny_root))
    monkeypatch.setenv("KITTI", str(kitti_folder.write_kitti(tmp_path / "kitti")))
    drives = kitti_folder.write_sequence(tmp_path / "drives", "00", kitti_folder.make_drive())
    monkeypatch.setenv("SEMANTICKITTI", str(drives))
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    printed = capsys.readouterr().out
    assert len(blocks) == 4 and "scene-0061/2 " in printed and "[1, 9]" in printed
    assert len(names["batch"].frames) == 2 and names["batch"].features.shape[1] == 2
    assert f"{waymo_files.NAME}/0 sunny" in printed and names["labels"].box.shape == (5, 7)
    assert "000000/0 ('Car',)" in printed and len(names["cloud"].xyz) == 150 and len(names["objects"]) == 50
