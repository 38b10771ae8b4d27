"""What the commands print, and with which exit code they end."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nuscenes_folder import write_nuscenes

import geopt
from geopt import cli

SMALL = (
    *("grid.lower=[-12.8,-12.8,-3.2]", "grid.upper=[12.8,12.8,4.8]", "data.version=v1.0-mini", "data.num_sweeps=2"),
    *("data.train=scene-0061", "data.val=scene-0103", "train.num_threads=1", "train.batch_size=1"),
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"))


@pytest.fixture
def geopt_command(monkeypatch, capsys):
    """Call the command line in this process; returns exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["geopt", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return call


def test_help_and_version_need_nothing_heavy():
    code = "import sys\nfrom geopt import cli\nsys.argv[1:] = ['--help']\ntry: cli.main()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "pretrain" in done.stdout
    assert not {"torch", "numpy", "pydantic", "omegaconf"} & set(done.stdout.splitlines()[-1].split())


def test_version(geopt_command):
    assert geopt_command("--version")[:2] == (0, f"geopt {geopt.__version__}\n")


@pytest.mark.parametrize("command", ["info", "simulate", "pretrain"])
def test_the_help_of_a_command_has_an_example(geopt_command, command):
    code, out, _ = geopt_command(command, "--help")
    assert code == 0 and f"Example: geopt {command}" in " ".join(out.split())


def test_info_names_versions_and_the_back_ends_of_every_op(geopt_command):
    import torch

    from geopt import ops

    code, out, _ = geopt_command("info")
    assert code == 0
    for word in (geopt.__version__, torch.__version__, ops.build_info()["simd"], "CUDA kernels for", "threads"):
        assert word in out
    for op, places in ops.backends().items():
        (line,) = [line for line in out.splitlines() if f" {op} " in line]
        assert places["cpu"] in line and places["cuda"] in line


def test_a_typo_is_one_line_and_exit_code_2(geopt_command):
    code, out, err = geopt_command("pretrain", "tiny", "mask.ration=0.5", "train.max_steps=x")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "command line: unknown key 'mask.ration'; did you mean 'mask.ratio'?",
        "command line: 'train.max_steps': expected a valid integer, got 'x'",
    ]


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("folder", "data.folder.sensor_height_m", "high"),
        ("waymo", "data.waymo.lidars", "bottom"),
        ("pandaset", "data.pandaset.lidar", "back"),
    ],
)
def test_a_wrong_value_for_a_kind_is_named_whole_though_the_kind_is_called_like_its_key(
    kind, key, value, geopt_command
):
    code, _, err = geopt_command("pretrain", "tiny", f"data.kind={kind}", f"{key}={value}")
    assert code == 2 and err.startswith(f"command line: '{key}': expected ") and err.endswith(f"got {value!r}\n")


def test_a_typo_in_a_file_names_the_file(geopt_command, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: tiny\nmask: {ration: 0.5}\n")
    code, _, err = geopt_command("pretrain", path)
    assert (code, err) == (2, f"{path}: unknown key 'mask.ration'; did you mean 'mask.ratio'?\n")


def test_a_missing_dataset_is_one_line_and_exit_code_1(geopt_command, tmp_path):
    arguments = ("pretrain", "tiny", f"data.root={tmp_path / 'gone'}", f"run.dir={tmp_path / 'run'}", *SMALL)
    code, _, err = geopt_command(*arguments)
    assert code == 1 and str(tmp_path / "gone") in err and len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_debug_shows_the_traceback(monkeypatch, tmp_path):
    monkeypatch.setenv("GEOPT_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["geopt", "pretrain", "tiny", f"data.root={tmp_path / 'gone'}"])
    with pytest.raises(FileNotFoundError):
        cli.main()


def test_errors_that_nobody_foresaw_keep_their_traceback(monkeypatch):
    from geopt import pretraining

    def broken(*_: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(pretraining, "load", broken)
    monkeypatch.setattr(sys, "argv", ["geopt", "pretrain", "tiny"])
    with pytest.raises(KeyError, match="a bug"):
        cli.main()


@pytest.mark.parametrize("name", ["tiny", "geopt", "paper", "release"])
def test_every_shipped_config_loads_and_shows_itself_whole(geopt_command, tmp_path, name):
    code, out, _ = geopt_command("pretrain", name, "--show-config")
    assert code == 0
    path = tmp_path / "shown.yaml"
    path.write_text(out)
    assert geopt_command("pretrain", path, "--show-config")[:2] == (0, out)


def test_simulate_writes_a_dataset(geopt_command, tmp_path):
    pytest.importorskip("embreex")
    code, _, err = geopt_command("simulate", tmp_path / "city", "--scenes", 2, "--keyframes", 1, "--sweeps", 1)
    assert code == 0 and "2 scenes of 1 key frames" in err
    assert (tmp_path / "city" / "v1.0-mini" / "sample.json").is_file()


def command(dataset: Path, run_dir: Path, *more: str) -> list[str]:
    return ["geopt.cli", "pretrain", "tiny", f"data.root={dataset}", f"run.dir={run_dir}", *SMALL, *more]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **changes}


def losses(run_dir: Path) -> dict[int, str]:
    path = run_dir / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {row["step"]: row["loss_hex"] for row in rows if "loss_hex" in row}


def wait_for_steps(process: subprocess.Popen[str], run_dir: Path, count: int, timeout_s: float = 120.0) -> None:
    until = time.monotonic() + timeout_s
    while len(losses(run_dir)) < count:
        assert process.poll() is None and time.monotonic() < until, process.communicate(timeout=1)
        time.sleep(0.01)


def test_pretrain_leaves_a_whole_run_folder_and_goes_on_after_sigterm(dataset, tmp_path):
    steps = ("train.max_steps=40", "train.log_every=1", "train.validate_every=0", "data.workers=1")
    start = [sys.executable, "-m", *command(dataset, tmp_path / "run", *steps)]
    process = subprocess.Popen(start, env=environment(), stderr=subprocess.PIPE, text=True)
    wait_for_steps(process, tmp_path / "run", 2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM and "Traceback" not in err
    assert f"stopped after step {max(losses(tmp_path / 'run'))}; the same command goes on from there" in err
    done = subprocess.run(start, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(losses(tmp_path / "run")) == list(range(1, 41))
    left = {path.name for path in (tmp_path / "run").iterdir() if not path.name.startswith(".")}
    files = {"config.yaml", "versions.json", "metrics.jsonl", "encoder.safetensors", "report.html", "datasets.json"}
    files |= {"preview.png"} if importlib.util.find_spec("matplotlib") else set()
    assert left == {*files, "baseline.safetensors", "checkpoints"}


def torchrun(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]


def kill_a_rank(agent: subprocess.Popen[str]) -> None:
    ranks = Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()
    assert len(ranks) == 2
    os.kill(int(ranks[1]), signal.SIGKILL)


@pytest.fixture(scope="module")
def two_ranks(dataset, tmp_path_factory) -> tuple[tuple[str, ...], dict[int, str]]:
    """Overrides of a run of two ranks, and its losses when nobody disturbs it."""
    steps = ("train.max_steps=40", "train.log_every=1", "train.checkpoint_every=3", "train.validate_every=0")
    run_dir = tmp_path_factory.mktemp("two") / "run"
    subprocess.run(torchrun("-m", *command(dataset, run_dir, *steps)), env=environment(), check=True)
    assert len(losses(run_dir)) == 40
    return steps, losses(run_dir)


def test_torchrun_started_again_goes_on_to_the_same_losses(dataset, two_ranks, tmp_path):
    start = torchrun("-m", *command(dataset, tmp_path / "run", *two_ranks[0]))
    process = subprocess.Popen(start, env=environment(), text=True)
    wait_for_steps(process, tmp_path / "run", 5)
    kill_a_rank(process)
    assert process.wait(60) != 0
    assert len(losses(tmp_path / "run")) < 40
    subprocess.run(start, env=environment(), check=True)
    assert losses(tmp_path / "run") == two_ranks[1]


@pytest.mark.long
def test_torchrun_restarts_a_killed_rank_to_the_same_losses(dataset, two_ranks, tmp_path):
    start = torchrun("--max-restarts", "2", "-m", *command(dataset, tmp_path / "run", *two_ranks[0]))
    # or the restarted ranks would meet at the addresses of the dead ones
    shared_store_off = environment(TORCH_DISABLE_SHARE_RDZV_TCP_STORE="1")
    process = subprocess.Popen(start, env=shared_store_off, text=True)
    wait_for_steps(process, tmp_path / "run", 5)
    kill_a_rank(process)
    assert process.wait(120) == 0
    assert losses(tmp_path / "run") == two_ranks[1]
