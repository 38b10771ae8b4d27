"""Shards hold what was packed: every bit with float32, 2.5 mm with int16; and go on after a kill."""

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import waymo_files
from same_frames import assert_same

from geopt import packing, pretraining
from geopt.config import ConfigError
from geopt.data import DataConfig, NuScenes, Waymo, build_labelled
from geopt.data.formats import open_source
from geopt.data.scan_source import ScanIndex, ScanSource, SweepPoints
from geopt.data.shards import columns, writer
from geopt.data.shards.reader import Shards
from geopt.official import class_map
from geopt.structures import Boxes
from geopt.train import metrics_log

pytest.importorskip("pyarrow")

WHOLE = {"train": "scene-0061", "val": "scene-0103"}


class Drive(ScanSource):
    """Two made-up scenes: points beyond the range of int16, NaN, scans without intensities, labels, poses on request."""

    kind = "folder"
    sensor = "made up"

    def __init__(self, with_poses: bool = True) -> None:
        rng, count = np.random.default_rng(0), 7
        poses = np.repeat(np.eye(3, 4)[None], count, axis=0)
        poses[:, :, 3] = rng.normal(scale=100, size=(count, 3))
        index = ScanIndex(
            scenes=("a", "b"),
            scene=np.array([0, 0, 0, 1, 1, 1, 1]),
            timestamp_us=np.arange(count) * 100_000 + 5,
            global_from_ego=poses if with_poses else None,
        )
        super().__init__(Path("made up"), index, {"train": ["a"], "val": ["b"]})

    def read(self, row):
        rng = np.random.default_rng(row)
        xyz = rng.normal(scale=40, size=(300 + row, 3)).astype(np.float32)
        xyz[:4] = [(163.8, 0, 0), (163.84, 1, -1), (0, -5000, 2.001), (np.nan, 1, np.inf)]
        xyz[4] = (-0.0, 0.0025, -163.835)
        intensity = None if row == 2 else rng.integers(0, 256, len(xyz)).astype(np.float32)
        return SweepPoints(xyz, intensity, time_offset_s=rng.random(len(xyz)).astype(np.float32))

    def ego_from_lidar(self, row):
        return np.concatenate([np.eye(3), [[1.0], [0.1 * row], [2.0]]], axis=1)

    def is_key_frame(self, row):
        return row % 2 == 0

    def ego_boxes(self, row):
        geometry = torch.from_numpy(np.random.default_rng(row).normal(size=(row, 9)))
        geometry[:, 7:] = torch.nan
        names = tuple(f"thing {i}" for i in range(row))
        return Boxes(geometry, names, names, names, torch.arange(row))

    def has_labels(self, row):
        return row > 3

    def point_labels(self, row, classes="fine"):
        return np.full(300 + row, 200 if classes == "fine" else 3, dtype=np.uint8)


@pytest.fixture(params=["tiny", "real", "waymo", "waymo top", "made up", "without poses"])
def dataset(request, tmp_path):
    """A source and the config that it was opened with."""
    if request.param in ("tiny", "real"):
        root = request.getfixturevalue("tiny_root" if request.param == "tiny" else "nuscenes_root")
        there = WHOLE if request.param == "tiny" else {"train": "scene-0523[:5]", "val": ""}
        return NuScenes(root, "v1.0-mini"), DataConfig(root=str(root), version="v1.0-mini", **there)
    if request.param.startswith("waymo"):
        waymo_files.write_v1(waymo_files.make_drive(num_frames=4), tmp_path / "training" / "segment.tfrecord")
        options = {"lidars": "top", "returns": "first"} if "top" in request.param else {}
        config = DataConfig(kind="waymo", root=str(tmp_path), waymo=options, val="")
        return Waymo(tmp_path, config.waymo), config
    return Drive(request.param == "made up"), DataConfig(kind="folder", root="made up", train="train", val="val")


def packed(dataset, folder, **options) -> Shards:
    source, config = dataset
    writer.pack(source, folder, config, **({"shard_mb": 0.02} | options))
    return Shards(folder)


def rows_of(dataset, shards):
    """Rows of the same sweeps in the source and in the shards."""
    source, config = dataset
    selections = [selection for selection in (config.train, config.val) if selection]
    pairs = []
    for selection in selections:
        ours, theirs = (one.select(selection, "all_sweeps") for one in (shards, source))
        assert_same(ours.oldest_key_frame, theirs.oldest_key_frame)
        pairs += zip(ours.rows.tolist(), theirs.rows.tolist(), ours.oldest_key_frame.tolist(), strict=True)
    assert len(pairs) > 3
    return pairs


def test_float32_keeps_every_bit(dataset, tmp_path):
    source, _ = dataset
    shards = pickle.loads(pickle.dumps(packed(dataset, tmp_path / "shards")))
    assert shards.sensor == source.sensor and len(shards.manifest.shards) > 1
    for ours, theirs, oldest in rows_of(dataset, shards):
        for ask in ("name", "token", "timestamp_us", "ego_from_lidar", "global_from_ego", "is_key_frame"):
            assert_same(getattr(shards, ask)(ours), getattr(source, ask)(theirs))
        read = source.read(theirs)
        assert_same(shards.read(ours), read._replace(xyz=np.ascontiguousarray(read.xyz)))
        past = shards.past(ours, 9, oldest), source.past(theirs, 9, oldest)
        assert [shards.name(row) for row in past[0]] == [source.name(row) for row in past[1]]
        for frame in ("ego", "lidar"):
            assert_same(shards.cloud(ours, past[0], frame), source.cloud(theirs, past[1], frame))
            assert_same(shards.global_from_model(ours, frame), source.global_from_model(theirs, frame))


def test_boxes_and_labels_are_those_of_the_dataset(dataset, tmp_path, request):
    source, _ = dataset
    shards, seen = packed(dataset, tmp_path / "shards"), 0
    shards.load_annotations()
    for ours, theirs, _ in rows_of(dataset, shards):
        if source.is_key_frame(theirs):
            seen += 1
            for frame in ("ego", "lidar"):
                assert_same(shards.boxes(ours, frame), source.boxes(theirs, frame))
            assert_same(shards.objects(ours), source.objects(theirs))
        else:
            with pytest.raises(ValueError, match="has no boxes"):
                shards.boxes(ours)
        if shards.has_labels(ours):
            for classes in ("fine", "coarse"):
                assert_same(shards.point_labels(ours, classes), source.point_labels(theirs, classes))
        else:
            assert request.node.callspec.params["dataset"] == "real" or not source.has_labels(theirs)
            with pytest.raises(ValueError, match="no labels of points"):
                shards.point_labels(ours)
    assert seen


def test_int16_errs_by_two_and_a_half_millimetres_at_most(dataset, tmp_path):
    source, _ = dataset
    shards = packed(dataset, tmp_path / "shards", precision="int16")
    for ours, theirs, _ in rows_of(dataset, shards):
        stored, given = shards.read(ours), source.read(theirs)
        exact = given.xyz.astype(np.float64)
        fits = (np.abs(np.rint(exact / 0.005)) <= 32767).all(axis=1)
        error = np.abs(stored.xyz[fits].astype(np.float64) - exact[fits])
        assert error.max() <= 0.0025 + 8e-6  # and half a unit in the last place of float32 at 163 m
        assert_same(stored.xyz[~fits], given.xyz[~fits])
        assert_same(stored._replace(xyz=None), given._replace(xyz=None))


def test_the_made_up_drive_has_points_beyond_the_range_of_int16(tmp_path):
    shards = packed((Drive(), DataConfig(kind="folder", train="a", val="")), tmp_path, precision="int16")
    xyz = shards.read(0).xyz
    assert xyz[2].tolist() == [0, -5000, np.float32(2.001)] and np.isnan(xyz[3, 0]) and np.isinf(xyz[3, 2])


def test_every_coordinate_of_the_range_comes_back_within_half_a_step():
    edge = np.arange(-32769, 32770) * 0.005
    xyz = np.stack([edge, edge + 0.00249, np.roll(edge, 1) - 0.0024], axis=1).astype(np.float32)
    (batch,) = columns.encode([columns.StoredSweep(SweepPoints(xyz))], "int16")
    found = columns.decode(batch).points.xyz
    assert np.abs(found.astype(np.float64) - xyz).max() <= 0.0025 + 8e-6
    assert (found[[0, -1]] == xyz[[0, -1]]).all()


@pytest.mark.parametrize("frame", ["ego", "lidar"])
@pytest.mark.parametrize("kind", ["nuscenes", "waymo"])
def test_samples_of_a_run_have_the_same_bits(kind, frame, tiny_root, tmp_path, grid):
    common = {"num_sweeps": 4, "sweep_choice": "random", "frame": frame, "boxes": True, "labels": "coarse"}
    if kind == "waymo":
        waymo_files.write_v1(waymo_files.make_drive(num_frames=4), tmp_path / "training" / "segment.tfrecord")
        config = DataConfig(kind="waymo", root=str(tmp_path), val="", **common)
    else:
        config = DataConfig(root=str(tiny_root), version="v1.0-mini", **WHOLE, **common)
    packing.pack(tmp_path / "shards", packing.PackConfig(data=config))
    there = config.model_dump(include={"train", "val"}) | {"kind": "shards", "root": str(tmp_path / "shards")}
    again = DataConfig(**there, **common)
    assert again.dataset == kind and (again.intensity_scale, again.features) == (
        config.intensity_scale,
        config.features,
    )
    options = {"class_map": class_map("detection", kind), "training": True}
    ours, theirs = (build_labelled(one, "train", grid, 7, **options) for one in (again, config))
    assert len(ours) == len(theirs) > 0
    for index in range(len(ours)):
        a, b = ours[1, index], theirs[1, index]
        assert a.boxes is not None and a.labels is not None
        assert_same(a, b)


def test_the_first_step_of_a_run_has_the_same_loss(tiny_root, tmp_path):
    small = [
        *("grid.lower=[-12.8,-12.8,-3.2]", "grid.upper=[12.8,12.8,4.8]", "train.num_threads=1", "train.max_steps=1"),
        *("data.train=scene-0061", "data.val=scene-0103", "data.num_sweeps=3", "data.workers=0", "train.device=cpu"),
    ]
    raw = ["data.version=v1.0-mini", f"data.root={tiny_root}"]
    packing.pack(tmp_path / "shards", packing.load([*raw, "data.train=scene-0061", "data.val=scene-0103"]))
    losses = []
    for name, where in (("raw", raw), ("packed", [f"data.root={tmp_path / 'shards'}"])):
        told = [*where, f"run.dir={tmp_path / name}", "data.features=[intensity,time_lag_s]", *small]
        run = pretraining.pretrain(pretraining.load("geopt", told))
        losses.append([row["loss_hex"] for row in metrics_log.read(run / "metrics.jsonl") if "loss_hex" in row])
        assert json.loads((run / "datasets.json").read_text())[0]["dataset"] == "nuscenes"
    assert losses[0] == losses[1] and len(losses[0]) == 1


def test_scenes_that_nobody_asked_for_stay_out(tiny, tiny_root, tmp_path):
    config = DataConfig(root=str(tiny_root), version="v1.0-mini", train="scene-0103[:2]", val="")
    shards = packed((tiny, config), tmp_path / "shards")
    assert shards.order.scenes == ("scene-0103",)
    ours, theirs = (one.select("scene-0103[1:3]", "all_sweeps").rows for one in (shards, tiny))
    assert [shards.name(int(row)) for row in ours] == [tiny.name(int(row)) for row in theirs]
    with pytest.raises(ValueError, match="scene-0061"):
        shards.select("scene-0061")


def test_processes_write_the_same_files(tiny, tiny_root, tmp_path):
    config = DataConfig(root=str(tiny_root), version="v1.0-mini", **WHOLE)
    told: list = []
    for workers in (1, 2):
        out = tmp_path / str(workers)
        writer.pack(
            tiny, out, config, shard_mb=0.05, workers=workers, progress=lambda done, total: told.append((done, total))
        )
    ours, theirs = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("1", "2"))
    assert ours == theirs and len(ours) > 10
    assert told[-1] == (28, 28)


KILLED = """
import os, sys
from geopt import packing
from geopt.data.shards import tables
count, write = 0, tables.write
def counted(*arguments):
    global count
    count += 1
    if count == int(sys.argv[1]):
        os.kill(os.getpid(), 9)
    return write(*arguments)
tables.write = counted
packing.pack(sys.argv[2], packing.load(sys.argv[3:]))
"""


@pytest.mark.parametrize("writes", [2, 5])
def test_packing_goes_on_after_a_kill(writes, tiny_root, tmp_path):
    told = [f"data.root={tiny_root}", "data.version=v1.0-mini", "data.train=scene-0061", "data.val=scene-0103"]
    told.append("shard_mb=0.05")
    packing.pack(tmp_path / "whole", packing.load(told))
    done = subprocess.run([sys.executable, "-c", KILLED, str(writes), str(tmp_path / "cut"), *told], timeout=60)
    assert done.returncode == -9
    with pytest.raises(FileNotFoundError, match="goes on with it"):
        Shards(tmp_path / "cut")
    (tmp_path / "cut" / ".points-00009.arrow.abc.tmp").write_bytes(b"left over")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("*.arrow")}
    time.sleep(0.02)
    packing.pack(tmp_path / "cut", packing.load(told))
    ours, theirs = ({path.name: path.read_bytes() for path in (tmp_path / n).iterdir()} for n in ("whole", "cut"))
    assert ours == theirs
    written = [path for path in kept if path.stat().st_mtime_ns == kept[path]]
    assert len(written) == 3 * ((writes - 1) // 2)  # whole shards are kept, each with three files


def test_packing_twice_writes_nothing_and_another_pack_is_refused(tiny, tiny_root, tmp_path):
    config = DataConfig(root=str(tiny_root), version="v1.0-mini", **WHOLE)
    dataset = (tiny, config)
    packed(dataset, tmp_path / "shards")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}
    packed(dataset, tmp_path / "shards")
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}
    with pytest.raises(ValueError, match=f"out must be a new or empty folder.*{tmp_path / 'shards'}"):
        packed(dataset, tmp_path / "shards", precision="int16")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("mine")
    for taken in ("other", "other/diary.txt"):
        with pytest.raises(ValueError, match="out must be a new or empty folder"):
            packed(dataset, tmp_path / taken)
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["diary.txt"]


def test_what_a_dataset_lacks_is_told(own_root, tmp_path, caplog):
    (own_root / "v1.0-mini" / "lidarseg.json").unlink()
    shards = packed((NuScenes(own_root, "v1.0-mini"), DataConfig(version="v1.0-mini", **WHOLE)), tmp_path / "shards")
    assert "packed without labels of points" in caplog.text and "lidarseg.json" in caplog.text
    assert shards.manifest.boxes and not any(map(shards.has_labels, range(len(shards))))


@pytest.mark.parametrize(
    "told, text",
    [
        (["data.mix=[{root: a}]"], "one dataset to pack"),
        ([], "data.root: must be the folder"),
        (["data.root=x", "precision=int8"], "'precision'"),
        (["data.root=x", "shard_mb=0"], "'shard_mb'"),
    ],
)
def test_what_cannot_be_packed_is_refused(told, text, tmp_path):
    with pytest.raises(ConfigError) as error:
        packing.pack(tmp_path / "shards", packing.load(told))
    assert text in str(error.value) and not (tmp_path / "shards").exists()


def test_shards_are_opened_by_the_kind_that_was_packed_and_by_none_other(tiny_root, tmp_path):
    waymo_files.write_v1(waymo_files.make_drive(num_frames=2), tmp_path / "training" / "segment.tfrecord")
    config = DataConfig(kind="waymo", root=str(tmp_path), val="", waymo={"lidars": "top"})
    packing.pack(tmp_path / "shards", packing.PackConfig(data=config))
    root = str(tmp_path / "shards")
    for told in ({"kind": "shards"}, {"kind": "waymo"}, {"kind": "waymo", "waymo": {"lidars": "top"}}):
        opened = DataConfig(**told, root=root)
        assert (
            isinstance(open_source(opened), Shards) and opened.dataset == "waymo" and opened.intensity_curve == "tanh"
        )
    with pytest.raises(ValueError, match=r"data\.kind must be waymo, .* got nuscenes"):
        open_source(DataConfig(root=root))
    with pytest.raises(ValueError, match=r"data\.waymo must be left out, or be what was given"):
        open_source(DataConfig(kind="waymo", root=root, waymo={"returns": "first"}))
    with pytest.raises(FileNotFoundError, match=r"shards\.json is missing"):
        DataConfig(kind="shards", root=str(tmp_path))


def test_a_file_that_is_cut_off_while_it_is_mapped_is_refused(tiny, tiny_root, tmp_path):
    shards = packed((tiny, DataConfig(root=str(tiny_root), version="v1.0-mini", **WHOLE)), tmp_path / "shards")
    shards.read(0)
    path = tmp_path / "shards" / "points-00000.arrow"
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(ValueError, match=rf"{path} is damaged: it must have"):
        shards.read(0)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=r"points-00000\.arrow"):
        shards.read(0)


def test_many_files_are_mapped_a_few_at_a_time(tiny, tiny_root, tmp_path, monkeypatch):
    shards = packed((tiny, DataConfig(root=str(tiny_root), version="v1.0-mini", **WHOLE)), tmp_path, shard_mb=1e-6)
    assert len(shards.manifest.shards) == len(shards) == 28
    monkeypatch.setattr("geopt.data.shards.reader.OPEN_FILES", 3)
    clouds = [shards.read(row).xyz for row in range(28)]
    assert len(shards._mapped) == 3
    for row, xyz in enumerate(clouds):  # what was read stays when its file is let go
        assert_same(xyz, np.ascontiguousarray(tiny.read(row).xyz))


def test_the_manifest_says_where_shards_come_from(tiny, tiny_root, tmp_path):
    config = DataConfig(root=str(tiny_root), version="v1.0-mini", **WHOLE)
    manifest = packed((tiny, config), tmp_path).manifest
    assert manifest.source == config.model_dump(mode="json") and manifest.kind == "nuscenes"
    assert {"geopt", "pyarrow", "numpy", "python"} == manifest.versions.keys()
