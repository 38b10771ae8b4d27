"""What the guide to the simulated city says runs, and its commands have words that exist."""

import re
import shlex
from pathlib import Path

import pytest

from geopt.visualize.compare.command import parser
from geopt.visualize.perspective import parser as perspective_parser

pytest.importorskip("embreex")
GUIDE = Path(__file__).parents[2] / "docs" / "simulation.md"
LIMIT_BYTES = 150_000


def test_code_of_the_guide_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CITY", str(tmp_path / "city"))
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    exec(compile(block, str(GUIDE), "exec"), {})
    assert re.match(r"\(\d{5}, 3\) \d+ \w+", capsys.readouterr().out)


def test_commands_of_the_guide_take_these_words():
    lines = re.findall(r"^python -m (geopt\.\S+) (.*)$", GUIDE.read_text(), re.MULTILINE)
    parsers = {"geopt.visualize.compare": parser(), "geopt.visualize.perspective": perspective_parser()}
    assert {module for module, _ in lines} == set(parsers)
    for module, words in lines:
        parsers[module].parse_args(shlex.split(words))  # leaves with SystemExit if it does not know one


def test_pictures_of_the_guide_are_small():
    pictures = re.findall(r"\]\((pictures/\S+)\)", GUIDE.read_text())
    assert len(pictures) >= 4
    for picture in pictures:
        assert 0 < (GUIDE.parent / picture).stat().st_size < LIMIT_BYTES, picture
