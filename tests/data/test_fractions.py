"""Label fractions: the rules, the shipped lists, and what a selection makes of them."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest
from nuscenes_folder import write_nuscenes

from geopt import cli, official, resources
from geopt.config_errors import ConfigError
from geopt.data import DataConfig, NuScenes, build_dataset, fraction_files, fractions
from geopt.data.nuscenes import FRAME_NAME
from geopt.pretraining import load

TRAIN = official.splits()["train"]
NAMES = list(fractions.fractions())


@pytest.fixture(scope="module")
def city(tmp_path_factory) -> NuScenes:
    """Six scenes of 30 key frames with a sweep before and after each; five of them are its split ``train``."""
    scenes = ("scene-0001", "scene-0002", "scene-0061", "scene-0103", "scene-0553", "scene-0796")
    root = write_nuscenes(
        tmp_path_factory.mktemp("city"), scenes=scenes, num_key_frames=30, num_between=1, num_points=40
    )
    (root / "v1.0-mini" / "splits.json").write_text(json.dumps({"train": scenes[:5], "val": scenes[5:]}))
    return NuScenes(root, "v1.0-mini")


def frames_of(source: NuScenes, fraction: str, selection: str = "train", kind: str = "keyframes") -> list[str]:
    return [source.name(row) for row in source.select(selection, kind, fraction).rows]


def sha256sum(*texts: str) -> list[str]:
    """Digests of texts by the command of coreutils, which is another implementation."""
    tool = shutil.which("sha256sum")
    if tool is None:
        pytest.skip("no sha256sum")
    return [subprocess.run([tool], input=t.encode(), capture_output=True).stdout.decode()[:64] for t in texts]


# The rules.


def test_a_key_frame_is_kept_by_the_first_digits_of_its_hash():
    assert sha256sum("0/scene-0001/7")[0].startswith("2ed0b4448bf27a67")  # 0.1829 of 2**64
    assert not fractions.find("frames-10-seed0").keeps("scene-0001", 7)
    assert fractions.find("frames-20-seed0").keeps("scene-0001", 7)
    texts = [(seed, scene, number) for seed in (0, 4) for scene in TRAIN[::233] for number in (0, 12, 39)]
    digests = sha256sum(*("/".join(map(str, text)) for text in texts))
    for (seed, scene, number), digest in zip(texts, digests):
        share = int(digest[:16], 16) / 2**64
        for percent in fractions.FRAME_PERMILLES:
            keeps = fractions.find(f"frames-{percent}-seed{seed}").keeps(scene, number)
            assert keeps == (share < float(percent) / 100)


def test_scenes_are_taken_in_the_order_of_their_hashes():
    few = TRAIN[:10]
    ordered = [scene for _, scene in sorted(zip(sha256sum(*(f"3/{scene}" for scene in few)), few))]
    for percent, count in (("1", 1), ("10", 1), ("20", 2), ("50", 5), ("100", 10)):
        assert fractions.find(f"scenes-{percent}-seed3").scenes(few) == tuple(sorted(ordered[:count]))
    assert fractions.find("scenes-1-seed3").scenes(few[::-1]) == (ordered[0],)
    assert len(fractions.find("scenes-50-seed0").scenes(TRAIN[:5])) == 3  # rounded up


def test_every_nth_frame_goes_by_time_and_begins_with_the_first():
    rng = np.random.default_rng(0)
    times = rng.permutation(250)
    frames = fractions.KeyFrames(["scene-0001"] * 250, np.arange(250), times)
    mask = fractions.find("every-100").mask(frames, ["scene-0001"])
    assert sorted(times[mask]) == [0, 100, 200]


def test_every_nth_scene_is_the_nth_and_its_multiples():
    assert fractions.find("every-100-scenes").scenes(TRAIN) == tuple(TRAIN[99::100])
    assert fractions.find("every-2-scenes").scenes(["c", "a", "b"]) == ("b",)


@pytest.mark.parametrize("kind", ["scenes", "frames"])
def test_sizes_are_near_what_the_name_says_and_seeds_differ(kind):
    total = 700 if kind == "scenes" else 28_000
    percents = fractions.SCENE_PERMILLES if kind == "scenes" else fractions.FRAME_PERMILLES
    locks = fraction_files.locks()
    for percent, permille in percents.items():
        share = permille / 1000
        sizes = [locks[f"{kind}-{percent}-seed{seed}"].size for seed in fractions.SEEDS]
        spread = 0 if kind == "scenes" else 4 * (total * share * (1 - share)) ** 0.5  # four standard deviations
        assert all(abs(size - total * share) <= spread + 1e-9 for size in sizes), (percent, sizes)
        digests = {locks[f"{kind}-{percent}-seed{seed}"].sha256 for seed in fractions.SEEDS}
        assert len(digests) == (1 if percent == "100" else 5)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"got 'scene-10-seed0'; did you mean scenes-10-seed0"):
        fractions.find("scene-10-seed0")
    with pytest.raises(ValueError, match=r"got 'frames-3-seed0'; did you mean frames-.-seed0"):
        fractions.find("frames-3-seed0")
    with pytest.raises(ValueError, match=r"got 'x'; such as scenes-10-seed0"):
        fractions.find("x")
    with pytest.raises(ConfigError, match=r"'data.label_fraction': .*did you mean every-100"):
        load("tiny", ["data.label_fraction=every-1000"])


# The shipped lists.


def test_shipped_lists_are_the_rules_on_official_names():
    """Read as a stranger would, with json and nothing of geopt."""
    folder = resources.path("datasets", "splits")
    seen = {}
    for seed in range(5):
        lists = json.loads((folder / f"nuscenes-scenes-seed{seed}.json").read_text())
        assert [len(lists[f"scenes-{p}-seed{seed}"]) for p in (1, 2, 5, 10, 20, 50, 100)] == [
            *(7, 14, 35, 70, 140, 350, 700)
        ]
        for smaller, larger in zip(list(lists), list(lists)[1:]):
            assert set(lists[smaller]) < set(lists[larger])
        assert lists[f"scenes-100-seed{seed}"] == list(TRAIN)
        for name, scenes in lists.items():
            assert tuple(scenes) == fractions.find(name).scenes(TRAIN)
        seen |= lists
    locks = json.loads((folder / "nuscenes-locks.json").read_text())
    text = "".join(f"{scene}\n" for scene in seen["scenes-5-seed2"])
    assert [35, sha256sum(text)[0]] == locks["scenes-5-seed2"]
    lines = [f"{s}/{n}\n" for s in TRAIN for n in range(40) if fractions.find("frames-0.1-seed1").keeps(s, n)]
    assert [len(lines), sha256sum("".join(lines))[0]] == locks["frames-0.1-seed1"]
    assert set(locks) == {name for name in NAMES if not name.startswith("every-") or name.endswith("scenes")}


def test_written_again_the_files_are_the_same(tmp_path):
    fraction_files.write(tmp_path)
    shipped = resources.path("datasets", "splits")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in shipped.glob("nuscenes-*"))
    for name in names:
        assert (tmp_path / name).read_bytes() == (shipped / name).read_bytes()


def test_check_finds_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(fraction_files, "SEEDS", (0,))  # the others are checked in the same way
    few = [name for name in NAMES if not name.startswith("frames") and name.endswith("seed0")]
    monkeypatch.setattr(fraction_files, "fractions", lambda: {name: fractions.find(name) for name in few})
    monkeypatch.setattr(fraction_files, "FRAME_PERMILLES", {})
    fraction_files.write(tmp_path)
    assert fraction_files.check(tmp_path) == 7
    path = tmp_path / "nuscenes-scenes-seed0.json"
    lists = json.loads(path.read_text())
    gone = lists["scenes-2-seed0"].remove(lists["scenes-1-seed0"][0])
    assert gone is None
    path.write_text(json.dumps(lists))
    with pytest.raises(ValueError) as caught:
        fraction_files.check(tmp_path)
    problems = str(caught.value).splitlines()
    assert "scenes-2-seed0" in problems[0] and "is not the list that its rule draws" in problems[0]
    assert (
        problems[1] == f"splits: scenes-1-seed0 is not within scenes-2-seed0, which lacks {lists['scenes-1-seed0'][0]}"
    )
    fraction_files.write(tmp_path)
    locks = json.loads((tmp_path / "nuscenes-locks.json").read_text())
    locks["scenes-1-seed0"][1] = "0" * 64
    (tmp_path / "nuscenes-locks.json").write_text(json.dumps(locks))
    with pytest.raises(ValueError, match="scenes-1-seed0 must have Lock"):
        fraction_files.check(tmp_path)
    path.write_text("[")
    with pytest.raises(ValueError, match=r"seed0\.json is damaged"):
        fraction_files.check(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"seed0\.json is missing"):
        fraction_files.check(tmp_path)


# On a dataset.


@pytest.mark.parametrize("seed", range(5))
def test_fractions_of_a_dataset_are_nested(city, seed):
    everything = set(frames_of(city, "all"))
    assert len(everything) == 150
    for kind, percents in (("scenes", ("1", "20", "50", "100")), ("frames", ("10", "20", "50", "100"))):
        chosen = [set(frames_of(city, f"{kind}-{percent}-seed{seed}")) for percent in percents]
        assert chosen[0] and all(a <= b for a, b in zip(chosen, chosen[1:])) and chosen[-1] == everything
        if kind == "scenes":
            assert [len(names) for names in chosen] == [30, 30, 90, 150]


def test_a_fraction_by_frame_is_the_same_on_a_part_of_the_dataset(city):
    whole = frames_of(city, "frames-20-seed1")
    part = frames_of(city, "frames-20-seed1", "scene-0061[10:]+scene-0002")
    assert sorted(part) == sorted(
        name
        for name in whole
        if name.startswith("scene-0002") or (name.startswith("scene-0061") and int(name.split("/")[1]) >= 10)
    )
    keeps = fractions.find("frames-20-seed1").keeps
    assert whole == [name for name in frames_of(city, "all") if keeps(*split(name))]


def split(name: str) -> tuple[str, int]:
    scene, number = name.split("/")
    return scene, int(number)


def test_a_fraction_of_the_official_train_split_takes_the_shipped_scenes_that_are_there(tmp_path):
    scenes = json.loads((resources.path("datasets", "splits") / "nuscenes-scenes-seed0.json").read_text())
    inside, outside = scenes["scenes-1-seed0"][2], next(s for s in TRAIN if s not in scenes["scenes-50-seed0"])
    root = write_nuscenes(tmp_path / "part", scenes=tuple(sorted((inside, outside))), num_points=40)
    source = NuScenes(root, "v1.0-mini")
    assert {split(name)[0] for name in frames_of(source, "scenes-1-seed0")} == {inside}
    with pytest.raises(ValueError, match=r"every-100-scenes keeps none of the 10 key frames .* of 700 scenes"):
        frames_of(source, "every-100-scenes")


def test_sweeps_stay_with_their_key_frame(city):
    kept = frames_of(city, "frames-20-seed1")
    sweeps = frames_of(city, "frames-20-seed1", kind="all_sweeps")
    assert set(kept) < set(sweeps)
    found = [FRAME_NAME.fullmatch(name) for name in sweeps]
    assert {f"{match['scene']}/{match['key_frame']}" for match in found} == set(kept)
    before, after = (sum((match["after"] or "").startswith(sign) for match in found) for sign in "-+")
    assert before == sum(name.endswith("/0") for name in kept) > 0
    assert after == sum(not name.endswith("/29") for name in kept)  # no sweep follows the last key frame


def test_past_sweeps_of_unlabelled_frames_are_still_seen(city):
    frames = city.select("train", "keyframes", "frames-20-seed1")
    assert (frames.oldest_key_frame == -1).all()
    row = next(row for row in frames.rows if city.sweeps.key_frame[row] >= 5)
    assert len(city.past(int(row), 9)) == 9


def test_every_nth_key_frame_counts_across_scenes(city):
    everything = city.select("train").rows
    times = np.sort(city.sweeps.timestamp_us[everything])
    rows = city.select("train", "keyframes", "every-20").rows
    assert np.sort(city.sweeps.timestamp_us[rows]).tolist() == times[::20].tolist() and len(rows) == 8


def test_the_training_set_shrinks_and_the_validation_set_does_not(city, grid, caplog):
    config = DataConfig(root=str(city.root), version=city.version, label_fraction="frames-10-seed4")
    fractions._tell.cache_clear()
    with caplog.at_level(logging.INFO):
        train, val = (build_dataset(config, side, grid, seed=0) for side in ("train", "val"))
    names = [train.describe(i) for i in range(len(train))]
    assert names == frames_of(city, "frames-10-seed4") and 0 < len(names) < 40 and len(val) == 30
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"labels: frames-10-seed4, {len(names)} of 150 key frames, from 5 of 5 scenes"]


def test_a_fraction_that_keeps_nothing_is_refused(city):
    with pytest.raises(ValueError, match=r"frames-0.1-seed0 keeps none of the 30 key frames .*take a larger"):
        frames_of(city, "frames-0.1-seed0", "scene-0103")


# The command.


@pytest.fixture
def geopt_command(monkeypatch, capsys):
    def call(*arguments: object) -> tuple[int, list[str], str]:
        monkeypatch.setattr(sys, "argv", ["geopt", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out.splitlines(), captured.err

    return call


def test_the_command_prints_expands_and_checks(geopt_command, city):
    code, out, _ = geopt_command("splits")
    rows = {line.split("│")[1].strip(): line.split("│")[2:-1] for line in out if "seedN" in line or "every-" in line}
    assert code == 0 and len(rows) == 7 + 10 + 6 + 6
    assert [cell.strip() for cell in rows["scenes-10-seedN"]] == ["scenes", *["70"] * 5]
    assert [cell.strip() for cell in rows["frames-100-seedN"]] == ["key frames", *["28,000"] * 5]
    code, out, _ = geopt_command("splits", "scenes-1-seed0")
    assert code == 0 and len(out) == 7 and set(out) <= set(TRAIN)
    code, out, _ = geopt_command("splits", "every-20", "--data", city.root, "--version", city.version)
    assert code == 0 and out == frames_of(city, "every-20")
    assert geopt_command("splits", "--check")[:2] == (
        0,
        ["92 lists are as their rules draw them, the smaller within the larger"],
    )


def test_the_help_of_the_command_has_an_example(geopt_command):
    code, out, _ = geopt_command("splits", "--help")
    assert code == 0 and "Example: geopt splits scenes-10-seed0" in " ".join(" ".join(out).split())


def test_the_command_refuses_in_one_line(geopt_command):
    code, _, error = geopt_command("splits", "scenes-10-seed7")
    assert code == 1 and "did you mean scenes-10-seed" in error and len(error.splitlines()) == 1
    code, _, error = geopt_command("splits", "every-100")
    assert code == 1 and "give it with --data and --version" in error
