"""Where a pre-training step waits for the GPU: in the functions that docs/training.md lists, and nowhere else."""

import re
import sys
import traceback
import warnings
from pathlib import Path

import pytest
import torch
from batches import batch_of, street
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from geopt.geometry import Pyramid
from geopt.models.config import DensityConfig, MaskConfig, ModelConfig, TargetsConfig
from geopt.models.encoder import GroupConfig, WindowConfig
from geopt.models.geomae import GeoMAE
from geopt.structures import VoxelGrid

ROOT = Path(__file__).resolve().parents[1]
PYRAMID = Pyramid(VoxelGrid((-8, -8, -2), (8, 8, 6), (0.5, 0.5, 8)), ((2, 2, 4), (2, 2, 2)))
# Operators with a size or a value that the host must know.
WAITING = (
    "aten::nonzero",
    "aten::_local_scalar_dense",
    "aten::masked_select",
    "aten::_unique2",
    "aten::unique_consecutive",
    "aten::unique_dim",
    "aten::repeat_interleave.Tensor",
    "geopt::voxel_index",
)


def documented() -> set[str]:
    section = (
        (ROOT / "docs" / "training.md").read_text().split("## Where a step waits for the GPU")[1].split("\n## ")[0]
    )
    return set(re.findall(r"^\| `([\w.]+)`", section, re.MULTILINE))


def place(frames) -> str:
    """The innermost function of geopt that calls no kernel for another, as a module and a name."""
    for frame in reversed(frames):
        path = Path(frame.filename)
        if ROOT / "geopt" in path.parents and frame.name != "sorted_into_voxels":
            return f"{path.relative_to(ROOT / 'geopt').with_suffix('').as_posix().replace('/', '.')}.{frame.name}"
    return "outside"


class Copies(TorchFunctionMode):
    """Copies to the host and from ordinary memory of it; on the CPU no operator stands for them."""

    TO_HOST = ("tolist", "item", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__")

    def __init__(self, places: set[str]):
        super().__init__()
        self.places = places

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        index = args[1] if name in ("__getitem__", "__setitem__") else ()
        by_list = any(isinstance(part, list) for part in (index if isinstance(index, tuple) else (index,)))
        made = name == "new_tensor" or (func is torch.tensor and str(kwargs.get("device")) != "cpu")
        if name in self.TO_HOST or by_list or made:
            self.places.add(place(traceback.extract_stack(sys._getframe(1))))
        return func(*args, **kwargs)


class Waits(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.places: set[str] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name + (f".{func._schema.overload_name}" if func._schema.overload_name else "")
        by_mask = name == "aten::index.Tensor" and any(i is not None and i.dtype == torch.bool for i in args[1])
        counted = name == "aten::repeat_interleave.Tensor" and (kwargs or {}).get("output_size") is not None
        if by_mask or (any(name == w or name.startswith(w + ".") for w in WAITING) and not counted):
            self.places.add(place(traceback.extract_stack(sys._getframe(1))))
        return func(*args, **(kwargs or {}))


def places_that_wait(model, batch):
    """Of a second forward pass: constants are copied in the first."""
    model(batch)
    with Waits() as waits, Copies(waits.places):
        model(batch)
    return waits.places - {"ops._check.rising"}  # on a GPU the kernel checks the offsets itself


def model_and_batch(encoder, device):
    config = ModelConfig(encoder=encoder, feature_drop=0.5)
    targets = TargetsConfig(density=DensityConfig())
    torch.manual_seed(0)
    model = GeoMAE(PYRAMID, ("intensity", "time"), config, MaskConfig(empty_radius=1), targets).to(device)
    return model, batch_of(street(1), street(2)).to(device)


ENCODERS = {"window": WindowConfig(num_blocks=1), "group": GroupConfig(num_blocks=1)}


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_sizes_are_asked_for_where_the_guide_says(encoder):
    """On the CPU: operators that would wait on a GPU. The backward pass runs on a thread that no mode sees."""
    model, batch = model_and_batch(encoder, "cpu")
    places = places_that_wait(model, batch)
    assert places and places <= documented(), places - documented()


def test_the_guide_lists_nothing_that_does_not_wait():
    assert set.union(*(places_that_wait(*model_and_batch(e, "cpu")) for e in ENCODERS.values())) == documented()


WAITED = "called a synchronizing CUDA operation"  # as torch says it; it also says once that its check is a prototype


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_a_step_on_a_gpu_waits_where_the_guide_says(encoder):
    model, batch = model_and_batch(encoder, "cuda")
    model(batch).loss.backward()  # constants are copied the first time
    found = set()

    def note(message, category, filename, line, file=None, text=None):
        if WAITED in str(message):
            found.add(place(traceback.extract_stack(sys._getframe(1))))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            model(batch).loss.backward()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert found <= documented(), found - documented()
