"""Frames, boxes and classes of PandaSet come out as another way of reading the files has them."""

import gzip
import json
import pickle

import fuzzing
import numpy as np
import pandaset_files
import pytest
import torch
from pandaset_files import FIRST_S, LONELY, MOVER, MOVER_FORWARD, PARKED, Sequence, write_table
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from geopt import ops
from geopt.data import DataConfig, PandaSet, PandaSetConfig, build_dataset
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (0.512, 0.512, 8.0))
LIDARS = {"spinning": (0,), "forward": (1,), "both": (0, 1)}
GROUND, CAR = (7, 8, 9, 10), 13
"""Classes of points: road and its markings; cars."""


@pytest.fixture(scope="module")
def made_up():
    return Sequence()


@pytest.fixture(scope="module")
def root(made_up, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pandaset")
    made_up.write(folder / "002")
    Sequence(num_frames=2, seed=1).write(folder / "011", annotations=False)
    return folder


@pytest.fixture
def own(made_up, tmp_path):
    """A sequence for a test to change."""
    return made_up.write(tmp_path / "002")


def opened(root, lidar="spinning"):
    return PandaSet(root, PandaSetConfig(lidar=lidar))


def test_sequences_are_scenes_and_one_of_them_is_a_root(root):
    source = pickle.loads(pickle.dumps(opened(root)))
    assert source.scenes == ("002", "011") and source.splits() == {"all": ("002", "011")} and len(source) == 5
    assert source.name(4) == source.token(4) == "011/1" and source.row("011/1") == 4
    assert source.timestamp_us(1) == round((FIRST_S + 0.1) * 1e6)
    assert source.past(2, 9) == [1, 0] and source.past(3, 9) == []
    assert PandaSet(root / "011").scenes == ("011",) and source.select("002[1:]").rows.tolist() == [1, 2]


@pytest.mark.parametrize("lidar", LIDARS)
def test_points_are_those_of_the_lidar_in_the_ego_frame(lidar, root, made_up):
    source = opened(root, lidar)
    for frame in range(3):
        points, wanted = source.read(frame), np.isin(made_up.lidar[frame], LIDARS[lidar])
        assert np.abs(points.xyz - made_up.ego(frame, made_up.world[frame][wanted])).max() < 1e-5
        assert np.array_equal(points.intensity, made_up.intensity[wanted])
        assert np.allclose(points.time_offset_s, np.linspace(-0.1, 0, 60)[wanted], atol=1e-6)
        assert np.array_equal(source.point_labels(frame), made_up.labels[frame][wanted])


def test_past_frames_lie_where_they_were_in_the_world(root, made_up):
    source = opened(root)
    cloud = source.cloud(2, source.past(2, 2))
    for sweep, frame in enumerate((2, 1, 0)):
        wanted = made_up.ego(2, made_up.world[frame][made_up.lidar[frame] == 0])
        assert np.abs(cloud.xyz[cloud.sweep == sweep] - wanted).max() < 1e-5
    world = made_up.shifts[0] + made_up.turns[0].apply([0.0, 0.778, 1.859])  # right, forward, up
    assert np.allclose(cloud.sensor_origins[2], made_up.ego(2, world[None]), atol=1e-5)


@pytest.mark.parametrize(
    ("lidar", "names"),
    [
        ("spinning", (PARKED, MOVER)),
        ("forward", (PARKED, MOVER_FORWARD, LONELY)),
        ("both", (PARKED, MOVER, LONELY)),
    ],
)
def test_a_moving_object_has_one_box(lidar, names, root):
    source = opened(root, lidar)
    assert (
        source.boxes(0).instances == names
        and len(set(source.boxes(0).tokens + source.boxes(1).tokens)) == len(names) + 2
    )
    assert source.objects(1).categories == ("Car", "Bus")


def test_boxes_stand_where_they_were_written_and_move_as_they_did(root, made_up):
    source = opened(root, "both")
    for frame in range(3):
        boxes, written = source.boxes(frame), made_up.cuboids(frame)
        rows = [list(written["uuid"]).index(name) for name in boxes.instances]
        centres = np.stack([written[f"position.{axis}"] for axis in "xyz"], axis=1)[rows]
        geometry = boxes.geometry.numpy()
        assert np.allclose(geometry[:, :3], made_up.ego(frame, centres))
        assert (geometry[:, 3:6] == [4.5, 1.9, 1.6]).all()
        # the long side points along y of the box, which PandaSet's yaw turns out of the world's y
        along = np.stack([-np.sin(written["yaw"]), np.cos(written["yaw"]), 0 * written["yaw"]], axis=1)[rows]
        seen = made_up.ego(frame, centres + along) - made_up.ego(frame, centres)
        assert (
            np.allclose(np.tan(geometry[:, 6]), seen[:, 1] / seen[:, 0])
            and (np.cos(geometry[:, 6]) * seen[:, 0] > 0).all()
        )
        speed = made_up.ego(frame, np.array([made_up.speed, [0, 0, 0]])) @ np.eye(3)[:, :2]
        assert np.allclose(geometry[1, 7:], speed[0] - speed[1]) and np.allclose(geometry[0, 7:], 0)
    assert np.isnan(source.boxes(0).geometry[2, 7:].numpy()).all()  # seen once


def test_points_in_boxes_are_counted(tmp_path):
    sequence = Sequence(num_frames=1)
    sequence.world[0][:5] = [9.0, 4.0, 0.4]
    sequence.lidar[0][:5] = [0, 0, 1, 0, 1]
    counts = {lidar: opened(sequence.write(tmp_path / "001"), lidar).boxes(0).num_points[0] for lidar in LIDARS}
    assert counts == {"spinning": 3, "forward": 2, "both": 5}


def test_sequences_without_annotations_have_neither_boxes_nor_labels(root):
    source = opened(root)
    assert [source.is_key_frame(row) and source.has_labels(row) for row in (0, 3)] == [True, False]
    assert not source.is_key_frame(3) and not source.has_labels(3)
    config = DataConfig(kind="pandaset", root=str(root), boxes=True, labels="fine")
    frames = build_dataset(config, "train", GRID, seed=0)
    assert frames.frames.rows.tolist() == [0, 1, 2] and frames.read(1).labels.max() > 0


def changed(path, **columns):
    """Write a table of the first frame again with other columns, or with fewer where one is None."""
    kind = path.parent.name
    sequence = Sequence()
    found = {"lidar": sequence.points(0), "cuboids": sequence.cuboids(0), "semseg": {"class": sequence.labels[0]}}[kind]
    found = {name: column for name, column in (found | columns).items() if column is not None}
    write_table(path, found)


N = 60


@pytest.mark.parametrize(
    ("file", "columns", "message"),
    [
        ("lidar/00.pkl.gz", {"x": None}, "must have column x, got"),
        ("lidar/00.pkl.gz", {"x": np.full(N, np.nan)}, "column x must hold finite numbers"),
        ("lidar/00.pkl.gz", {"i": np.array(["a"] * N, dtype=object)}, "column i must hold finite numbers"),
        ("lidar/00.pkl.gz", {"d": np.full(N, 1)}, "has no point of the lidar 'spinning'"),
        ("annotations/cuboids/00.pkl.gz", {"uuid": np.arange(4)}, "column uuid must hold a text"),
        ("annotations/cuboids/00.pkl.gz", {"dimensions.y": np.zeros(4)}, "must have positive sizes"),
        ("annotations/cuboids/00.pkl.gz", {"cuboids.sensor_id": None}, "must have column cuboids.sensor_id"),
        ("annotations/semseg/00.pkl.gz", {"class": np.full(N, 43)}, "classes must be 0 to 42, got 43 to 43"),
        ("annotations/semseg/00.pkl.gz", {"class": np.full(N - 1, 1)}, "must have a row for each of 60 points"),
    ],
)
def test_values_that_make_no_sense_are_refused_by_file_and_column(file, columns, message, own):
    changed(own / file, **columns)
    with pytest.raises(ValueError, match=message) as caught:
        pandaset = PandaSet(own)
        pandaset.boxes(0), pandaset.point_labels(0)
    assert str(own / file) in str(caught.value)


def test_classes_in_another_order_than_the_points_are_refused(own, made_up):
    path = own / "annotations" / "semseg" / "00.pkl.gz"
    write_table(path, {"class": made_up.labels[0][::-1]}, np.arange(N)[::-1])
    with pytest.raises(ValueError, match="must have a row for each of 60 points"):
        PandaSet(own).point_labels(0)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("poses.json", [], "must have an item for each frame to 02, got 0"),
        ("poses.json", [{"position": {"x": 1, "y": 2, "z": 3}}] * 3, "missing required field `heading`"),
        (
            "poses.json",
            [{"position": dict.fromkeys("xyz", 0), "heading": dict.fromkeys("wxyz", 0)}] * 3,
            "each pose must be a rotation and a shift",
        ),
        ("timestamps.json", ["now"] * 3, "Expected `float`, got `str`"),
        ("timestamps.json", [1e300] * 3, "times must be seconds since 1970"),
        ("timestamps.json", [1.0, 3.0, 2.0], "times must be seconds since 1970 that ascend"),
    ],
)
def test_poses_and_times_are_checked(file, content, message, own):
    (own / "lidar" / file).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as caught:
        PandaSet(own)
    assert str(own / "lidar" / file) in str(caught.value)


def test_folders_that_are_no_dataset_are_refused(own, tmp_path):
    with pytest.raises(ValueError, match="got ''"):
        PandaSet("")
    with pytest.raises(FileNotFoundError, match="root must be a folder"):
        PandaSet(tmp_path / "missing")
    with pytest.raises(FileNotFoundError, match="holds no sequence; a PandaSet folder holds"):
        PandaSet(own / "annotations")
    (own / "lidar" / "poses.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"poses\.json is missing"):
        PandaSet(own)
    (own / "lidar" / "first.pkl.gz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"must hold files like 00\.pkl\.gz, got first"):
        PandaSet(own)


def test_damage_is_refused_by_name(tmp_path):
    Sequence(num_frames=2, num_points=20).write(tmp_path / "002")
    found = fuzzing.run(pandaset_files.read_all, tmp_path, cases=1200, damage=pandaset_files.damage)
    assert found.refused > 600 and found.memory_mb < 300 and found.slowest_s < 5


@pytest.mark.long
def test_much_damage_is_refused_by_name(tmp_path):
    Sequence(num_frames=1, num_points=20).write(tmp_path / "002")
    found = fuzzing.run(pandaset_files.read_all, tmp_path, cases=8000, damage=pandaset_files.damage, seed=1)
    assert found.refused > 4000 and found.memory_mb < 300 and found.slowest_s < 5


class Whatever:
    """Any class of pandas, with what its pickle gives it."""

    def __init__(self, *arguments):
        self.arguments = arguments

    def __setstate__(self, state):
        self.state = state


class Trusting(pickle.Unpickler):
    """NumPy makes the arrays; pandas' classes become :class:`Whatever`. Only for files that are known."""

    def find_class(self, module, name):
        if module.startswith("pandas"):
            return Whatever
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def raw(path):
    with gzip.open(path) as file:
        frame = Trusting(file).load()
    layout = frame.state["_data"].state[3]["0.14.1"]
    names = layout["axes"][0].arguments[1]["data"]
    return {name: row for block in layout["blocks"] for name, row in zip(names[block["mgr_locs"]], block["values"])}


@pytest.fixture(scope="module")
def drive(shared_data):
    folder = shared_data / "pandaset" / "002"
    if not folder.is_dir():
        pytest.skip("no sequence of PandaSet")
    return folder


def poses(drive):
    found = json.loads((drive / "lidar" / "poses.json").read_text())
    places = np.array([[pose["position"][axis] for axis in "xyz"] for pose in found])
    return places, Rotation.from_quat([[pose["heading"][axis] for axis in "xyzw"] for pose in found])


def test_real_poses_have_y_forward(drive):
    places, turns = poses(drive)
    moves = turns.inv().apply(np.gradient(places, 0.1, axis=0))
    moving = np.linalg.norm(moves, axis=1) > 2
    heading = moves[moving] / np.linalg.norm(moves[moving], axis=1, keepdims=True)
    assert moving.sum() > 40 and np.abs(heading.mean(axis=0) - [0, 1, 0]).max() < 0.005


def test_the_real_car_stands_on_the_road(drive):
    places, turns = poses(drive)
    points, labels = raw(drive / "lidar" / "00.pkl.gz"), raw(drive / "annotations" / "semseg" / "00.pkl.gz")["class"]
    road = np.stack([points[axis] for axis in "xyz"], axis=1)[np.isin(labels, GROUND)]
    source = PandaSet(drive)
    frames = []
    for place, turn in zip(places, turns):
        below = np.hypot(*(road - place)[:, :2].T) < 1
        if below.sum() > 300:
            frames.append(np.median(turn.inv().apply(road[below] - place)[:, 2]))
    assert len(frames) > 5 and np.abs(np.array(frames) + 0.31).max() < 0.03
    xyz, own = source.read(0).xyz, source.point_labels(0)
    near = np.isin(own, GROUND) & (np.hypot(*xyz[:, :2].T) < 8)
    assert near.sum() > 1000 and abs(np.median(xyz[near, 2])) < 0.1  # the road slopes by 2 degrees to its sides


@pytest.mark.parametrize("lidar", LIDARS)
def test_real_points_equal_the_file(lidar, drive):
    source = opened(drive.parent, lidar)
    places, turns = poses(drive)
    for frame in range(4):
        columns = raw(drive / "lidar" / f"{frame:02d}.pkl.gz")
        wanted = np.isin(columns["d"], LIDARS[lidar])
        world = np.stack([columns[axis] for axis in "xyz"], axis=1)[wanted]
        right, forward, up = turns[frame].inv().apply(world - places[frame]).T
        points = source.read(frame)
        assert np.abs(points.xyz - np.stack([forward, -right, up + 0.31], axis=1)).max() < 5e-5
        assert np.array_equal(points.intensity, columns["i"][wanted]) and points.intensity.max() == 255
        labels = raw(drive / "annotations" / "semseg" / f"{frame:02d}.pkl.gz")["class"]
        assert np.array_equal(source.point_labels(frame), labels[wanted])
        assert np.abs(points.time_offset_s).max() < 0.12


@pytest.mark.parametrize(
    ("lidar", "num_boxes", "share"), [("spinning", 91, 0.96), ("forward", 89, 0.92), ("both", 92, 0.94)]
)
def test_real_boxes_hold_the_points_of_their_class(lidar, num_boxes, share, drive):
    source = opened(drive, lidar)
    boxes, xyz, labels = source.boxes(0), torch.from_numpy(source.read(0).xyz), source.point_labels(0)
    owner = ops.points_in_boxes(xyz, boxes.geometry[:, :7]).numpy()
    is_car = np.array([name == "Car" for name in boxes.names])
    inside = np.append(is_car, False)[owner]  # -1 is no box
    assert len(boxes.names) == num_boxes and inside.sum() > 10_000
    assert (labels[inside] == CAR).mean() > share and inside[labels == CAR].mean() > 0.98
    assert boxes.num_points.sum() == (owner >= 0).sum()


def test_real_cars_drive_where_they_head(drive):
    boxes = PandaSet(drive).boxes(1)
    speed, yaw = boxes.geometry[:, 7:].numpy(), boxes.geometry[:, 6].numpy()
    moving = np.array([name == "Car" for name in boxes.names]) & (np.linalg.norm(speed, axis=1) > 4)
    turn = np.arctan2(speed[moving, 1], speed[moving, 0]) - yaw[moving]
    assert moving.sum() > 10 and np.abs(np.angle(np.exp(1j * turn))).max() < np.radians(10)
    length, width = boxes.geometry[:, 3:5].numpy()[moving].T
    assert (length > 1.8 * width).all()


def test_static_points_of_real_frames_meet(drive):
    source = PandaSet(drive)
    cloud = source.cloud(3, source.past(3, 3))
    new, old = (cloud.xyz[(cloud.sweep == sweep) & (np.abs(cloud.xyz).max(axis=1) < 30)] for sweep in (0, 3))
    assert np.median(cKDTree(new).query(old)[0]) < 0.05
