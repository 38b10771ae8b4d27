"""Panoptic labels from classes and boxes: brute force, the official score of perfect inputs, numbers over a scene."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from label_database import CLASS_OF, CLASSES, SPLIT, VERSION, write_database
from scipy.cluster.hierarchy import fcluster, linkage

from geopt import official
from geopt.evaluation import nuscenes_panoptic
from geopt.evaluation.write_points import write_panoptic
from geopt.heads.panoptic import Instances, PanopticConfig, SceneLabels, find_instances, thing_numbers

CAR, WALKER, ROAD = (CLASSES.index(name) for name in ("car", "pedestrian", "driveable_surface"))


def found(xyz, classes, boxes=(), scores=(), box_classes=(), **config) -> np.ndarray:
    return find_instances(
        torch.tensor(xyz, dtype=torch.float32).reshape(-1, 3),
        torch.tensor(classes, dtype=torch.int64),
        torch.tensor(boxes, dtype=torch.float64).reshape(-1, 7),
        torch.tensor(scores, dtype=torch.float32),
        torch.tensor(box_classes, dtype=torch.int64),
        PanopticConfig(**config),
    ).point


def box(x: float, y: float = 0.0, size: tuple[float, float, float] = (4.0, 2.0, 2.0), yaw: float = 0.0) -> list[float]:
    return [x, y, 0.0, *size, yaw]


# --------------------------------------------------------------------------------------------------- points and boxes


def naive(xyz, classes, boxes, scores, box_classes, config: PanopticConfig) -> list[int]:
    """Box of each point by looking at each pair; -2 where a cluster would begin."""
    chosen = []
    for point, of_class in zip(np.asarray(xyz, dtype=np.float32).astype(float), classes):
        best: tuple[float, float, float, int] | None = None
        for row, b in enumerate(boxes):
            if of_class != box_classes[row]:
                continue
            cos, sin = np.cos(b[6]), np.sin(b[6])
            dx, dy, dz = point - b[:3]
            local = np.abs([dx * cos + dy * sin, dy * cos - dx * sin, dz])
            half = np.asarray(b[3:6]) / 2
            inside = bool((local <= half + config.margin_m).all())
            away = float(np.linalg.norm(np.maximum(local - half, 0)))
            if not inside and away > config.reach_m:
                continue
            rank = (0.0, 0.0, -scores[row], row) if inside else (1.0, away, -scores[row], row)
            best = min(best, rank) if best else rank
        chosen.append(best[3] if best else (-2 if 1 <= of_class <= 10 else -1))
    return chosen


@pytest.mark.parametrize("seed", range(6))
def test_points_find_the_box_that_looking_at_every_pair_finds(seed):
    rng = np.random.default_rng(seed)
    boxes = np.c_[
        rng.uniform(-6, 6, (25, 2)), rng.uniform(-1, 1, 25), rng.uniform(0.5, 4, (25, 3)), rng.normal(0, 3, 25)
    ]
    scores = rng.choice([0.25, 0.5, 0.75], 25)
    box_classes = rng.choice([CAR, WALKER], 25)
    xyz = rng.uniform(-8, 8, (600, 3)) * [1, 1, 0.3]
    classes = rng.choice([0, CAR, WALKER, ROAD], 600)
    config = PanopticConfig(min_cluster_points=1)
    got = found(xyz, classes, boxes, scores, box_classes, min_cluster_points=1)
    expected = np.array(naive(xyz, classes, boxes, scores, box_classes, config))
    assert np.array_equal(np.where(got >= 25, -2, got), expected)
    assert (got >= 25).any() and set(range(25)) & set(got.tolist())


def test_the_best_box_takes_the_points_of_its_class_alone():
    xyz = [[0, 0, 0]] * 3
    boxes = [box(0.0), box(0.2), box(0.1)]
    got = found(xyz, [CAR, WALKER, ROAD], boxes, [0.4, 0.6, 0.9], [CAR, CAR, WALKER])
    assert got.tolist() == [1, 2, -1]


def test_boxes_grow_by_a_margin_and_reach_a_little_farther_for_the_rest():
    xyz = [[2.05, 0, 0], [2.3, 0, 0], [2.7, 0, 0], [5.7, 0, 0]]
    boxes = [box(0.0), box(4.75, size=(4.2, 2.0, 2.0))]  # from -2 to 2 and from 2.65 to 6.85
    got = found(xyz, [CAR] * 4, boxes, [0.9, 0.1], [CAR, CAR], margin_m=0.1, reach_m=0.5)
    assert got.tolist() == [0, 0, 1, 1]
    near = found([[2.4, 0, 0]], [CAR], boxes, [0.9, 0.1], [CAR, CAR])
    assert near.tolist() == [1]  # 0.25 m from the second box, 0.4 m from the better one


@pytest.mark.parametrize("link_m", [0.3, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_those_of_single_linkage_between_the_first_points_of_cells(seed, link_m):
    rng = np.random.default_rng(seed)
    places = rng.uniform(-4, 4, (200, 3)) * [1, 1, 0.1]
    xyz = (rng.permutation(places.repeat(2, axis=0)) + rng.normal(0, 0.02, (400, 3))).astype(np.float32)
    classes = rng.choice([CAR, WALKER], 400)
    got = found(xyz, classes, min_cluster_points=4, link_m=link_m)
    for of_class in (CAR, WALKER):
        rows = np.flatnonzero(classes == of_class)
        cells: dict[tuple, int] = {}
        stands = [cells.setdefault(tuple(np.floor(xyz[row] / (link_m / 4))), row) for row in rows.tolist()]
        assert len(cells) < len(rows)  # some share a cell
        single = fcluster(linkage(xyz[list(cells.values())].astype(float), "single"), link_m, "distance")
        expected = np.array([single[list(cells.values()).index(stand)] for stand in stands])
        large = np.flatnonzero(np.bincount(expected) >= 4)
        assert np.array_equal(got[rows] >= 0, np.isin(expected, large)) and 0 < len(large)
        pairs = {(a, b) for a, b in zip(got[rows].tolist(), expected.tolist()) if a >= 0}
        assert len(pairs) == len(large) == len({a for a, _ in pairs})


def test_clusters_are_numbered_by_class_and_first_point():
    xyz = [[9.0, 0, 0], [3.0, 0, 0], [6.0, 0, 0], [3.1, 0, 0], [9.1, 0, 0], [6.1, 0, 0]]
    got = found(xyz, [WALKER, CAR, CAR, CAR, WALKER, CAR], min_cluster_points=2)
    assert got.tolist() == [2, 0, 1, 0, 2, 1]


def test_clusters_follow_the_boxes_and_empty_scans_have_nothing():
    xyz = [[20.0 + 0.1 * k, 0, 0] for k in range(5)] + [[0, 0, 0], [40.0, 0, 0]]
    got = found(xyz, [CAR] * 7, [box(0.0), box(100.0)], [0.5, 0.5], [CAR, CAR])
    assert got.tolist() == [2, 2, 2, 2, 2, 0, -1]
    assert found([], []).tolist() == []
    assert found([[0, 0, 0]], [CAR]).tolist() == [-1]


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="point_classes must be from 0 to 16, got 17 to 17"):
        found([[0, 0, 0]], [17])
    with pytest.raises(ValueError, match="box_classes must be from 1 to 10, got 0 to 0"):
        found([[0, 0, 0]], [1], [box(0.0)], [0.5], [0])
    with pytest.raises(ValueError, match=r"xyz must be \(N, 3\) and point_classes \(N,\)"):
        found([[0, 0, 0]], [1, 1])
    with pytest.raises(ValueError, match=r"scores and box_classes \(D,\)"):
        found([[0, 0, 0]], [1], [box(0.0)], [], [CAR])
    with pytest.raises(ValueError, match=r"classes must be of barrier, .*, got 'tram'"):
        thing_numbers(["tram"])


def test_detection_classes_have_the_numbers_of_lidarseg():
    names = official.class_map("detection").classes
    assert [CLASSES[number] for number in thing_numbers(names)] == list(names)


# --------------------------------------------------------------------------------------------------------- the numbers


def test_labels_are_a_thousand_times_the_class_and_the_instance():
    classes = torch.tensor([ROAD, 0, CAR, CAR, CAR, WALKER, CAR])
    labels = SceneLabels().labels(classes, Instances(np.array([-1, -1, 0, 2, 2, 1, -1]), 2), "a")
    assert labels.dtype == np.uint16
    assert labels.tolist() == [11_000, 0, 4002, 4001, 4001, 7001, 4000]  # the larger car comes first


def test_a_track_keeps_its_number_in_a_scene_and_others_get_new_ones():
    scene, classes = SceneLabels(), torch.tensor([CAR, CAR, CAR])
    first = scene.labels(classes, Instances(np.array([0, 1, 2]), 2), "a", ["x", None])
    second = scene.labels(classes, Instances(np.array([1, 0, 2]), 2), "a", [None, "x"])
    assert first[0] == second[0] and len({*first.tolist(), *second.tolist()}) == 5
    other = scene.labels(classes, Instances(np.array([0, 1, 2]), 2), "b", ["y", "x"])
    assert other.tolist() == [4001, 4002, 4003]


def test_numbers_run_from_1_to_999_and_the_longest_unused_is_given_again(caplog):
    scene = SceneLabels()

    def scan(names: list[str]) -> list[int]:
        instances = Instances(np.arange(len(names)), len(names))
        return (scene.labels(torch.full((len(names),), CAR), instances, "a", names) - 1000 * CAR).tolist()

    assert scan([f"a{k}" for k in range(600)]) == list(range(1, 601))
    assert scan(["a0", *(f"b{k}" for k in range(399))]) == [1, *range(601, 1000)]
    assert scan(["c", "a0", "a2"]) == [2, 1, 3]  # a1 was away for longest
    assert scan(["a1"]) == [4] and not caplog.records
    with caplog.at_level(logging.WARNING):
        crowd = scan([f"d{k}" for k in range(1002)])
    assert crowd[999:] == [0, 0, 0] and sorted(crowd[:999]) == list(range(1, 1000))
    assert "a scan has 3 instances of class 4 more than labels can tell apart" in caplog.text


def test_ids_and_classes_must_fit_the_instances():
    with pytest.raises(ValueError, match=r"must be for 2 points and 1 boxes, got \(2,\) and 2"):
        SceneLabels().labels(torch.tensor([4, 4]), Instances(np.array([0, 0]), 1), "a", ["x", "y"])


# ------------------------------------------------------------------------------------------------ the official score


@pytest.mark.parametrize("with_boxes", [True, False])
def test_perfect_classes_and_boxes_have_a_panoptic_quality_of_one(tmp_path: Path, with_boxes: bool):
    """Each object of a database of labels gets a place of its own and a box with its track; stuff lies anywhere."""
    database = write_database(tmp_path / "db", seed=11, num_points=900)
    index = {row["index"]: row["name"] for row in json.loads((database / VERSION / "category.json").read_text())}
    class_of = np.array([CLASSES.index(CLASS_OF[index[i]]) for i in range(len(index))])
    rng, labels, scenes = np.random.default_rng(0), {}, SceneLabels()
    for path in sorted((database / "panoptic" / VERSION).iterdir()):
        truth = np.load(path)["data"].astype(np.int64)
        classes = class_of[truth // 1000]
        xyz = rng.uniform(-50, 50, (len(truth), 3))
        things = [label for label in np.unique(truth).tolist() if 1 <= class_of[label // 1000] <= 10]
        boxes = np.array([box(100.0 + 7 * k, size=(0.8, 0.4, 0.4), yaw=k) for k in range(len(things))])
        for label, place in zip(things, boxes):
            here = truth == label
            xyz[here] = place[:3] + rng.uniform(-0.15, 0.15, (here.sum(), 3))
        shown = boxes if with_boxes else boxes[:0]
        instances = find_instances(
            torch.tensor(xyz, dtype=torch.float32),
            torch.tensor(classes),
            torch.tensor(shown),
            torch.ones(len(shown)),
            torch.tensor([class_of[label // 1000] for label in things][: len(shown)]),
            PanopticConfig(min_cluster_points=1),
        )
        names = [str(label) for label in things] if with_boxes else None
        token, scene = path.name.removesuffix("_panoptic.npz"), path.name.split("-sample")[0]
        labels[token] = scenes.labels(torch.tensor(classes), instances, scene, names)
    counts = {token: len(row) for token, row in labels.items()}
    write_panoptic(tmp_path / "out", SPLIT, labels.items(), counts, task="tracking")
    summary = nuscenes_panoptic(tmp_path / "out", database, VERSION, SPLIT, "tracking")
    assert summary["segmentation"]["all"]["PQ"] == summary["segmentation"]["all"]["mIoU"] == 1
    tracking = {key: summary["tracking"]["all"][key] for key in ("PAT", "LSTQ", "PTQ", "TQ", "MOTSA")}
    if with_boxes:
        assert tracking == pytest.approx(dict.fromkeys(tracking, 1.0))
    else:
        assert all(value < 1 for value in tracking.values())  # without tracks every scan has new instances
