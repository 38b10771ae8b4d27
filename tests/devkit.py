"""Official evaluators in processes of their own.

That of nuScenes runs where GEOPT_DEVKIT_PYTHON names the Python of an environment with nuscenes-devkit 1.2.0, that of
Argoverse 2 where GEOPT_AV2_PYTHON names one with av2 0.3.6. The latter needs neither torch nor torchvision: ``pip install
--no-deps`` it and what it asks for when ``av2.evaluation.detection.eval`` is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PYTHON = os.environ.get("GEOPT_DEVKIT_PYTHON", "")
AV2_PYTHON = os.environ.get("GEOPT_AV2_PYTHON", "")
needed = pytest.mark.skipif(not PYTHON, reason="no official devkit: set GEOPT_DEVKIT_PYTHON")


def blas_kernel() -> str:
    """The kernel that the devkit's OpenBLAS is told to take, "" for its own choice.

    Distances of tracks depend on how the BLAS rounds. OpenBLAS does not know every new processor and then takes a kernel
    without fused multiply-add; the official numbers stored elsewhere were made with one that has it.
    """
    if "OPENBLAS_CORETYPE" in os.environ:
        return os.environ["OPENBLAS_CORETYPE"]
    return "SkylakeX" if "avx512f" in Path("/proc/cpuinfo").read_text() else ""


def answers(oracle: ModuleType, cases: list[tuple], python: str = PYTHON) -> list[dict[str, Any]]:
    """What a script of ours that an official evaluator's Python runs says of each case.

    Args:
        oracle: The script, which reads the cases as JSON and prints a list as long.
        cases: Tuples of what JSON can hold, and paths.
        python: The one that has the evaluator.
    """
    environment = os.environ | ({"OPENBLAS_CORETYPE": blas_kernel()} if blas_kernel() else {})
    done = subprocess.run(
        [python, str(oracle.__file__)],
        input=json.dumps(cases, default=str),
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return json.loads(done.stdout)


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    """Nested metrics as one mapping from path to value, without the run times."""
    if not isinstance(tree, dict | list):
        return {path: tree}
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return {k: v for key, child in children if key != "eval_time" for k, v in flat(child, f"{path}/{key}").items()}
