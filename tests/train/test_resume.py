"""A run that was cut off at any moment and started again learns the same, to the last bit."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from fake_run import FakeConfig, Run, losses, rows

from geopt.train.config import TrainConfig

STEPS = 24


def configured(workers: int = 0, delay_s: float = 0.004, **changes: object) -> FakeConfig:
    """Fast steps, and checkpoints, rows and validation that do not coincide."""
    train = TrainConfig(
        **{
            "max_steps": STEPS,
            "batch_size": 2,
            "log_every": 1,
            "checkpoint_every": 3,
            "validate_every": 7,
            "num_threads": 1,
            **changes,
        }
    )
    return FakeConfig(train=train, data=FakeConfig.Data(workers=workers, delay_s=delay_s))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Losses and validation rows of runs that nobody stopped, by number of ranks."""
    found = {}

    def result(ranks: int, **changes: object):
        key = (ranks, *sorted(changes.items()))
        if key not in found:
            path = tmp_path_factory.mktemp("uninterrupted") / "run"
            assert Run(path, configured(delay_s=0.0, **changes), ranks).wait() == [0] * ranks
            found[key] = losses(path), validation(path)
            assert list(found[key][0]) == list(range(1, STEPS + 1))
        return found[key]

    return result


def validation(path: Path) -> list[dict[str, float]]:
    return [row for row in rows(path) if "val/error" in row]


def cut_off_once(path: Path, config: FakeConfig, seed: int, ranks: int = 1) -> None:
    """Start a run, kill it at a random moment, and let it go on to its end."""
    rng = random.Random(seed)
    run = Run(path, config, ranks)
    run.wait_for_rows(rng.randrange(1, STEPS // 2))  # so early that a busy machine cannot end the run first
    time.sleep(rng.uniform(0, 0.02))
    run.kill()
    assert len(losses(path)) < STEPS, "the run ended before it was killed"
    assert Run(path, config, ranks).wait() == [0] * ranks, (path.with_suffix(".log")).read_text()


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("seed", range(5))
def test_sigkill_changes_no_later_loss(tmp_path, uninterrupted, seed, workers):
    cut_off_once(tmp_path / "run", configured(workers), seed)
    assert (losses(tmp_path / "run"), validation(tmp_path / "run")) == uninterrupted(1)


@pytest.mark.parametrize("seed", range(5))
def test_sigkill_of_two_ranks_changes_no_later_loss(tmp_path, uninterrupted, seed):
    cut_off_once(tmp_path / "run", configured(workers=2 * (seed % 2)), seed, ranks=2)
    assert (losses(tmp_path / "run"), validation(tmp_path / "run")) == uninterrupted(2)


def test_sigkill_of_three_ranks_with_accumulation_changes_no_later_loss(tmp_path, uninterrupted):
    """Three numbers can be added in two orders, so this sees whether DDP re-orders its buckets."""
    cut_off_once(tmp_path / "run", configured(accumulate=2), 0, ranks=3)
    assert (losses(tmp_path / "run"), validation(tmp_path / "run")) == uninterrupted(3, accumulate=2)


def test_ranks_see_different_frames_and_validate_on_all(uninterrupted):
    alone, together = uninterrupted(1), uninterrupted(2)
    assert alone[0] != together[0]
    assert [row["val/frames"] for row in together[1]] == [7.0] * 4


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, 0), (signal.SIGINT, 2)])
def test_a_stop_that_is_asked_for_writes_a_checkpoint(tmp_path, uninterrupted, number, workers):
    path = tmp_path / "run"
    run = Run(path, configured(workers, checkpoint_every=1000), ranks=1)
    run.wait_for_rows(5)
    run.kill(number)
    assert run.wait() == [0]
    last = max(losses(path))
    assert last < STEPS
    assert [p.name for p in (path / "checkpoints").iterdir()] == [f"step_{last:08d}.pt"]
    assert Run(path, configured(workers, checkpoint_every=1000)).wait() == [0]
    assert (losses(path), validation(path)) == uninterrupted(1)


def test_a_signal_to_one_rank_stops_all_after_the_same_step(tmp_path, uninterrupted):
    run = Run(tmp_path / "run", configured(), ranks=2)
    run.wait_for_rows(4)
    run.processes[1].terminate()
    assert run.wait() == [0, 0]
    assert 4 <= max(losses(tmp_path / "run")) < STEPS
    assert Run(tmp_path / "run", configured(), ranks=2).wait() == [0, 0]
    assert losses(tmp_path / "run") == uninterrupted(2)[0]


def test_a_truncated_checkpoint_is_named_and_the_one_before_is_taken(tmp_path, uninterrupted):
    path = tmp_path / "run"
    run = Run(path, configured())
    run.wait_for_rows(12)
    run.kill()
    newest = sorted((path / "checkpoints").glob("step_*.pt"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    run = Run(path, configured())
    assert run.wait() == [0]
    assert f"checkpoint {newest} is damaged" in run.log.read_text()
    assert (losses(path), validation(path)) == uninterrupted(1)


def test_a_finished_run_does_nothing_more(tmp_path):
    path = tmp_path / "run"
    for _ in range(2):
        assert Run(path, configured(delay_s=0.0)).wait() == [0]
        assert len(losses(path)) == STEPS
    assert "nothing to do" in path.with_suffix(".log").read_text()


def test_without_validation_frames_left_for_a_rank_it_still_ends(tmp_path):
    path = tmp_path / "run"
    assert Run(path, configured(max_val_frames=1, max_steps=3), ranks=2).wait() == [0, 0]
    assert [row["val/frames"] for row in validation(path)] == [1.0]
