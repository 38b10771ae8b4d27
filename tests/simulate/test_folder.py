"""Whose a folder is, what a run that was cut off finds there, and how processes share the scenes."""

import functools
import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from geopt.simulate import dataset, processes, simulate
from geopt.simulate.classes import CAR
from geopt.simulate.pose import Pose, upright
from geopt.simulate.sensor import SENSORS, Scan
from geopt.simulate.world import BoxTruth

made: list[str] = []


class OneCar:
    """A world of one car with two points, that costs nothing to make."""

    map_picture = np.full((4, 6), 255, dtype=np.uint8)
    ego_from_lidar = Pose((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.8))

    def __init__(self, seed, name, sensor, motion_distortion=False):
        made.append(name)
        self.seed, self.name, self.sensor = seed, name, sensor
        self.traffic = SimpleNamespace(figures=[SimpleNamespace(label=CAR)])

    def ego_pose(self, time_s):
        return upright(0.1 * time_s, np.array([5.0 * time_s, 0.0, 0.0])).rounded()

    def to_global(self, pose):
        return pose

    def observe(self, time_s, first_azimuth_rad=None):
        points = np.array([[5, 0, -1, 10, 3], [9, 2, 1, 20, self.seed]], dtype=np.float32)
        one = np.ones(1, dtype=np.int64)
        return Scan(points, np.array([CAR, 30], np.uint8), np.array([0, -1], np.int32), np.zeros(2, np.int32), one, one)

    def boxes(self, time_s, scan):
        pose = upright(0.0, np.array([10.0, 0.0, 1.0]))
        return [BoxTruth(0, "car", self.traffic.figures[0], "vehicle.parked", pose, (4.0, 2.0, 1.5), 1, 0.7)]


@pytest.fixture
def quick(monkeypatch):
    """Scenes of :class:`OneCar`; returns the names of those that were made."""
    monkeypatch.setattr(dataset, "World", OneCar)
    made.clear()
    return made


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def stopped_after(count):
    def stop(done, total):
        if done == count:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize(
    "argument", [{"scenes": 0}, {"scenes": 851}, {"keyframes": 0}, {"sweeps": 11}, {"seed": -1}, {"workers": 0}]
)
def test_numbers_out_of_range_are_refused(argument, tmp_path):
    with pytest.raises(ValueError, match=rf"simulate: {next(iter(argument))} must be .*, got"):
        simulate(tmp_path / "out", **argument)
    assert not (tmp_path / "out").exists()


def test_a_slow_sensor_has_fewer_sweeps_between_key_frames(tmp_path):
    with pytest.raises(ValueError, match=r"simulate: sweeps must be between 1 and 5, got 6"):
        simulate(tmp_path / "out", sweeps=6, sensor="waymo-top")


def test_an_unknown_sensor_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"simulate: sensor must be one of hdl32e, .*, got 'hdl32'"):
        simulate(tmp_path / "out", sensor="hdl32")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_somebody_else_is_refused_and_stays_as_it_is(tmp_path, overwrite):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "mine.bin").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="simulate: out must be a new or empty folder"):
        simulate(tmp_path, overwrite=overwrite)
    assert [p.name for p in tmp_path.rglob("*")] == ["samples", "mine.bin"]


def test_a_run_that_was_cut_off_goes_on_with_the_scenes_that_are_missing(quick, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path / "a", scenes=4, keyframes=2, sweeps=1, progress=stopped_after(5))
    assert not (tmp_path / "a" / "v1.0-mini").exists()
    assert quick == ["scene-0061", "scene-0553", "scene-0103"]
    quick.clear()
    told = []
    simulate(tmp_path / "a", scenes=4, keyframes=2, sweeps=1, progress=lambda *counts: told.append(counts))
    assert quick == ["scene-0103", "scene-0916"]
    assert told == [(4, 8), (5, 8), (6, 8), (7, 8), (8, 8)]
    simulate(tmp_path / "b", scenes=4, keyframes=2, sweeps=1)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_scene_that_lost_a_file_is_made_again(quick, tmp_path):
    simulate(tmp_path, scenes=3, keyframes=1, sweeps=1)
    whole = files(tmp_path)
    next((tmp_path / "samples" / "LIDAR_TOP").glob("*scene-0103*")).unlink()
    next((tmp_path / "v1.0-mini").glob("scene.json")).parent.rename(tmp_path / ".v1.0-mini.tmp")  # as if cut off
    quick.clear()
    simulate(tmp_path, scenes=3, keyframes=1, sweeps=1)
    assert quick == ["scene-0103"]
    assert files(tmp_path) == whole


def test_a_finished_data_set_is_left_as_it_is(quick, tmp_path):
    simulate(tmp_path, scenes=2, keyframes=1, sweeps=2)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    quick.clear()
    told = []
    simulate(tmp_path, scenes=2, keyframes=1, sweeps=2, progress=lambda *counts: told.append(counts))
    assert quick == [] and told == [(4, 4)]
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}


def test_more_scenes_keep_those_that_are_there_even_in_another_version(quick, tmp_path):
    simulate(tmp_path / "a", scenes=3, keyframes=1, sweeps=1)
    quick.clear()
    simulate(tmp_path / "a", scenes=12, keyframes=1, sweeps=1)
    assert len(quick) == 9
    assert sorted(p.name for p in (tmp_path / "a").iterdir() if "v1.0" in p.name) == ["v1.0-trainval"]
    simulate(tmp_path / "b", scenes=12, keyframes=1, sweeps=1)
    with_rows = files(tmp_path / "a")
    assert {n: d for n, d in with_rows.items() if ".scenes" not in n} == {
        n: d for n, d in files(tmp_path / "b").items() if ".scenes" not in n
    }
    data = pytest.importorskip("geopt.data").NuScenes(tmp_path / "a", "v1.0-trainval")
    assert len(data.key_rows) == 12 and len(data.select("val").rows) == 4
    labels = json.loads(with_rows["v1.0-trainval/lidarseg.json"])
    assert sorted(row["filename"] for row in labels) == sorted(n for n in with_rows if n.startswith("lidarseg/"))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"keyframes": 2}, "keyframes 1 there and 2 now"),
        ({"sweeps": 2}, "sweeps 1 there and 2 now"),
        ({"seed": 5}, "seed 0 there and 5 now"),
        ({"sensor": "vlp16"}, "sensor hdl32e there and vlp16 now"),
        ({"motion_distortion": True}, "motion_distortion False there and True now"),
        ({"scenes": 1}, "2 scenes there and only 1 now"),
    ],
)
def test_other_settings_are_refused_by_name_unless_they_shall_overwrite(quick, tmp_path, change, difference):
    settings = {"scenes": 2, "keyframes": 1, "sweeps": 1}
    simulate(tmp_path / "a", **settings)
    before = files(tmp_path / "a")
    with pytest.raises(FileExistsError, match=f"other settings: {difference}; .*--overwrite"):
        simulate(tmp_path / "a", **{**settings, **change})
    assert files(tmp_path / "a") == before
    simulate(tmp_path / "a", **{**settings, **change}, overwrite=True)
    simulate(tmp_path / "b", **{**settings, **change})
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_a_data_set_of_an_older_simulator_is_refused(quick, tmp_path):
    (tmp_path / "simulated.json").write_text('{"made_by": "geopt simulate", "scenes": 1, "keyframes": 1, "sweeps": 1}')
    with pytest.raises(FileExistsError, match=r"revision unknown there and \d+ now"):
        simulate(tmp_path, scenes=1, keyframes=1, sweeps=1)


def test_a_damaged_marker_is_named(quick, tmp_path):
    (tmp_path / "simulated.json").write_text("{")
    with pytest.raises(FileExistsError, match=r"simulated.json is damaged .*--overwrite"):
        simulate(tmp_path, scenes=1, keyframes=1, sweeps=1)


def write_number(folder, name, tick):
    """Work for a process: a file with its number; ``fails`` and ``dies`` do as they are called."""
    tick()
    if name == "fails":
        raise OSError("no space left")
    if name == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / name).write_text(str(os.getpid()))
    tick()


def test_scenes_are_shared_by_processes_and_every_scan_is_told(tmp_path):
    ticks = []
    names = [str(k) for k in range(6)]
    processes.run(functools.partial(write_number, tmp_path), names, 2, lambda: ticks.append(1))
    assert len(ticks) == 12
    assert len({(tmp_path / name).read_text() for name in names}) == 2


@pytest.mark.parametrize(("name", "error"), [("fails", "no space left"), ("dies", "ended with exit code -9")])
def test_what_goes_wrong_in_a_process_is_raised_here_and_ends_the_others(tmp_path, name, error):
    with pytest.raises((OSError, RuntimeError), match=error):
        processes.run(functools.partial(write_number, tmp_path), ["0", name, "2"], 2, lambda: None)


PARENT = """
import functools, pathlib, sys, time
from geopt.simulate import processes
from tests_helper import endless
if __name__ == "__main__":
    processes.run(functools.partial(endless, pathlib.Path(sys.argv[1])), ["0", "1"], 2, lambda: None)
"""
ENDLESS = """
import os, time
def endless(folder, name, tick):
    (folder / name).write_text(str(os.getpid()))
    while True:
        tick()
        time.sleep(0.05)
"""


def test_processes_end_when_the_one_that_began_them_is_killed(tmp_path):
    (tmp_path / "tests_helper.py").write_text(ENDLESS)
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py"), str(tmp_path)])
    until = time.monotonic() + 60
    while time.monotonic() < until and not all(
        (tmp_path / name).is_file() and (tmp_path / name).read_text() for name in "01"
    ):
        time.sleep(0.05)
    numbers = [int((tmp_path / name).read_text()) for name in "01"]
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while time.monotonic() < until and any(is_alive(number) for number in numbers):
        time.sleep(0.05)
    assert not any(is_alive(number) for number in numbers)


def is_alive(number: int) -> bool:
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_sensor_is_that_of_the_name(quick, tmp_path):
    simulate(tmp_path, scenes=1, keyframes=1, sweeps=3, sensor="os1-64")
    turn_us = round(SENSORS["os1-64"].turn_s * 1e6)
    times = [row["timestamp"] for row in json.loads((tmp_path / "v1.0-mini" / "sample_data.json").read_text())]
    assert np.diff(times).tolist() == [turn_us, turn_us]
