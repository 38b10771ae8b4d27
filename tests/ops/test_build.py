"""The compiled library: what it says of itself, and that it loads where there is little else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from geopt import ops
from geopt.ops._library import KERNELS, WITH_CUDA_KERNEL, fields


def test_every_op_has_a_cpu_kernel_and_names_what_runs_on_cuda():
    backends = ops.backends()
    assert set(backends) == set(ops.__all__) - {"backends", "build_info"}
    for name, runs in backends.items():
        assert runs["cpu"] == "C++", name
        assert runs["cuda"] in ("CUDA", "torch reference", "not built"), name
        assert (runs["cuda"] == "torch reference") == (KERNELS[name] not in WITH_CUDA_KERNEL), name


def test_cuda_kernels_are_built_exactly_when_there_was_a_compiler():
    built = bool(ops.build_info()["nvcc"])
    for name, kernel in KERNELS.items():
        if kernel in WITH_CUDA_KERNEL:
            assert ops.backends()[name]["cuda"] == ("CUDA" if built else "not built")


def test_build_info_names_compiler_architectures_and_simd():
    info = ops.build_info()
    assert set(info) == {"cuda_archs", "nvcc", "compiler", "simd", "processor_simd"}
    assert info["compiler"][0].isdigit()
    assert bool(info["cuda_archs"]) == bool(info["nvcc"])
    levels = ("base", "avx2", "avx512")
    assert levels.index(info["simd"]) <= levels.index(info["processor_simd"])


def test_a_list_of_architectures_stays_one_field():
    text = "cuda_archs=80;90;100;120+PTX;nvcc=13.0;compiler=12.2.0"
    assert fields(text) == {"cuda_archs": "80;90;100;120+PTX", "nvcc": "13.0", "compiler": "12.2.0"}
    assert fields("cuda_archs=;nvcc=;compiler=12.2.0")["cuda_archs"] == ""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/", timeout=120)


def test_imports_with_torch_and_numpy_alone_and_without_a_gpu():
    blocked = ("scipy", "numba", "pydantic", "omegaconf", "typer", "rich", "msgspec", "safetensors", "matplotlib")
    code = (
        f"import os, sys; sys.modules.update(dict.fromkeys({blocked!r})); os.environ['CUDA_VISIBLE_DEVICES'] = '';"
        "import torch; from geopt import ops;"
        "print(ops.knn(torch.zeros(2, 3), torch.zeros(3, 3), 2).indices.tolist())"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[[0, 1], [0, 1]]"


def test_errors_do_not_show_where_the_library_was_built():
    with pytest.raises(RuntimeError, match="must rise from 0 to 2") as caught:
        torch.ops.geopt.knn(torch.zeros(2, 3), torch.zeros(2, 3), 1, torch.tensor([0, 9]), torch.tensor([0, 2]))
    assert "geopt/csrc/" in str(caught.value)
    assert str(Path(__file__).resolve().parents[2] / "csrc") not in str(caught.value)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not ops.build_info()["nvcc"], reason="no nvcc")
def test_the_library_of_every_architecture_links_and_loads_without_a_gpu(tmp_path):
    root = Path(__file__).resolve().parents[2]
    if not (root / "setup.py").is_file():
        pytest.skip("needs a checkout")
    environment = {name: value for name, value in os.environ.items() if name != "GEOPT_CUDA_ARCHS"}
    folders = ["--build-lib", tmp_path / "lib", "--build-temp", tmp_path / "temp"]
    build = [sys.executable, "setup.py", "-q", "build_ext", *folders]
    built = subprocess.run(build, cwd=root, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, (built.stdout + built.stderr)[-3000:]
    library = tmp_path / "lib" / "geopt" / "_C.abi3.so"
    done = run(f"import torch; torch.ops.load_library({str(library)!r}); print(torch.ops.geopt.build_info())")
    assert done.returncode == 0, done.stderr
    assert fields(done.stdout.strip())["cuda_archs"] == "80;90;100;120+PTX"
