"""The folder list is the architecture: imports point down the floors, and the light parts stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "geopt"

# A module may import from its own room and from lower floors; rooms on one floor do not know each other, but for BESIDE.
GROUND = {
    "__init__",
    "structures",
    "schema",
    "optional",
    "resources",
    "files",
    "official",
    "cache",
    "plugins",
    "tables",
}
GROUND |= {"config", "config_errors"}  # they read YAML and know no model
GROUND |= {"damage", "feather"}  # files that any floor reads
GROUND |= {"transfer"}
FLOORS = [
    GROUND,  # these may lean on each other
    {"ops", "reference", "evaluation"},
    {"geometry"},
    {"targets", "data", "simulate"},
    {"models", "visualize", "inspection", "bench"},
    {"heads"},
    {"train"},
    {"pretraining", "score", "score_tables", "probing", "packing"},
    {"finetuning"},
    {"predicting"},
    {"demo"},
    {"demo_report"},
    {"cli"},
]
BESIDE = {"ops": {"reference"}}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def floor_of(room: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "geopt":
            parts = node.module.split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("geopt.")}
    return rooms - {"_C", "_host", "__version__"}


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down_the_floors(path):
    room = room_of(path)
    if path == PACKAGE / "__init__.py":
        return  # names load_encoder, and imports it when it is called
    for other in imported_rooms(path) - {room}:
        beside = {room, other} <= GROUND or other in BESIDE.get(room, set())
        allowed = floor_of(other) < floor_of(room) or beside
        assert allowed, f"{path.relative_to(ROOT)} (floor {floor_of(room)}) imports {other} (floor {floor_of(other)})"


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_ops_geometry_and_targets_need_torch_and_numpy_alone():
    others = [
        "pydantic",
        "omegaconf",
        "scipy",
        "numba",
        "msgspec",
        "typer",
        "rich",
        "safetensors",
        "matplotlib",
        "embreex",
    ]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({others!r}))\n"  # None in sys.modules makes an import fail
        "import geopt.ops, geopt.reference, geopt.geometry, geopt.targets"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_package_itself_is_light():
    assert not modules_after("import geopt") & {"torch", "numpy", "pydantic", "typer"}
    assert "torch" not in modules_after("import geopt.tables, geopt.evaluation, geopt.score")


def test_importing_geopt_imports_no_extra():
    everything = "import geopt.data, geopt.simulate, geopt.finetuning, geopt.predicting, geopt.score, geopt.cli"
    assert not modules_after(everything) & {
        "pyarrow",
        "google",
        "embreex",
        "matplotlib",
        "tensorboard",
        "tensorflow",
        "lz4",
        "zstandard",
        "laspy",
    }


@pytest.mark.parametrize(
    "name", ["matplotlib", "embreex", "trimesh", "tensorboard", "open3d", "pyarrow", "lz4", "zstandard", "laspy"]
)
def test_optional_packages_are_imported_where_they_are_used(name):
    for path in MODULES:
        tree = ast.parse(path.read_text())
        top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
        names = {a.name.split(".")[0] for n in top if isinstance(n, ast.Import) for a in n.names}
        names |= {(n.module or "").split(".")[0] for n in top if isinstance(n, ast.ImportFrom)}
        assert name not in names, f"{path.relative_to(ROOT)} imports {name} at module level"


def test_every_op_has_a_kernel_a_reference_and_a_wrapper():
    from geopt import ops, reference

    for op in ops.backends():
        assert callable(getattr(ops, op)) and callable(getattr(reference, op))
        assert getattr(ops, op).__doc__ and "Raises:" in getattr(ops, op).__doc__
