import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "data.md"


def test_code_of_the_guide_runs(tiny_root, monkeypatch, capsys):
    monkeypatch.setenv("NUSCENES", str(tiny_root))
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    printed = capsys.readouterr().out
    assert len(blocks) == 2 and "scene-0061/2 " in printed and "[1, 9]" in printed
    assert len(names["batch"].frames) == 2 and names["batch"].features.shape[1] == 2
