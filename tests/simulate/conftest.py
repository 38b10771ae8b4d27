"""One small simulated data set, written once per session."""

import json
from pathlib import Path
from typing import Any

import pytest

from geopt.simulate import simulate


class Folder:
    """A nuScenes folder read with nothing but json."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def table(self, name: str) -> list[dict[str, Any]]:
        return json.loads((self.root / "v1.0-mini" / f"{name}.json").read_text())

    def by_token(self, name: str) -> dict[str, dict[str, Any]]:
        rows = self.table(name)
        tokens = {row["token"]: row for row in rows}
        assert len(tokens) == len(rows), f"{name} has a token twice"
        return tokens

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.root)): p.read_bytes() for p in self.root.rglob("*") if p.is_file()}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """scene-0103 and scene-0916, two key frames with two scans each, seed 0; read it, do not change it.

    The second scene is made first and alone, the first is added later.
    """
    root = tmp_path_factory.mktemp("simulated")
    for scenes in (1, 2):
        simulate(root, scenes=scenes, keyframes=2, sweeps=2, seed=0)
    return Folder(root)
