"""The damage differs from case to case, and the loop sees every way to fail."""

import os
import time
from concurrent.futures.process import BrokenProcessPool

import fuzzing
import numpy as np
import pytest


def read(folder):
    if (folder / "a.bin").read_bytes() != bytes(range(200)):
        raise ValueError(f"{folder / 'a.bin'} is damaged")


def read_without_a_name(folder):
    try:
        read(folder)
    except ValueError:
        raise ValueError("damaged") from None


def read_with_another_error(folder):
    try:
        read(folder)
    except ValueError:
        raise KeyError(str(folder)) from None


def read_greedily(folder):
    try:
        read(folder)
    except ValueError:
        np.ones(1 << 30)


def crash(folder):
    try:
        read(folder)
    except ValueError:
        os.abort()


def hang(folder):
    try:
        read(folder)
    except ValueError:
        time.sleep(100)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.bin").write_bytes(bytes(range(200)))
    return tmp_path


def test_refusals_are_counted_and_the_file_is_whole_again(folder):
    found = fuzzing.run(read, folder, cases=300)
    assert found.good + found.refused == 300 and found.refused > 290
    assert found.slowest_s < 1 and found.memory_mb < 50
    read(folder)


@pytest.mark.parametrize(
    ("reader", "message"),
    [
        (read_without_a_name, "names no file: damaged"),
        (read_with_another_error, "KeyError"),
        (read_greedily, "MemoryError"),
    ],
)
def test_other_errors_fail_and_the_damaged_file_is_left(reader, message, folder):
    with pytest.raises(AssertionError, match=rf"seed 3, case 0, .*a\.bin: .*{message}"):
        fuzzing.run(reader, folder, cases=5, seed=3)
    with pytest.raises(ValueError, match="damaged"):
        read(folder)


@pytest.mark.parametrize("reader", [crash, hang])
def test_crashes_and_hangs_fail(reader, folder):
    with pytest.raises(BrokenProcessPool):
        fuzzing.run(reader, folder, cases=5, hangs_s=0.5)


def test_damage_is_of_every_kind_and_the_same_for_the_same_seed():
    whole = bytes(range(128, 256)) * 40 + b"points 1200"
    found = [fuzzing.damaged(whole, np.random.default_rng(seed)) for seed in range(400)]
    assert found == [fuzzing.damaged(whole, np.random.default_rng(seed)) for seed in range(400)]
    assert len(set(found)) > 350
    assert sum(len(data) < len(whole) - 64 for data in found) > 20  # cut off
    assert sum(data.endswith(b"points " + number) for data in found for number in fuzzing.NUMBERS) > 20
    assert any(bytes(8) in data and len(data) > len(whole) for data in found)
    assert fuzzing.damaged(b"", np.random.default_rng(0))
