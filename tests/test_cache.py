import logging
import os

import numpy as np
import pytest

from geopt import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "table.json"
    path.write_text("one")
    return path


class Counted:
    """A build that counts its calls and returns what the source says."""

    def __init__(self, source):
        self.source, self.calls = source, 0

    def __call__(self):
        self.calls += 1
        text = self.source.read_text()
        return {"text": np.array([text.encode()]), "numbers": np.arange(1000) * len(text), "none": np.zeros((0, 3))}


def get(source, build, **options):
    return cache.arrays("test-1", [source], build, **{"min_source_bytes": 0} | options)


def entries():
    return sorted(cache.folder().iterdir()) if cache.folder().is_dir() else []


def test_second_load_builds_nothing_and_equals_the_first(source):
    build = Counted(source)
    first, second = get(source, build), get(source, build)
    assert build.calls == 1 and list(first) == list(second)
    for name in first:
        assert np.array_equal(first[name], second[name]) and first[name].dtype == second[name].dtype
    assert [entry.suffix for entry in entries()] == [".npz"]


def test_a_changed_source_is_built_again_in_place(source):
    build = Counted(source)
    get(source, build)
    source.write_text("three")
    assert get(source, build)["text"][0] == b"three"
    before = source.stat()
    source.write_text("THREE")  # the same size, so only the time tells
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert get(source, build)["text"][0] == b"THREE"
    assert build.calls == 3 and len(entries()) == 1


def test_datasets_do_not_share_an_entry(source, tmp_path):
    other = tmp_path / "other.json"
    other.write_text("two")
    builds = Counted(source), Counted(other)
    for _ in range(2):
        assert get(source, builds[0])["text"][0] == b"one" and get(other, builds[1])["text"][0] == b"two"
    assert [build.calls for build in builds] == [1, 1]


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "text", *range(0, 4000, 500)])
def test_a_damaged_entry_is_built_again(source, damage, caplog):
    build = Counted(source)
    whole = get(source, build)
    (entry,) = entries()
    content = bytearray(entry.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif isinstance(damage, int):
        content[damage : damage + 8] = b"\xff\x00\xff\x00\xff\x00\xff\x00"
    else:
        content = {"empty": b"", "garbage": os.urandom(5000), "text": b"no archive"}[damage]
    entry.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        again = get(source, build)
    assert all(np.array_equal(whole[name], again[name]) for name in whole)
    assert build.calls == 2 and "is damaged" in caplog.text
    assert get(source, build) and build.calls == 2


def test_an_entry_that_lost_an_array_is_built_again(source):
    build = Counted(source)
    get(source, build)
    (entry,) = entries()
    with np.load(entry) as whole:
        np.savez(entry, **{name: whole[name] for name in whole.files if name != "numbers"})
    assert set(get(source, build)) == {"text", "numbers", "none"} and build.calls == 2


def test_small_sources_leave_no_entry(source):
    build = Counted(source)
    for _ in range(2):
        get(source, build, min_source_bytes=4)
    assert build.calls == 2 and not entries()


def test_a_cache_that_cannot_be_written_costs_a_message(source, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        assert get(source, Counted(source))["text"][0] == b"one"
    assert "could not be written" in caplog.text


def test_an_interrupted_write_leaves_nothing(source, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        get(source, Counted(source))
    assert not entries()


def test_a_failed_build_leaves_nothing(source):
    def fails():
        raise ValueError("damaged table")

    with pytest.raises(ValueError, match="damaged table"):
        get(source, fails)
    assert not entries()
