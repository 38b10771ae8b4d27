"""Every op is an op of torch, for every row of ``op_rows``: torch.compile, opcheck, gradients of every order.

A compiled kernel that no row reaches fails here.
"""

import pytest
import torch
from clouds import by_name
from op_rows import ROWS, assert_same_bits, tensors
from torch.utils._python_dispatch import TorchDispatchMode

from geopt import ops, reference

XYZ, OFFSETS = by_name("rings").xyz, by_name("rings").offsets
every_row = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
differentiable_rows = pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.differentiable])


@every_row
def test_compiles_into_one_graph(row):
    torch._dynamo.reset()
    arguments = row.arguments(XYZ, OFFSETS)
    compiled = torch.compile(getattr(ops, row.op), fullgraph=True, backend="aot_eager")
    assert_same_bits(compiled(*arguments), getattr(ops, row.op)(*arguments))


@pytest.mark.long
@every_row
def test_compiles_with_the_compiler_of_torch(row):
    torch._dynamo.reset()
    arguments = row.arguments(XYZ, OFFSETS)
    compiled = torch.compile(getattr(ops, row.op), fullgraph=True)
    assert_same_bits(compiled(*arguments), getattr(ops, row.op)(*arguments))


def test_compiled_ops_take_other_sizes():
    torch._dynamo.reset()
    compiled = torch.compile(lambda xyz: ops.knn(xyz, xyz, 4), fullgraph=True, backend="aot_eager")
    for size in (50, 300, 7):
        assert_same_bits(compiled(XYZ[:size]), ops.knn(XYZ[:size], XYZ[:size], 4))


def with_gradient(row, arguments, dtype=None):
    """The arguments that the op is differentiable in as leaves, perhaps of another type; and these leaves."""
    leaves = [arguments[at].to(dtype or arguments[at].dtype).clone().requires_grad_() for at in row.differentiable]
    at = dict(zip(row.differentiable, leaves))
    return [at.get(number, argument) for number, argument in enumerate(arguments)], leaves


def first_float(result):
    """The differentiable part of a result, without its padding."""
    value = next(t for t in tensors(result) if t.is_floating_point())
    return value[value.isfinite()]


def gradients(result, leaves):
    """First of a loss that is not linear, then of the length of that gradient."""
    value = first_float(result)
    weights = torch.linspace(0.5, 2, value.numel()).to(value)
    once = torch.autograd.grad((weights * value.square()).sum(), leaves, create_graph=True)
    return once, torch.autograd.grad(sum(g.square().sum() for g in once), leaves)


@differentiable_rows
def test_gradients_equal_those_of_the_reference_in_float64(name):
    """Twice: of a loss, and of its gradient. No two points of the cloud are as far from a third."""
    row, cloud = ROWS[name], by_name("empty_inside")
    results = []
    for module, dtype in ((ops, None), (reference, torch.float64)):
        arguments, leaves = with_gradient(row, row.arguments(cloud.xyz, cloud.offsets), dtype)
        results.append(gradients(getattr(module, row.op)(*arguments), leaves))
    for got, expected in zip(map(tensors, results[0]), map(tensors, results[1])):
        for a, b in zip(got, expected, strict=True):
            assert b.abs().max() > 0
            assert ((a - b).abs() <= 1e-5 * b.abs().max()).all()


@differentiable_rows
def test_gradcheck(name):
    """Of the op where it takes float64, else of the reference, whose gradients it has."""
    row = ROWS[name]
    xyz = torch.randn(12, 3, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    plain = row.arguments(xyz.float(), torch.tensor([0, 7, 12]))
    arguments, leaves = with_gradient(row, plain, torch.float64)
    module = ops if row.op == "segment_reduce" else reference

    def function(*values):
        at = dict(zip(row.differentiable, values))
        return first_float(getattr(module, row.op)(*(at.get(i, a) for i, a in enumerate(arguments))))

    assert torch.autograd.gradcheck(function, leaves)
    assert torch.autograd.gradgradcheck(function, leaves)


@differentiable_rows
def test_gradients_flow_through_a_compiled_graph(name):
    torch._dynamo.reset()
    row = ROWS[name]
    plain = row.arguments(XYZ, OFFSETS)

    def loss(*arguments):
        value = next(t for t in tensors(getattr(ops, row.op)(*arguments)) if t.is_floating_point())
        return torch.where(value.isfinite(), value, 0).square().sum()

    results = []
    for function in (loss, torch.compile(loss, fullgraph=True, backend="aot_eager")):
        arguments, leaves = with_gradient(row, plain)
        results.append(torch.autograd.grad(function(*arguments), leaves))
    assert all(g.abs().sum() > 0 for g in results[0])
    for eager, compiled in zip(*results):
        torch.testing.assert_close(compiled, eager)


@pytest.mark.parametrize("row", [row for row in ROWS.values() if not row.differentiable], ids=lambda row: row.op)
def test_what_is_not_differentiable_has_no_graph(row):
    arguments = [
        a.clone().requires_grad_() if isinstance(a, torch.Tensor) and a.is_floating_point() else a
        for a in row.arguments(XYZ, OFFSETS)
    ]
    if "Not differentiable" in getattr(ops, row.op).__doc__:
        assert not any(t.requires_grad for t in tensors(getattr(ops, row.op)(*arguments)))


class RecordKernels(TorchDispatchMode):
    """Remembers a call of each compiled kernel."""

    def __init__(self):
        super().__init__()
        self.calls = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.namespace == "geopt":
            self.calls[function] = args
        return function(*args, **(kwargs or {}))


def calls_of(row):
    """Of compiled kernels, while the op runs forward and back on a small batch."""
    plain = row.arguments(XYZ[:40], torch.tensor([0, 15, 40]))
    with RecordKernels() as record:
        arguments, leaves = with_gradient(row, plain)
        result = getattr(ops, row.op)(*arguments)
        if leaves:
            gradients(result, leaves)
    return record.calls


@every_row
def test_opcheck(row):
    """Schema, fake kernel, autograd registration and ahead-of-time dispatch with symbolic shapes."""
    calls = calls_of(row)
    assert calls
    for kernel, arguments in calls.items():
        leaves = [
            a.detach().requires_grad_(bool(row.differentiable) and a.is_floating_point())
            if isinstance(a, torch.Tensor)
            else a
            for a in arguments
        ]
        assert set(torch.library.opcheck(kernel, leaves).values()) == {"SUCCESS"}


def test_rows_reach_every_kernel():
    """Of those that are registered for the CPU, without the CUDA kernels that a host runs: test_cuda_logic.py calls these."""
    known = {name for name in torch._C._dispatch_get_all_op_names() if name.startswith("geopt::")}
    known = {name for name in known if not name.endswith("_emulated")}
    kernels = {name for name in known if torch._C._dispatch_has_kernel_for_dispatch_key(name, "CPU")}
    assert {kernel.name() for row in ROWS.values() for kernel in calls_of(row)} == kernels
