"""Every format gives back what was written, and refuses by name what is not whole."""

import numpy as np
import pytest
import scan_writers as writers

from geopt.data.folder import ScanLayout, read_scan
from geopt.data.folder.lzf import decompress
from geopt.data.folder.tables import width as told

POINTS = writers.cloud(ring="u2", t="u4")
NAMES = ("x", "y", "z", "intensity")


def read(tmp_path, name, content, **layout):
    (tmp_path / name).write_bytes(content)
    return read_scan(tmp_path / name, ScanLayout(**layout)).columns


def assert_refused(tmp_path, name, content, words, **layout):
    with pytest.raises(ValueError, match=words) as refused:
        read(tmp_path, name, content, **layout)
    assert str(tmp_path / name) in str(refused.value)


@pytest.mark.parametrize("version", [".5", "0.6", "0.7"])
@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_pcd(encoding, version, tmp_path):
    columns = read(tmp_path, "a.pcd", writers.pcd(POINTS, encoding, version))
    assert list(columns) == [*NAMES, "ring", "time"]
    for name in NAMES:
        assert np.array_equal(columns[name].astype(np.float32), POINTS[name])
    assert np.array_equal(columns["ring"], POINTS["ring"]) and np.array_equal(columns["time"], POINTS["t"])


@pytest.mark.parametrize("encoding", ["ascii", "binary", "binary_compressed"])
def test_pcd_with_arrays_padding_and_doubles(encoding, tmp_path):
    points = np.zeros(
        40, [("x", "f8"), ("_", "u1", (3,)), ("histogram", "f4", (5,)), ("y", "f8"), ("z", "f8"), ("i", "u1")]
    )
    for name in ("x", "y", "z"):
        points[name] = np.random.default_rng(0).normal(6e5, 100, 40)
    points["i"], points["histogram"] = np.arange(40), 7
    content = writers.pcd(points, encoding, VIEWPOINT="1 2 3 0 1 0 0")
    columns = read(tmp_path, "a.pcd", content)
    assert list(columns) == list(NAMES) and np.array_equal(columns["intensity"], np.arange(40))
    assert columns["x"].dtype == np.float64 and np.array_equal(columns["x"], points["x"])  # float32 is 3 cm apart there


def test_pcd_with_points_that_saw_nothing_and_zeros_at_the_end(tmp_path):
    points = POINTS.copy()
    points["x"][3] = np.nan
    ascii_one = read(tmp_path, "a.pcd", writers.pcd(points, "ascii"))
    padded = read(tmp_path, "a.pcd", writers.pcd(points, "binary") + bytes(1000))
    assert np.isnan(ascii_one["x"][3]) and np.array_equal(ascii_one["x"], padded["x"], equal_nan=True)


@pytest.mark.parametrize(
    "encoding, changes, words",
    [
        ("binary", {"POINTS": "4000000000", "WIDTH": "4000000000"}, "must hold 4000000000 points"),
        ("ascii", {"POINTS": "4000000000", "WIDTH": "4000000000"}, "must hold 4000000000 points"),
        ("binary_compressed", {"POINTS": "4000000000", "WIDTH": "4000000000"}, "must hold 4000000000 points"),
        ("binary", {"COUNT": "1 1 1 99999999 1 1"}, "COUNT"),
        ("binary", {"SIZE": "4 4 4 3 2 4"}, "known types"),
        ("binary", {"WIDTH": "7"}, "WIDTH x HEIGHT"),
        ("binary", {"DATA": "zip"}, "DATA ascii"),
        ("binary", {"FIELDS": "a b c d e f"}, "must have a field x"),
        ("binary", {"SIZE": None}, "whole PCD header"),
    ],
)
def test_pcd_headers_are_checked(encoding, changes, words, tmp_path):
    assert_refused(tmp_path, "a.pcd", writers.pcd(POINTS, encoding, **changes), words)


def test_lzf_of_repetitive_and_of_random_bytes():
    rng = np.random.default_rng(0)
    for data in (b"", b"a", b"ab" * 5000, bytes(20_000), rng.bytes(3000), rng.integers(0, 3, 9000, np.uint8).tobytes()):
        assert decompress(writers.lzf(data), len(data)) == data
    packed = writers.lzf(b"ab" * 500)
    for size in (999, 1001, 1 << 40):
        with pytest.raises(ValueError):
            decompress(packed, size)
    with pytest.raises(ValueError, match="before its beginning"):
        decompress(b"\x00a\x20\x05", 4)


@pytest.mark.parametrize("faces_first", [False, True])
@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply(encoding, faces_first, tmp_path):
    columns = read(tmp_path, "a.ply", writers.ply(POINTS, encoding, faces_first))
    assert list(columns) == [*NAMES, "ring", "time"]
    for name in NAMES:
        assert np.array_equal(columns[name], POINTS[name]), name


def test_ply_headers_are_checked(tmp_path):
    content = writers.ply(POINTS, "binary_little_endian", faces_first=True)
    for old, new, words in [
        (b"vertex 300", b"vertex 3000000000", "ends too early"),
        (b"face 2\n", b"face 99999999999\n", "must hold 99999999999 of face"),
        (b"list uchar int", b"list float int", "whole numbers"),
        (b"float x", b"quad x", "known types"),
        (b"float x", b"list uchar float x", "single numbers"),
        (b"element vertex", b"element edges", "must have an element vertex"),
        (b"end_header", b"", "whole header"),
    ]:
        assert_refused(tmp_path, "a.ply", content.replace(old, new), words)
    assert_refused(
        tmp_path, "a.ply", writers.ply(POINTS, "ascii").replace(b"vertex 300", b"vertex 3000000000"), "3000000000"
    )


@pytest.mark.parametrize(
    "minor, point_format", [*((2, n) for n in range(4)), *((3, n) for n in range(6)), *((4, n) for n in range(11))]
)
def test_las(minor, point_format, tmp_path):
    times = None if point_format in (0, 2) else np.linspace(5, 5.1, len(POINTS))
    offset = (500_000.0, 5_000_000.0, 100.0)
    moved = POINTS.astype([("x", "f8"), ("y", "f8"), ("z", "f8"), ("intensity", "f4"), ("ring", "u2"), ("t", "u4")])
    for axis, shift in zip("xyz", offset):
        moved[axis] += shift
    content = writers.las(moved, minor, point_format, 0.001, offset, times, extra=5)
    columns = read(tmp_path, "a.las", content)
    for axis in "xyz":
        assert np.abs(columns[axis] - moved[axis]).max() <= 0.000501
    assert np.allclose(columns["intensity"], POINTS["intensity"] * 65535, atol=0.51)
    assert times is None or np.array_equal(columns["time"], times)


def test_las_headers_are_checked(tmp_path):
    whole = writers.las(POINTS)
    for place, byte, words in [
        (24, 2, "version"),
        (104, 11, "point format"),
        (104, 0x83, "LASzip"),
        (106, 40, "must hold"),
        (110, 255, "must hold"),
    ]:
        data = bytearray(whole)
        data[place] = byte
        assert_refused(tmp_path, "a.las", bytes(data), words)
    for size in (0, 3, 200, len(whole) - 1):
        assert_refused(tmp_path, "a.las", whole[:size], "must")


def test_npz_with_names_with_one_array_and_structured(tmp_path):
    table = np.stack([POINTS[name] for name in NAMES], axis=1)
    np.savez(tmp_path / "named.npz", X=POINTS["x"], y=POINTS["y"], z=POINTS["z"], remission=POINTS["intensity"])
    np.savez_compressed(tmp_path / "one.npz", table)
    np.save(tmp_path / "records.npy", POINTS)
    for name in ("named.npz", "one.npz", "records.npy"):
        columns = read_scan(tmp_path / name).columns
        assert all(np.array_equal(columns[column], POINTS[column]) for column in NAMES), name


def test_range_images_packed_by_gzip(tmp_path):
    image = np.random.default_rng(0).normal(size=(4, 16, 6))
    writers.npy_gz(tmp_path / "a.npy.gz", image)
    columns = ("x", "y", "z", "intensity", "skip", "skip")
    found = read_scan(tmp_path / "a.npy.gz", ScanLayout(columns=columns)).columns
    assert np.array_equal(found["y"], image[:, :, 1].ravel()) and "skip" not in found
    with pytest.raises(ValueError, match=r"a\.npy\.gz must hold points with 3, 4 or 5 columns.*say what"):
        read_scan(tmp_path / "a.npy.gz")


def test_archives_that_unpack_to_gigabytes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("geopt.data.folder.tables.MAX_BYTES", 1 << 20)
    writers.npy_gz(tmp_path / "a.npy.gz", np.zeros((1 << 18, 4), np.float32))
    np.savez_compressed(tmp_path / "a.npz", np.zeros((1 << 18, 4), np.float32))
    for name in ("a.npy.gz", "a.npz"):
        with pytest.raises(ValueError, match=f"{name} must not unpack to more"):
            read_scan(tmp_path / name)


def test_the_arrays_of_an_archive_share_what_it_may_unpack_to(tmp_path, monkeypatch):
    monkeypatch.setattr("geopt.data.folder.tables.MAX_BYTES", 100_000)
    few, many = tmp_path / "few.npz", tmp_path / "many.npz"
    column = np.ones(5000, np.float32)  # 20 kB
    np.savez_compressed(few, x=column, y=column, z=column)
    assert len(read_scan(few).columns["x"]) == 5000
    np.savez_compressed(many, x=column, y=column, z=column, **{f"other{n}": column for n in range(3)})
    with pytest.raises(ValueError, match=r"many\.npz must not unpack to more than 100000 bytes"):
        read_scan(many)


@pytest.mark.parametrize("width", [3, 4, 5])
def test_the_width_of_a_bin_file_is_told_whatever_its_size(width, tmp_path):
    points = writers.cloud(5040)  # 2 to 10 divide it
    points["z"] = np.where(points["z"] < -1.5, -1.7, points["z"])
    columns = [points[name] for name in NAMES] + [np.arange(5040) % 32]
    np.stack(columns[:width], axis=1).astype(np.float32).tofile(tmp_path / "a.bin")
    assert len(read_scan(tmp_path / "a.bin").columns["x"]) == 5040


@pytest.mark.parametrize(
    "more",
    [("ring", "time"), ("time", "ring"), ("ring",), ("zero", "zero"), ("colour",) * 3, ("ring", "time", "one", "zero")],
)
def test_more_columns_are_not_taken_for_more_points(more, shared_data):
    """A point of 6 numbers is not two of 3, nor one of 8 two of 4."""
    path = min(shared_data.glob("kitti_raw_drive/**/*.bin"), default=None)
    if path is None:
        pytest.skip("no scan of KITTI")
    points, rng = np.fromfile(path, np.float32).reshape(-1, 4), np.random.default_rng(0)
    for count in (len(points), 5040):
        values = {
            "ring": rng.integers(0, 64, count),
            "time": np.linspace(0, 0.1, count),
            "colour": rng.integers(0, 256, count),
            "one": np.ones(count),
            "zero": np.zeros(count),
        }
        table = np.column_stack([points[:count], *(values[name] for name in more)])
        assert told(table.astype(np.float32).tobytes()) == table.shape[1], count


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "mixed"])
def test_numbers_that_are_no_float32_are_refused(dtype, tmp_path):
    points = np.stack([POINTS[name] for name in NAMES], axis=1)
    if dtype == "mixed":  # x, y, z, intensity and a whole number
        rings = (np.arange(len(points)) % 32).astype("<u4").view("<f4")
        np.column_stack([points, rings]).astype("<f4").tofile(tmp_path / "a.bin")
    else:
        points.astype(dtype).tofile(tmp_path / "a.bin")
    with pytest.raises(ValueError, match=r"a\.bin does not look like float32 numbers.*columns="):
        read_scan(tmp_path / "a.bin")
    names = ("x", "y", "z", "intensity", "skip")
    assert dtype != "mixed" or len(read_scan(tmp_path / "a.bin", ScanLayout(columns=names)).columns["x"]) == len(points)


def test_the_width_of_real_scans_is_told_at_any_cut(shared_data):
    files = {4: "kitti_raw_drive/**/*.bin", 5: "nuscenes/samples/**/*.bin"}
    for width, pattern in files.items():
        for path in sorted(shared_data.glob(pattern))[:10]:
            table = np.fromfile(path, np.float32).reshape(-1, width)
            for number in (len(table) // 2520 * 2520, 2520, 840):
                assert told(table[:number].tobytes()) == width, (path, number)


def test_fields_of_any_name_can_be_given(tmp_path):
    points = writers.cloud(reflect="f4", when="f8")
    content = writers.pcd(points, "binary")
    columns = read(tmp_path, "a.pcd", content, fields={"intensity": "Reflect", "time": "when"})
    assert np.array_equal(columns["intensity"], points["reflect"]) and np.array_equal(columns["time"], points["when"])
    assert_refused(tmp_path, "a.pcd", content, "must have the field laser", fields={"ring": "laser"})


def test_units_and_axes_are_undone(tmp_path):
    layout = ScanLayout(unit_m=0.001, axes=("z", "-x", "-y"))
    (tmp_path / "a.pcd").write_bytes(writers.pcd(POINTS, "binary"))
    xyz = layout.xyz_m(read_scan(tmp_path / "a.pcd", layout))
    assert np.allclose(xyz, np.stack([POINTS["z"], -POINTS["x"], -POINTS["y"]], axis=1) * 1e-3, rtol=1e-6)
    with pytest.raises(ValueError, match="must name each of x, y and z once"):
        ScanLayout(axes=("x", "-x", "z"))


@pytest.mark.parametrize("unit, kind", [(1.0, "f8"), (1e-3, "f8"), (1e-6, "u4"), (1e-9, "u4"), (1e-9, "i8")])
def test_the_unit_of_times_is_that_of_a_scan_of_a_tenth_of_a_second(unit, kind, tmp_path):
    points = writers.cloud(t=kind)
    points["t"] = np.linspace(0, 0.1, len(points)) / unit
    (tmp_path / "a.pcd").write_bytes(writers.pcd(points, "binary"))
    times = read_scan(tmp_path / "a.pcd").time_s()
    assert np.allclose(times, np.linspace(0, 0.1, len(points)), atol=1e-6)
    points["t"] = 3
    (tmp_path / "a.pcd").write_bytes(writers.pcd(points, "binary"))
    assert read_scan(tmp_path / "a.pcd").time_s() is None


def test_laz_needs_its_extra_or_is_read(tmp_path):
    try:
        import laspy
        import lazrs  # noqa: F401
    except ImportError:
        (tmp_path / "a.laz").write_bytes(writers.las(POINTS))
        with pytest.raises(ImportError, match=r"geopt-lidar\[las\]"):
            read_scan(tmp_path / "a.laz")
        return
    (tmp_path / "a.las").write_bytes(writers.las(POINTS))
    laspy.read(tmp_path / "a.las").write(str(tmp_path / "b.laz"))
    assert np.array_equal(read_scan(tmp_path / "b.laz").columns["x"], read_scan(tmp_path / "a.las").columns["x"])


def test_a_truncated_file_of_every_format_is_refused(tmp_path):
    for name, whole in {
        "a.pcd": writers.pcd(POINTS, "binary_compressed"),
        "b.pcd": writers.pcd(POINTS, "ascii"),
        "a.ply": writers.ply(POINTS, "binary_little_endian"),
        "a.las": writers.las(POINTS),
    }.items():
        for size in (0, 1, 30, len(whole) // 2):
            assert_refused(tmp_path, name, whole[:size], ".")
