"""Comparisons of data sets count what is there, and say how far apart known distributions are."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from nuscenes_folder import write_nuscenes
from scipy.spatial import cKDTree

from geopt import official
from geopt.data import NuScenes
from geopt.visualize.compare import compare, distance, main, measure
from geopt.visualize.compare.rows import factor_per_range, median
from geopt.visualize.compare.statistics import CLASSES, HISTOGRAMS, BoxRows, Statistics

VERSION = "v1.0-mini"


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> tuple[Path, Path]:
    """Two data sets; the second has other scans, fewer key frames and no point labels."""
    first = write_nuscenes(tmp_path_factory.mktemp("first"))
    second = write_nuscenes(tmp_path_factory.mktemp("second"), num_key_frames=4, num_points=300, seed=1)
    (second / VERSION / "lidarseg.json").unlink()
    return first, second


@pytest.fixture(scope="module")
def datasets(roots) -> tuple[NuScenes, NuScenes]:
    return NuScenes(roots[0], VERSION), NuScenes(roots[1], VERSION)


@pytest.fixture(scope="module")
def measured(datasets) -> tuple[Statistics, Statistics]:
    first, second = (measure(dataset, "+".join(dataset.scenes)) for dataset in datasets)
    return first, second


def stored(dataset: NuScenes, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a file in the ego frame, in float64, and their distance from the sensor over the ground."""
    points = np.fromfile(dataset.path(row), "<f4").reshape(-1, 5).astype(np.float64)
    motion = dataset.ego_from_lidar(row)
    points[:, :3] = points[:, :3] @ motion[:, :3].T + motion[:, 3]
    return points, np.hypot(*(points[:, :2] - motion[:2, 3]).T)


def test_points_are_counted_as_by_hand(datasets, measured):
    dataset, statistics = datasets[0], measured[0]
    assert len(statistics.scene) == len(dataset.key_rows) == 10
    for frame, row in enumerate(dataset.key_rows.tolist()):
        points, ranges = stored(dataset, row)
        rings = statistics.counts["range"][frame]
        for i in range(1, 39):
            assert rings[i] == sum(2.5 * i <= r < 2.5 * (i + 1) for r in ranges)
        assert rings[0] == 0 and rings[39] == sum(r >= 97.5 for r in ranges)  # nearer ones may lie on the vehicle
        away = points[ranges >= 2.5]
        assert rings.sum() == len(away) < len(points) == 400
        assert statistics.sums["points_beyond_vehicle"][frame].tolist() == [len(away), 1]
        lasers = statistics.counts["laser"][frame]
        assert lasers[:32].tolist() == [int((away[:, 4] == laser).sum()) for laser in range(32)]
        far = away[ranges[ranges >= 2.5] >= 30, 3]
        assert statistics.counts["intensity_far"][frame].tolist() == [((far // 8) == i).sum() for i in range(32)]
        z = away[:, 2]
        assert statistics.counts["height"][frame, 16] == ((z >= 0) & (z < 0.25)).sum()
        assert statistics.counts["height"][frame, 0] == (z < -3.75).sum()


def test_surfaces_are_those_of_the_nearest_points(datasets, measured):
    dataset, statistics = datasets[0], measured[0]
    points, ranges = stored(dataset, int(dataset.key_rows[3]))
    away = points[ranges >= 2.5, :3]
    distances, neighbors = cKDTree(away).query(away, 16)
    spacing, variation = HISTOGRAMS["spacing"], HISTOGRAMS["surface_variation"]
    assert np.abs(statistics.counts["spacing"][3] - spacing.counts_of(distances[:, 1])).sum() <= 4
    values = [np.linalg.eigvalsh(np.cov(away[near].T, bias=True)) for near in neighbors]
    expected = variation.counts_of([value[0] / value.sum() for value in values])
    assert expected.sum() == len(away) and np.abs(statistics.counts["surface_variation"][3] - expected).sum() <= 4


def test_boxes_are_counted_as_by_hand(datasets, measured):
    dataset, statistics = datasets[0], measured[0]
    cars, walkers, inside = np.zeros(10), np.zeros(10), np.zeros(10)
    near = np.zeros(10)
    for frame, row in enumerate(dataset.key_rows.tolist()):
        boxes, (points, _) = dataset.boxes(row), stored(dataset, row)
        held = np.zeros(len(points), dtype=bool)
        for name, (x, y, z, length, width, height, yaw, *_) in zip(boxes.names, boxes.geometry.tolist()):
            cars[frame] += name == "vehicle.car"
            walkers[frame] += name == "human.pedestrian.adult"
            sensor = dataset.ego_from_lidar(row)[:2, 3]
            near[frame] += math.dist((x, y), sensor) < 50
            dx, dy = points[:, 0] - x, points[:, 1] - y
            ahead, aside = np.cos(yaw) * dx + np.sin(yaw) * dy, np.cos(yaw) * dy - np.sin(yaw) * dx
            held |= (abs(ahead) <= length / 2) & (abs(aside) <= width / 2) & (abs(points[:, 2] - z) <= height / 2)
        inside[frame] = held.sum()
    assert cars.sum() == 12 and walkers.sum() == 4  # two scenes: one that stays, one seen once; one absent for three
    counts = statistics.class_counts()
    assert counts[:, CLASSES.index("car")].tolist() == cars.tolist()
    assert counts[:, CLASSES.index("pedestrian")].tolist() == walkers.tolist()
    assert statistics.sums["boxes_within"][:, 0].tolist() == near.tolist()  # all of them hold points
    assert statistics.class_counts(50.0).sum(axis=1).tolist() == near.tolist()
    assert statistics.sums["in_boxes"].tolist() == [[n, 400] for n in inside] and inside.any()


def test_vehicles_of_unknown_velocity_are_no_vehicles_at_rest(datasets, measured):
    moving = measured[0].sums["moving"]
    known = [[name, *box[7:]] for row in datasets[0].key_rows.tolist() for b in [datasets[0].boxes(row)]
             for name, box in zip(b.names, b.geometry.tolist()) if name == "vehicle.car"]  # fmt: skip
    assert moving[:, 1].sum() == sum(not math.isnan(vx) for _, vx, _ in known) == 10  # the two seen once have none
    assert moving[:, 0].sum() == 10  # at 4 m/s


def test_classes_of_points_are_the_labels(datasets, measured):
    labels = [datasets[0].lidarseg(row, "coarse") for row in datasets[0].key_rows.tolist()]
    sidewalk = official.class_map("lidarseg").classes.index("sidewalk")
    assert measured[0].counts["lidarseg"][:, sidewalk].tolist() == [int((frame == sidewalk).sum()) for frame in labels]
    assert "lidarseg" not in measured[1].counts


def test_what_is_beyond_the_edges_is_in_the_outer_bins():
    bins = HISTOGRAMS["upright"].counts_of([-3.0, 0.0, 0.05, 0.99, 1.0, 7.0, math.nan, math.inf])
    assert (bins[0], bins[1], bins[-1]) == (2, 1, 3) and bins.sum() == 6


def test_a_shifted_histogram_is_as_far_away_as_it_was_shifted():
    centers = np.arange(10) * 0.5
    counts = np.array([0, 1, 4, 2, 0, 0, 0, 0, 0, 0])
    apart = distance(counts, 3 * np.roll(counts, 4), centers)
    assert apart.moved == pytest.approx(2.0) and apart.variation == 1.0
    assert distance(counts, 5 * counts, centers) == (0.0, 0.0)


def test_variation_is_the_share_to_move():
    apart = distance([3, 1, 0], [1, 2, 1])
    assert apart.variation == 0.5 and math.isnan(apart.moved)
    assert all(map(math.isnan, distance([0, 0], [1, 2])))


def test_median_lies_where_half_is_below():
    assert median([0, 2, 2, 0], [0, 1, 2, 3, 4]) == 2.0
    assert median([1, 0, 0, 3], [0, 1, 2, 3, 4]) == pytest.approx(3 + 1 / 3)
    assert median([0, 4], [1, 10, 1000], is_log=True) == pytest.approx(100)
    assert math.isnan(median([0, 0], [0, 1, 2]))


def statistics_of_cars(points: list[int]) -> Statistics:
    """One key frame with a car at 15 m for each number of points."""
    car = np.full(len(points), CLASSES.index("car"))
    rows = BoxRows(np.zeros(len(points), np.int64), car, np.full(len(points), 15.0), np.array(points))
    return Statistics(np.zeros(1, np.int64), {}, {}, rows)


def test_points_of_boxes_are_compared_where_there_are_enough():
    many, twice, few = statistics_of_cars([10] * 12), statistics_of_cars([10, 30] * 6), statistics_of_cars([99] * 9)
    assert factor_per_range(many, twice, "car")[1] == 2.0
    assert np.isnan(factor_per_range(many, twice, "car")[[0, 2, 3]]).all()
    assert np.isnan(factor_per_range(many, few, "car")).all()


def test_a_part_has_the_boxes_of_its_frames(measured):
    odd = np.arange(10) % 2 == 1
    part = measured[0].part(odd)
    assert part.class_counts().tolist() == measured[0].class_counts()[odd].tolist()
    assert part.counts["range"].tolist() == measured[0].counts["range"][odd].tolist()


def test_a_data_set_is_no_distance_from_itself(measured):
    for row in compare(measured[0], measured[0]):
        assert row.apart.moved == 0 or math.isnan(row.apart.moved), row
        assert row.apart.variation == 0 or math.isnan(row.apart.variation), row


def test_yardsticks_are_distances_between_parts(measured):
    row = next(row for row in compare(*measured) if row.name == "range")
    first, second = measured
    centers = np.arange(40) * 2.5 + 1.25
    counts = first.counts["range"]
    assert row.within_real == distance(counts[:5].sum(axis=0), counts[5:].sum(axis=0), centers)
    one, other = (second.counts["range"][second.scene == scene].sum(axis=0) for scene in (0, 1))
    assert row.between_scenes == pytest.approx(distance(one, other, centers))
    assert row.apart == distance(counts.sum(axis=0), (one + other), centers)


def test_the_command_writes_tables_and_pictures(roots, measured, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    main([*map(str, roots), "--out", str(tmp_path), "--real-name", "first", "--simulated-select", "scene-0103[1:]"])
    told = json.loads((tmp_path / "comparison.json").read_text())
    assert told["num_key_frames"] == [10, 3] and told["quantities"]["points"]["real"] == 400
    assert told["histograms"]["range"]["real"] == measured[0].counts["range"].mean(axis=0).tolist()
    text = (tmp_path / "comparison.md").read_text()
    assert "| Points per key frame | 400 | 300 | 100 |" in text and text in capsys.readouterr().out
    pictures = {path.name for path in tmp_path.glob("*.png")}
    assert pictures == {"points.png", "intensity.png", "surfaces.png", "boxes.png", "frames.png"}  # no labels in one


def test_classes_of_points_are_drawn_where_both_have_labels(roots, tmp_path):
    pytest.importorskip("matplotlib")
    main([str(roots[0]), str(roots[0]), "--out", str(tmp_path)])
    assert (tmp_path / "labels.png").is_file() and "Classes of points" in (tmp_path / "comparison.md").read_text()
