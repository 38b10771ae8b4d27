import json
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from geopt.data import NuScenes
from geopt.data.sweeps import read_points


def table(nuscenes, name):
    return {row["token"]: row for row in json.loads((nuscenes.folder / f"{name}.json").read_text())}


def homogeneous(row):
    """4x4 of a pose row, by another route than geopt's."""
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(row["rotation"], scalar_first=True).as_matrix()
    matrix[:3, 3] = row["translation"]
    return matrix


def poses(nuscenes, row):
    """ego_from_lidar and global_from_ego of a sweep, straight from the JSON tables."""
    data = table(nuscenes, "sample_data")[nuscenes.sweeps.token[row].decode()]
    mount = table(nuscenes, "calibrated_sensor")[data["calibrated_sensor_token"]]
    return homogeneous(mount), homogeneous(table(nuscenes, "ego_pose")[data["ego_pose_token"]])


@pytest.mark.parametrize("frame", ["ego", "lidar"])
def test_cloud_equals_homogeneous_matrices(nuscenes, frame):
    row = int(nuscenes.key_rows[4])
    rows = [row, *nuscenes.past(row, 3)]
    assert len(rows) == 4
    cloud = nuscenes.cloud(row, rows[1:], frame)
    mount, pose = poses(nuscenes, row)
    to_model = np.linalg.inv(pose) if frame == "ego" else np.linalg.inv(mount) @ np.linalg.inv(pose)
    expected, origins = [], []
    for number, other in enumerate(rows):
        raw = np.fromfile(nuscenes.path(other), dtype="<f4").reshape(-1, 5).astype(np.float64)
        if number:
            raw = raw[~((abs(raw[:, 0]) < 1) & (abs(raw[:, 1]) < 1))]
        mount, pose = poses(nuscenes, other)
        chain = to_model @ pose @ mount
        expected.append((np.c_[raw[:, :3], np.ones(len(raw))] @ chain.T)[:, :3])
        origins.append(chain[:3, 3])
        assert np.array_equal(cloud.intensity[cloud.sweep == number], raw[:, 3].astype(np.float32))
        assert np.array_equal(cloud.ring[cloud.sweep == number], raw[:, 4].astype(np.float32))
    expected = np.concatenate(expected)
    # half a unit in the last place of float32 at 100 m, and 1e-8 m for the poses 2 km from the map's origin
    np.testing.assert_allclose(cloud.xyz, expected, rtol=6e-8, atol=1e-8)
    np.testing.assert_allclose(cloud.sensor_origins, origins, rtol=6e-8, atol=1e-8)


def test_key_frame_in_the_lidar_frame_is_the_file_to_the_bit(nuscenes):
    row = int(nuscenes.key_rows[2])
    cloud = nuscenes.cloud(row, frame="lidar")
    assert np.array_equal(cloud.xyz.view(np.uint32), read_points(nuscenes.path(row))[:, :3].copy().view(np.uint32))
    assert np.array_equal(cloud.sensor_origins, np.zeros((1, 3)))


def test_ground_is_at_height_zero_in_the_ego_frame(nuscenes_root):
    xyz = NuScenes(nuscenes_root, "v1.0-mini").cloud(20).xyz
    near = xyz[(np.hypot(xyz[:, 0], xyz[:, 1]) > 4) & (np.hypot(xyz[:, 0], xyz[:, 1]) < 12)]
    heights, edges = np.histogram(near[:, 2], bins=np.arange(-3, 5, 0.2))
    assert abs(edges[heights.argmax()] + 0.1) <= 0.2


def test_time_lag_counts_seconds_back_from_the_key_frame(nuscenes):
    row = int(nuscenes.key_rows[4])
    rows = [row, *nuscenes.past(row, 3)]
    cloud = nuscenes.cloud(row, rows[1:])
    stamps = table(nuscenes, "sample_data")
    times = [stamps[nuscenes.sweeps.token[r].decode()]["timestamp"] for r in rows]
    for number, time_us in enumerate(times):
        lags = np.unique(cloud.time_lag_s[cloud.sweep == number])
        assert lags.tolist() == [np.float32((times[0] - time_us) / 1e6)]
    assert cloud.time_lag_s.min() == 0 and len(set(times)) == 4


def test_close_points_leave_past_sweeps_only(tiny):
    row = int(tiny.key_rows[2])
    past = tiny.past(row, 2)

    def num_close(sweep_row):
        xyz = read_points(tiny.path(sweep_row))
        return int(((abs(xyz[:, 0]) < 1) & (abs(xyz[:, 1]) < 1)).sum())

    counts = np.bincount(tiny.cloud(row, past).sweep)
    assert num_close(row) > 0 and num_close(past[0]) > 0
    assert counts.tolist() == [400, 400 - num_close(past[0]), 400 - num_close(past[1])]


def test_first_sweep_has_no_past_and_is_not_padded(nuscenes):
    first = int(np.flatnonzero(nuscenes.sweeps.previous == -1)[0])
    assert nuscenes.past(first, 9) == []
    cloud = nuscenes.cloud(first, nuscenes.past(first, 9))
    assert len(cloud.xyz) == nuscenes.path(first).stat().st_size // 20 and len(cloud.sensor_origins) == 1


def test_past_sweeps_follow_the_chain_within_a_scene(tiny):
    row = int(tiny.key_rows[6])  # key frame 1 of the second scene
    past = tiny.past(row, 99)
    assert [tiny.name(r) for r in past] == ["scene-0103/0+2", "scene-0103/0+1", "scene-0103/0", "scene-0103/0-1"]
    assert (np.diff(tiny.sweeps.timestamp_us[[row, *past]]) < 0).all()


def test_all_sweeps_hold_every_sweep_once_by_name(tiny):
    frames = tiny.select("scene-0061", "all_sweeps")
    names = [tiny.name(row) for row in frames.rows]
    assert names[:6] == [f"scene-0061/{n}" for n in ("0-1", "0", "0+1", "0+2", "1", "1+1")]
    assert len(set(names)) == len(names) == 1 + 4 * 3 + 1
    assert [tiny.row(name) for name in names] == frames.rows.tolist()
    files = {tiny.path(int(row)) for row in frames.rows}
    assert files == {path for kind in ("samples", "sweeps") for path in tiny.root.glob(f"{kind}/LIDAR_TOP/scene-0061*")}


def test_a_sweep_between_key_frames_is_compensated_to_its_own_pose(tiny):
    row = tiny.row("scene-0061/1+2")
    past = tiny.past(row, 1)
    cloud = tiny.cloud(row, past)
    (mount, pose), (old_mount, old_pose) = poses(tiny, row), poses(tiny, past[0])
    origin = (np.linalg.inv(pose) @ old_pose @ old_mount)[:3, 3]
    np.testing.assert_allclose(cloud.sensor_origins, [mount[:3, 3], origin], rtol=6e-8, atol=1e-8)


@pytest.mark.parametrize("name", ["scene-0061/9", "scene-0061/0+9", "scene-9999/0", "scene-0061", "scene-0061/2+0"])
def test_unknown_frame_names_are_refused(tiny, name):
    with pytest.raises(ValueError, match=r"NuScenes.row: name must be like scene-0061/0-1"):
        tiny.row(name)


def test_slices_share_no_sweep_and_never_reach_back(tiny):
    front, back = tiny.select("scene-0061[:2]", "all_sweeps"), tiny.select("scene-0061[2:]", "all_sweeps")
    whole = tiny.select("scene-0061", "all_sweeps")
    assert sorted([*front.rows, *back.rows]) == whole.rows.tolist()

    def read(frames):
        return {r for row, old in zip(frames.rows, frames.oldest_key_frame) for r in [row, *tiny.past(row, 9, old)]}

    assert read(front).isdisjoint(read(back))
    assert tiny.past(int(whole.rows[7]), 9) != tiny.past(int(whole.rows[7]), 9, 2)


def test_boxes_equal_homogeneous_matrices(nuscenes):
    row = int(nuscenes.key_rows[1])
    mount, pose = poses(nuscenes, row)
    annotations = table(nuscenes, "sample_annotation")
    categories, instances = table(nuscenes, "category"), table(nuscenes, "instance")
    of_sample = [a for a in annotations.values() if a["sample_token"] == nuscenes.token(row)]
    for frame, to_model in (("ego", np.linalg.inv(pose)), ("lidar", np.linalg.inv(pose @ mount))):
        boxes = nuscenes.boxes(row, frame)
        assert boxes.frame == frame and list(boxes.tokens) == [a["token"] for a in of_sample] and of_sample
        for box, name, annotation in zip(boxes.geometry.numpy(), boxes.names, of_sample):
            moved = to_model @ homogeneous(annotation)
            np.testing.assert_allclose(box[:3], moved[:3, 3], atol=1e-9)
            width, length, height = annotation["size"]
            assert box[3:6].tolist() == [length, width, height]
            assert math.remainder(box[6] - math.atan2(moved[1, 0], moved[0, 0]), 2 * math.pi) == pytest.approx(
                0, abs=1e-9
            )
            assert name == categories[instances[annotation["instance_token"]]["category_token"]]["name"]
        assert boxes.num_points.tolist() == [a["num_lidar_pts"] for a in of_sample]
        assert list(boxes.instances) == [a["instance_token"] for a in of_sample]


def test_boxes_hold_the_points_that_the_dataset_counted(nuscenes_root):
    nuscenes = NuScenes(nuscenes_root, "v1.0-mini")
    boxes, xyz = nuscenes.boxes(20), nuscenes.cloud(20).xyz.astype(np.float64)
    counted = []
    for x, y, z, length, width, height, yaw in boxes.geometry.numpy()[:, :7]:
        dx, dy = xyz[:, 0] - x, xyz[:, 1] - y
        along, across = dx * np.cos(yaw) + dy * np.sin(yaw), dy * np.cos(yaw) - dx * np.sin(yaw)
        inside = (abs(along) <= length / 2) & (abs(across) <= width / 2) & (abs(xyz[:, 2] - z) <= height / 2)
        counted.append(int(inside.sum()))
    truth = boxes.num_points.numpy()
    # not all: the boxes are upright in the map, the vehicle rolls and pitches, so points near a face change sides
    assert np.mean(np.array(counted) == truth) > 0.9 and truth.sum() > 1000


def velocity_by_definition(annotation, annotations, samples):
    before = annotations.get(annotation["prev"]) or annotation
    after = annotations.get(annotation["next"]) or annotation
    gap_s = (samples[after["sample_token"]]["timestamp"] - samples[before["sample_token"]]["timestamp"]) / 1e6
    allowed_s = 3.0 if annotation["prev"] and annotation["next"] else 1.5
    if gap_s == 0 or gap_s > allowed_s:
        return [math.nan] * 3
    return [(b - a) / gap_s for a, b in zip(before["translation"], after["translation"])]


def test_velocities_follow_the_definition(nuscenes):
    annotations, samples = table(nuscenes, "sample_annotation"), table(nuscenes, "sample")
    for row in nuscenes.key_rows[:12]:
        boxes = nuscenes.boxes(int(row))
        _, pose = poses(nuscenes, int(row))
        expected = [
            (pose[:3, :3].T @ velocity_by_definition(annotations[token], annotations, samples))[:2]
            for token in boxes.tokens
        ]
        np.testing.assert_allclose(boxes.geometry.numpy()[:, 7:], expected, rtol=1e-6, atol=1e-7)


def test_velocity_is_unknown_over_long_gaps_and_for_single_boxes(tiny):
    speeds = {}
    for row in tiny.key_rows[:5]:
        boxes = tiny.boxes(int(row))
        speeds |= {t.removeprefix("scene-0061-"): g[7:].tolist() for t, g in zip(boxes.tokens, boxes.geometry.numpy())}
    assert all(map(math.isnan, speeds["once@1"] + speeds["walker@0"] + speeds["walker@4"]))
    assert not any(map(math.isnan, speeds["car@0"] + speeds["car@2"] + speeds["car@4"]))


def test_boxes_of_a_sweep_between_key_frames_are_refused(tiny):
    with pytest.raises(ValueError, match=r"NuScenes.boxes: row must be a key frame, got scene-0061/0\+1"):
        tiny.boxes(tiny.row("scene-0061/0+1"))


def test_lidarseg_labels_fine_and_coarse(tiny):
    row = tiny.row("scene-0103/3")
    fine = tiny.lidarseg(row)
    assert fine.dtype == np.uint8 and len(fine) == 400
    merged = {0: 0, 2: 7, 17: 4, 20: 0, 25: 13}  # noise, adult, car, police car, sidewalk
    assert set(np.unique(fine)) == set(merged)
    assert tiny.lidarseg(row, "coarse").tolist() == [merged[label] for label in fine.tolist()]


def test_unknown_frame_of_reference_is_refused(tiny):
    with pytest.raises(ValueError, match="frame must be 'ego' or 'lidar', got 'camera'"):
        tiny.cloud(0, frame="camera")


def test_split_list_in_the_folder_wins(own_root):
    (own_root / "v1.0-mini" / "splits.json").write_text('{"mine": ["scene-0103"], "val": ["scene-0061"]}')
    nuscenes = NuScenes(own_root, "v1.0-mini")
    assert nuscenes.name(nuscenes.select("mine").rows[0]) == "scene-0103/0"
    assert nuscenes.name(nuscenes.select("val").rows[0]) == "scene-0061/0"
    assert nuscenes.name(nuscenes.select("mini_val").rows[0]) == "scene-0103/0"
