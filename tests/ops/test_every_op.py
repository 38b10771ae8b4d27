"""What every op promises, for every row of ``op_rows``: the same bits with any number of threads, any strides, any
instructions, in any batch, in any process and under autocast; and that it equals its reference on unkind clouds.

An op of geopt.ops without a row fails here.
"""

import hashlib
import inspect
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from clouds import ALL, by_name
from op_rows import ROWS, assert_same_bits, tensors

from geopt import ops, reference
from geopt.ops._library import KERNELS

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

RINGS = by_name("rings")
XYZ, OFFSETS = RINGS.xyz, RINGS.offsets
EMPTY = [cloud for cloud in ALL if len(cloud.xyz) < 3 or "empty" in cloud.name]
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


def test_every_op_has_a_row():
    assert {row.op for row in ROWS.values()} == set(ops.__all__) - {"backends", "build_info"} == set(KERNELS)


def test_rows_say_what_the_ops_say():
    for name, row in ROWS.items():
        op = getattr(ops, row.op)
        takes_clouds = any("offsets" in parameter for parameter in inspect.signature(op).parameters)
        assert takes_clouds == (row.of_cloud is not None), name
        says_no = "Not differentiable" in op.__doc__
        assert says_no == (not any(r.differentiable for r in ROWS.values() if r.op == row.op)), name


@every_row
def test_one_thread_and_many_give_the_same_bits(row, threads):
    results = []
    for count in (1, 2, 5):
        with threads(count):
            results.append(row.run(ops, XYZ, OFFSETS))
    assert_same_bits(results[0], results[1])
    assert_same_bits(results[0], results[2])


@pytest.mark.parametrize("name", ["voxel_index", "voxel_downsample", "knn", "local_pca", "radius_search capped"])
def test_one_thread_and_many_give_the_same_bits_on_a_real_scan(name, threads, scan):
    """Of SemanticKITTI's 124,668 points every loop has several chunks."""
    results = []
    for count in (1, 2):
        with threads(count):
            results.append(ROWS[name].run(ops, scan, torch.tensor([0, len(scan)])))
    assert_same_bits(*results)


@every_row
def test_every_level_of_instructions_gives_the_same_bits(row, simd):
    before = torch.ops.geopt.set_simd("base")
    expected = row.run(ops, XYZ, OFFSETS)
    torch.ops.geopt.set_simd(before)
    assert_same_bits(row.run(ops, XYZ, OFFSETS), expected)


def digest(row):
    """Of the bits of a result."""
    results = tensors(row.run(ops, XYZ, OFFSETS))
    return hashlib.sha256(b"".join(t.detach().contiguous().numpy().tobytes() for t in results)).hexdigest()


def test_another_process_gives_the_same_bits():
    code = "import test_every_op as t; print(*map(t.digest, t.ROWS.values()))"
    here = Path(__file__).resolve().parent
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]),
        "OMP_NUM_THREADS": "2",
        "PYTHONHASHSEED": "7",
        "MALLOC_PERTURB_": "165",  # memory that nobody wrote holds other values there
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert dict(zip(ROWS, done.stdout.split(), strict=True)) == {name: digest(row) for name, row in ROWS.items()}


def strided(argument):
    """The same values with others between them."""
    if not isinstance(argument, torch.Tensor):
        return argument
    other = torch.full_like(argument, math.nan if argument.is_floating_point() else -7)
    return torch.stack([argument, other], dim=-1)[..., 0]


def by_columns(argument):
    """The same values, the first dimension fastest."""
    return argument.t().contiguous().t() if isinstance(argument, torch.Tensor) and argument.dim() == 2 else argument


@every_row
def test_strides_do_not_matter(row):
    arguments = row.arguments(XYZ, OFFSETS)
    expected = getattr(ops, row.op)(*arguments)
    for change in (strided, by_columns):
        changed = [change(argument) for argument in arguments]
        assert any(isinstance(a, torch.Tensor) and not a.is_contiguous() for a in changed) or change is by_columns
        assert_same_bits(getattr(ops, row.op)(*changed), expected)


@every_row
def test_inputs_are_left_as_they_were(row):
    arguments = row.arguments(XYZ, OFFSETS)
    before = [a.clone() for a in arguments if isinstance(a, torch.Tensor)]
    getattr(ops, row.op)(*arguments)
    assert_same_bits([a for a in arguments if isinstance(a, torch.Tensor)], before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@every_row
def test_autocast_changes_nothing(row, dtype):
    """Neither the kernel nor the reference, which CUDA tensors may run."""
    small = by_name("empty_inside")
    for module, cloud in ((ops, RINGS), (reference, small)):
        arguments = row.arguments(cloud.xyz, cloud.offsets) if row.fits(cloud.xyz, cloud.offsets) else None
        if arguments is None:
            continue
        expected = getattr(module, row.op)(*arguments)
        with torch.autocast("cpu", dtype=dtype):
            assert_same_bits(getattr(module, row.op)(*arguments), expected)


def clouds_of(xyz, offsets):
    for a, b in zip(offsets.tolist(), offsets.tolist()[1:]):
        yield xyz[a:b], torch.tensor([0, b - a])


@pytest.mark.parametrize("cloud", [c for c in ALL if len(c.offsets) > 2], ids=str)
@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.of_cloud], ids=lambda row: row.op)
def test_a_cloud_alone_and_in_a_batch_give_the_same_bits(row, cloud):
    if not row.fits(cloud.xyz, cloud.offsets):
        pytest.skip("no such batch for this op")
    together = row.run(ops, cloud.xyz, cloud.offsets)
    for number, alone in enumerate(clouds_of(cloud.xyz, cloud.offsets)):
        assert_same_bits(row.of_cloud(together, cloud.offsets, number), row.run(ops, *alone))


@pytest.mark.parametrize("cloud", EMPTY, ids=str)
@every_row
def test_empty_and_tiny_clouds_equal_the_reference(row, cloud):
    if row.fits(cloud.xyz, cloud.offsets):
        row.assert_equal(row.run(ops, cloud.xyz, cloud.offsets), row.run(reference, cloud.xyz, cloud.offsets))
    else:
        with pytest.raises(ValueError, match=f"{row.op}: "):
            row.run(ops, cloud.xyz, cloud.offsets)


COORDINATES = st.one_of(
    st.sampled_from([-1.0, 0.0, -0.0, 0.5, 1.0, 2.0, 8.0, -8.0, 4.0]),  # ties, duplicates, faces of the grid
    st.floats(-20, 20, width=32),
    st.floats(width=32, allow_nan=True, allow_infinity=True, min_value=None, max_value=None),
)
ORIGINS = st.sampled_from([0.0, 0.0, 0.1, -3.25, 1e5, -1e5])


@st.composite
def unkind_clouds(draw):
    """Up to 3 clouds, each some drawn points repeated at steps from an origin."""
    clouds = []
    for _ in range(draw(st.integers(0, 3))):
        points = draw(st.lists(st.tuples(COORDINATES, COORDINATES, COORDINATES), max_size=6))
        copies = draw(st.sampled_from([1, 1, 2, 6]))
        step, origin = (
            torch.tensor(draw(st.tuples(*[axis] * 3))) for axis in (st.sampled_from([0.0, 0.5, 3.0]), ORIGINS)
        )
        base = torch.tensor(points, dtype=torch.float32).reshape(-1, 3) + origin
        clouds.append((base + torch.arange(copies)[:, None, None] * step).reshape(-1, 3))
    ends = torch.tensor([0, *map(len, clouds)]).cumsum(0)
    return torch.cat([torch.zeros(0, 3), *clouds]), ends


def check_unkind_clouds(row, batch):
    xyz, offsets = batch
    if not row.fits(xyz, offsets):
        with pytest.raises(ValueError, match=f"{row.op}: "):
            row.run(ops, xyz, offsets)
        return
    got = row.run(ops, xyz, offsets)
    row.assert_equal(got, row.run(reference, xyz, offsets))
    if row.of_cloud:
        for number, alone in enumerate(clouds_of(xyz, offsets)):
            assert_same_bits(row.of_cloud(got, offsets, number), row.run(ops, *alone))


@every_row
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(batch=unkind_clouds())
def test_unkind_clouds_equal_the_reference(row, batch):
    check_unkind_clouds(row, batch)


@pytest.mark.long
@every_row
@settings(max_examples=400, deadline=None, database=None)
@given(batch=unkind_clouds())
def test_many_unkind_clouds_equal_the_reference(row, batch):
    check_unkind_clouds(row, batch)
