"""Whatever is wrong with a download, the message names the file."""

import json
import os

import numpy as np
import pytest

from geopt.data import NuScenes

KEY_FILE = "samples/LIDAR_TOP/scene-0061-sweep7.pcd.bin"
SWEEP_FILE = "sweeps/LIDAR_TOP/scene-0061-sweep6.pcd.bin"


def open_and_read(root):
    nuscenes = NuScenes(root, "v1.0-mini")
    row = nuscenes.row("scene-0061/2")
    return nuscenes.cloud(row, nuscenes.past(row, 3))


def test_undamaged_folder_reads(own_root):
    assert np.bincount(open_and_read(own_root).sweep)[0] == 400


@pytest.mark.parametrize("name", [KEY_FILE, SWEEP_FILE])
@pytest.mark.parametrize("size", [0, 19, 4001, 7998])
def test_cut_lidar_file_is_named(own_root, name, size):
    os.truncate(own_root / name, size)
    with pytest.raises(ValueError, match=rf"{name} must hold whole points of 20 bytes, got {size};"):
        open_and_read(own_root)


@pytest.mark.parametrize("name", [KEY_FILE, SWEEP_FILE])
def test_missing_lidar_file_is_named(own_root, name):
    (own_root / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing although the tables list it"):
        open_and_read(own_root)


def test_lidar_file_of_garbage_gives_no_warning_and_no_finite_surprise(own_root, recwarn):
    bytes_of_noise = np.random.default_rng(0).integers(0, 256, 8000, dtype=np.uint8)
    bytes_of_noise.tofile(own_root / SWEEP_FILE)
    cloud = open_and_read(own_root)
    assert not recwarn.list and len(cloud.xyz) > 400


@pytest.mark.parametrize("name", ["scene", "sample", "sample_data", "ego_pose", "calibrated_sensor", "sensor"])
class TestTables:
    def test_missing_table_is_named(self, own_root, name):
        (own_root / f"v1.0-mini/{name}.json").unlink()
        with pytest.raises(
            FileNotFoundError, match=rf"v1.0-mini/{name}.json is missing \(1 tables are\); a nuScenes folder"
        ):
            NuScenes(own_root, "v1.0-mini")

    @pytest.mark.parametrize("content", ["", "[", "null", "[{}]", "<html>404</html>", "[1, 2]", "\x00\xff"])
    def test_damaged_table_is_named(self, own_root, name, content):
        (own_root / f"v1.0-mini/{name}.json").write_bytes(content.encode("latin-1"))
        with pytest.raises(ValueError, match=rf"v1.0-mini/{name}.json is damaged or no nuScenes table"):
            NuScenes(own_root, "v1.0-mini")

    def test_interrupted_table_is_named(self, own_root, name):
        path = own_root / f"v1.0-mini/{name}.json"
        os.truncate(path, path.stat().st_size - 30)
        with pytest.raises(ValueError, match=rf"v1.0-mini/{name}.json is damaged .*truncated"):
            NuScenes(own_root, "v1.0-mini")


def drop_row(root, name, token):
    path = root / f"v1.0-mini/{name}.json"
    rows = json.loads(path.read_text())
    kept = [row for row in rows if row["token"] != token]
    assert len(kept) == len(rows) - 1
    path.write_text(json.dumps(kept))


@pytest.mark.parametrize(
    ("name", "token", "message"),
    [
        ("ego_pose", "scene-0061-sweep3-pose", r"ego_pose.json has no row .*'scene-0061-sweep3-pose'"),
        ("sample", "scene-0061-key1", r"sample.json has no row .*'scene-0061-key1'"),
        ("scene", "s0", r"scene.json has no row .*'s0'"),
        ("sample_data", "scene-0061-sweep3", r"sample_data.json has no row .*'scene-0061-sweep3'"),
        (
            "sample_data",
            "scene-0061-sweep13",
            r"must have one LIDAR_TOP key frame per sample, got none for sample scene-0061-key4",
        ),
        ("sensor", "lidar", r"sample_data.json has no row of sensor LIDAR_TOP"),
    ],
)
def test_tables_that_do_not_belong_together_are_named(own_root, name, token, message):
    drop_row(own_root, name, token)
    with pytest.raises(ValueError, match=message):
        NuScenes(own_root, "v1.0-mini")


@pytest.mark.parametrize(
    ("name", "token", "message"),
    [
        ("sample_annotation", "scene-0061-car@2", r"sample_annotation.json has no row .*'scene-0061-car@2'"),
        ("instance", "scene-0061-car", r"instance.json has no row .*'scene-0061-car'"),
        ("category", "c17", r"category.json has no row .*'c17'"),
    ],
)
def test_boxes_of_incomplete_tables_name_the_table(own_root, name, token, message):
    drop_row(own_root, name, token)
    nuscenes = NuScenes(own_root, "v1.0-mini")
    with pytest.raises(ValueError, match=message):
        nuscenes.boxes(int(nuscenes.key_rows[0]))


def test_missing_version_lists_those_that_are_there(own_root):
    with pytest.raises(FileNotFoundError, match=r"v1.0-trainval is missing; versions there: v1.0-mini"):
        NuScenes(own_root, "v1.0-trainval")


def test_folder_of_something_else_explains_the_layout(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no version folder there; a nuScenes folder holds VERSION/"):
        NuScenes(tmp_path, "v1.0-mini")
    with pytest.raises(FileNotFoundError, match="root must be a folder"):
        NuScenes(tmp_path / "nowhere", "v1.0-mini")
    with pytest.raises(ValueError, match="root must be the dataset's folder, got ''"):
        NuScenes("", "v1.0-mini")


def test_damaged_lidarseg_is_named(own_root):
    labels = own_root / "lidarseg/v1.0-mini/scene-0061-sweep7_lidarseg.bin"
    nuscenes = NuScenes(own_root, "v1.0-mini")
    row = nuscenes.row("scene-0061/2")
    content = labels.read_bytes()
    labels.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"sweep7_lidarseg.bin must hold a byte for each of 400 points, got 399"):
        nuscenes.lidarseg(row)
    labels.write_bytes(b"\x63" + content[1:])
    with pytest.raises(ValueError, match=r"sweep7_lidarseg.bin has label 99, which is no index in .*category.json"):
        nuscenes.lidarseg(row, "coarse")
    labels.unlink()
    with pytest.raises(FileNotFoundError, match=r"sweep7_lidarseg.bin is missing although lidarseg.json lists it"):
        nuscenes.lidarseg(row)
    (own_root / "v1.0-mini/lidarseg.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"lidarseg.json is missing"):
        NuScenes(own_root, "v1.0-mini").lidarseg(row)


def test_damaged_split_list_is_named(own_root):
    (own_root / "splits.json").write_text('["scene-0061"]')
    with pytest.raises(ValueError, match=r"splits.json must be like"):
        NuScenes(own_root, "v1.0-mini").select("mini_val")


def test_reading_writes_nothing_into_the_folder(own_root):
    before = {path: path.stat().st_mtime_ns for path in own_root.rglob("*")}
    nuscenes = NuScenes(own_root, "v1.0-mini")
    nuscenes.boxes(int(nuscenes.key_rows[0]))
    open_and_read(own_root)
    assert {path: path.stat().st_mtime_ns for path in own_root.rglob("*")} == before
