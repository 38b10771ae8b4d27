"""Clouds in rosbag2 and MCAP logs."""

import contextlib
import functools
import pickle
import sqlite3

import numpy as np
import pytest
import scan_writers as writers

from geopt.data.folder import Folder, FolderConfig

BEGIN_NS = 1_700_000_000_000_000_000
CLOUD, ODOMETRY = "sensor_msgs/msg/PointCloud2", "nav_msgs/msg/Odometry"
TOPICS = {"/top/points": CLOUD, "/odom": ODOMETRY}
WRITERS = {
    "a.db3": writers.rosbag,
    "chunks.mcap": writers.mcap,
    "no_index.mcap": functools.partial(writers.mcap, indexed=False),
    "plain.mcap": functools.partial(writers.mcap, chunked=False),
}


def drive(num_scans=4, late_ns=70_000_000, **how):
    """Scans every 0.1 s and poses every 0.05 s, logged later than they were measured."""
    clouds = [writers.cloud(60, seed, t="u4", ring="u2") for seed in range(num_scans)]
    messages = []
    for number, points in enumerate(clouds):
        points["t"] = np.arange(60) * 1_600_000
        time_ns = BEGIN_NS + number * 100_000_000
        messages.append(("/top/points", time_ns + late_ns, writers.cloud_message(points, time_ns, **how)))
    for number in range(2 * num_scans + 1):
        time_ns = BEGIN_NS + number * 50_000_000
        messages.append(("/odom", time_ns, writers.odometry_message(time_ns, (number * 1.0, 0, 0), (0, 0, 0, 1))))
    return clouds, messages


@pytest.mark.parametrize("name", WRITERS)
def test_a_log_gives_back_its_clouds(name, tmp_path):
    clouds, messages = drive()
    WRITERS[name](tmp_path / name, TOPICS, messages)
    for root in (tmp_path, tmp_path / name):  # the folder, or the file
        folder = pickle.loads(pickle.dumps(Folder(root)))
        assert folder.scenes == (f"{name.split('.')[0]}/top/points",) and len(folder) == 4
        for row, points in enumerate(clouds):
            scan = folder.scan(row)
            assert all(
                np.array_equal(scan.columns[field], points[field]) for field in ("x", "y", "z", "intensity", "ring")
            )
            assert folder.timestamp_us(row) * 1000 == BEGIN_NS + row * 100_000_000  # the header's time, not the log's
            assert np.allclose(folder.read(row).time_offset_s, np.arange(60) * 1.6e-3, atol=1e-7)


@pytest.mark.parametrize("how", [{"height": 4}, {"height": 4, "padding": 7}, {"big": True}, {"order": ">"}])
def test_clouds_in_rows_with_padding_and_in_either_order_of_bytes(how, tmp_path):
    clouds, messages = drive(**how)
    writers.rosbag(tmp_path / "a.db3", TOPICS, messages)
    scan = Folder(tmp_path).scan(2)
    assert all(np.array_equal(scan.columns[field], clouds[2][field]) for field in ("x", "y", "z", "ring"))


def test_odometry_places_and_deskews(tmp_path):
    clouds, messages = drive()
    writers.mcap(tmp_path / "a.mcap", TOPICS, messages)
    folder = Folder(tmp_path, FolderConfig(poses="/odom", poses_of="ego", deskew=True))
    assert np.allclose([folder.global_from_ego(row)[0, 3] for row in range(4)], [0, 2, 4, 6])
    forward = 20 * np.arange(60) * 1.6e-3  # metres at 20 m/s
    assert np.allclose(folder.read(1).xyz[:, 0], clouds[1]["x"] + forward, atol=1e-4)
    assert len(folder.cloud(3, folder.past(3, 2)).xyz) == 180


def test_parts_of_a_rosbag_are_one_log(tmp_path):
    clouds, messages = drive()
    bag = tmp_path / "my_bag"
    bag.mkdir()
    (bag / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 5}\n")
    for part in range(2):
        scans = [message for message in messages if message[0] == "/top/points"][2 * part : 2 * part + 2]
        writers.rosbag(bag / f"my_bag_{part}.db3", TOPICS, scans)
    for root in (tmp_path, bag):
        folder = Folder(root)
        assert folder.scenes == ("my_bag/top/points",) and len(folder) == 4
        assert np.array_equal(folder.scan(3).columns["x"], clouds[3]["x"])


def test_the_same_log_in_two_formats_is_told(tmp_path):
    _, messages = drive()
    writers.rosbag(tmp_path / "a.db3", TOPICS, messages)
    writers.mcap(tmp_path / "a.mcap", TOPICS, messages)
    with pytest.raises(ValueError, match="must differ in their names, got a/top/points twice"):
        Folder(tmp_path)
    assert len(Folder(tmp_path, FolderConfig(pattern="*.mcap"))) == 4


def test_every_topic_is_a_scene_and_one_can_be_chosen(tmp_path):
    _, messages = drive()
    both = TOPICS | {"/rear/points": CLOUD}
    more = [("/rear/points", time, content) for topic, time, content in messages if topic == "/top/points"][:1]
    writers.rosbag(tmp_path / "a.db3", both, messages + more)
    assert Folder(tmp_path).scenes == ("a/rear/points", "a/top/points")
    assert Folder(tmp_path, FolderConfig(topic="/rear/points")).scenes == ("a/rear/points",)
    with pytest.raises(ValueError, match=r"a\.db3 must have the topic /front of sensor_msgs.*, got /top/points \("):
        Folder(tmp_path, FolderConfig(topic="/front"))
    with pytest.raises(ValueError, match=r"a\.db3 must have the topic /top/points of nav_msgs"):
        Folder(tmp_path, FolderConfig(poses="/top/points"))


def test_messages_without_a_time_take_that_of_the_log(tmp_path):
    points = writers.cloud(10)
    messages = [("/top/points", BEGIN_NS + n, writers.cloud_message(points, 0)) for n in (1000, 0)]
    writers.mcap(tmp_path / "a.mcap", TOPICS, messages)
    folder = Folder(tmp_path)
    assert [folder.timestamp_us(row) for row in (0, 1)] == [BEGIN_NS // 1000, BEGIN_NS // 1000 + 1]


@pytest.mark.parametrize("name", WRITERS)
def test_a_log_that_was_cut_off_is_refused_by_name(name, tmp_path):
    _, messages = drive()
    whole = WRITERS[name](tmp_path / name, TOPICS, messages).read_bytes()
    for size in (0, 7, 100, len(whole) // 2, len(whole) - 30):
        (tmp_path / name).write_bytes(whole[:size])
        with pytest.raises(ValueError, match=name):
            folder = Folder(tmp_path)
            for row in range(len(folder)):
                folder.read(row)


def test_the_checksum_of_a_chunk_is_checked(tmp_path):
    _, messages = drive()
    path = writers.mcap(tmp_path / "a.mcap", TOPICS, messages)
    data = bytearray(path.read_bytes())
    place = data.find(b"lidar")
    data[place + 200] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.mcap has a damaged chunk"):
        Folder(tmp_path)


@pytest.mark.parametrize("name", ["a.db3.zstd", "a.mcap.gz"])
def test_logs_that_are_compressed_as_a_whole_are_told(name, tmp_path):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{name} is compressed as a whole.*unpack it"):
        Folder(tmp_path)


def test_the_end_of_a_name_may_be_in_capitals(tmp_path):
    _, messages = drive()
    writers.mcap(tmp_path / "A.MCAP", TOPICS, messages)
    assert Folder(tmp_path).scenes == ("A/top/points",)


def test_messages_that_wait_in_a_journal_are_not_lost_in_silence(tmp_path):
    """As a recorder leaves them that was killed."""
    _, messages = drive()
    writers.rosbag(tmp_path / "a.db3", TOPICS, messages[:1])
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db3")) as recorder:
        recorder.execute("PRAGMA journal_mode=WAL")
        recorder.execute("INSERT INTO messages (topic_id, timestamp, data) SELECT topic_id, 7, data FROM messages")
        recorder.commit()
        with pytest.raises(ValueError, match=r"a\.db3 lacks what a\.db3-wal beside it holds.*wal_checkpoint"):
            Folder(tmp_path)
        recorder.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert len(Folder(tmp_path)) == 2


@pytest.mark.parametrize("compression", ["NONE", "LZ4", "ZSTD"])
def test_files_of_the_official_mcap_library(compression, tmp_path):
    library = pytest.importorskip("mcap.writer")
    clouds, messages = drive()
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = library.Writer(file, chunk_size=3000, compression=library.CompressionType[compression])
        writer.start("ros2")
        channels = {
            name: writer.register_channel(name, "cdr", writer.register_schema(kind, "ros2msg", b"..."))
            for name, kind in TOPICS.items()
        }
        for name, time_ns, content in messages:
            writer.add_message(channels[name], time_ns, content, time_ns)
        writer.finish()
    folder = Folder(tmp_path, FolderConfig(poses="/odom"))
    assert all(np.array_equal(folder.scan(row).columns["y"], clouds[row]["y"]) for row in range(4))


@pytest.mark.parametrize("name", [name for name in WRITERS if name.endswith("mcap")])
def test_the_official_mcap_library_reads_our_tests_files(name, tmp_path):
    library = pytest.importorskip("mcap.reader")
    _, messages = drive()
    with WRITERS[name](tmp_path / name, TOPICS, messages).open("rb") as file:
        found = [
            (channel.topic, message.log_time, message.data)
            for _, channel, message in library.make_reader(file).iter_messages()
        ]
    assert sorted(found) == sorted(messages)
