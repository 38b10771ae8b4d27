"""Two ranks together have the losses and gradients of one process that sees all frames."""

import os
import subprocess
import sys
from pathlib import Path

import torch

TESTS = Path(__file__).resolve().parents[1]
WORK = """
import sys
import torch
from labelled_clouds import labelled
sys.path.insert(0, {heads!r})
import test_detector, test_segmenter

rank, size, store, out = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
torch.set_num_threads(1)
if size > 1:
    torch.distributed.init_process_group("gloo", init_method=f"file://{{store}}", rank=rank, world_size=size)
found = {{}}
for task, module in (("detection", test_detector), ("segmentation", test_segmenter)):
    # The second frame has no car, so that one rank counts nothing where the other counts something.
    scene = [module.SCENE[0], [pair for pair in module.SCENE[1] if pair[0] > 0]]
    model = module.detector() if task == "detection" else module.segmenter(neck=module.NECK)
    batch = labelled(scene) if size == 1 else labelled([scene[rank]], seed=rank)
    output = model(batch)
    output.loss.backward()
    values = torch.stack([output.loss.detach(), *output.terms.values()])
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    if size > 1:
        for value in (values, *gradients):
            torch.distributed.all_reduce(value)
            value /= size
    found[task] = [values, *gradients]
if size > 1:
    torch.distributed.destroy_process_group()
if rank == 0:
    torch.save(found, out)
"""


def start(folder, size):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1"}
    code = WORK.format(heads=str(TESTS / "heads"))
    places = [str(size), str(folder / f"store-{size}"), str(folder / f"{size}.pt")]
    return [
        subprocess.Popen(
            [sys.executable, "-c", code, str(rank), *places], env=environment, stderr=subprocess.PIPE, text=True
        )
        for rank in range(size)
    ]


def test_two_ranks_have_the_losses_and_the_gradient_of_one_process(tmp_path):
    for process in [*start(tmp_path, 2), *start(tmp_path, 1)]:
        _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
    together, alone = (torch.load(tmp_path / f"{size}.pt") for size in (2, 1))
    for task in ("detection", "segmentation"):
        (values, *gradients), (expected_values, *expected_gradients) = together[task], alone[task]
        assert torch.allclose(values, expected_values, rtol=1e-4)
        assert sum(bool(gradient.any()) for gradient in gradients) == len(gradients)
        for got, expected in zip(gradients, expected_gradients):
            assert torch.allclose(got, expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max() + 1))
