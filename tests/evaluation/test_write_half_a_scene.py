"""Half a real scene as a split: what perfect, noisy and empty submissions of boxes score here and officially.

The official numbers are made where GEOPT_DEVKIT_PYTHON names the Python of an environment with nuscenes-devkit 1.2.0.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import box_oracle
import devkit
import numpy as np
import pytest
from annotated_boxes import (
    DETECTION,
    TRACKING,
    VERSION,
    annotated_tracks,
    boxes_at,
    detections,
    noisy,
    samples,
    tracked,
)
from derived_root import HALVES, write_derived_root

from geopt import tables
from geopt.data.nuscenes import NuScenes
from geopt.data.sweeps import compose, inverse, rigid
from geopt.evaluation import SubmissionError, nuscenes_detection, nuscenes_tracking
from geopt.evaluation.global_boxes import GlobalBoxes, Tracks, to_global
from geopt.evaluation.nuscenes_detection import CLASS_RANGE_M
from geopt.evaluation.split_frames import split_frames
from geopt.evaluation.write_boxes import write_detections, write_tracks
from geopt.heads.tracker import TrackerConfig


@pytest.fixture(scope="module")
def halves(nuscenes_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 30 key frames of the real scene as mini_train, the last 10 as mini_val."""
    return write_derived_root(nuscenes_root, tmp_path_factory.mktemp("halves") / "root")


def in_range(root: Path, token: str, boxes: GlobalBoxes) -> set[str]:
    """Classes of the boxes that the detection benchmark counts for their distance."""
    dataset = NuScenes(root, VERSION)
    row = int(dataset.key_rows[dataset.sweeps.sample_token.tolist().index(token.encode())])
    away_m = np.linalg.norm((boxes.translation - dataset.sweeps.ego_translation[row])[:, :2], axis=1)
    names = [DETECTION.classes[label] for label in boxes.classes.tolist()]
    return {name for name, distance in zip(names, away_m.tolist()) if distance < CLASS_RANGE_M[name]}


def test_the_derived_root_is_the_scene_in_two(halves, nuscenes_root):
    whole, cut = NuScenes(nuscenes_root, VERSION), NuScenes(halves, VERSION)
    assert cut.scenes == ("scene-0061", "scene-0103")
    for name, (start, stop) in HALVES.items():
        theirs = whole.select(f"scene-0523[{start}:{stop}]").rows.tolist()
        mine = cut.select(name).rows.tolist()
        assert [cut.token(row) for row in mine] == [whole.token(row) for row in theirs]
        assert cut.past(mine[0], 5) == [] and len(cut.past(mine[-1], 5)) == 5
        assert np.array_equal(cut.cloud(mine[-1]).xyz, whole.cloud(theirs[-1]).xyz)
        middle = (cut.boxes(mine[5]), whole.boxes(theirs[5]))
        assert middle[0].tokens == middle[1].tokens and np.array_equal(
            middle[0].geometry, middle[1].geometry, equal_nan=True
        )
    frames = split_frames(halves, VERSION, "mini_val")
    assert [frame.sample_token for frame in frames] == [whole.token(row) for row in theirs]
    assert frames == split_frames(halves, VERSION, "second_part") and frames[0].num_points == len(
        whole.cloud(theirs[0]).xyz
    )
    links = json.loads((halves / VERSION / "sample_annotation.json").read_text())
    by_token = {row["token"]: row for row in links}
    assert all(
        by_token[row[side]]["instance_token"] == row["instance_token"]
        for row in links for side in ("prev", "next") if row[side]
    )  # fmt: skip


def test_a_perfect_file_gets_what_the_metric_defines(halves, tmp_path):
    path = tmp_path / "perfect.json"
    found = detections(halves, "mini_val")
    write_detections(path, found, samples(halves, "mini_val"))
    summary = nuscenes_detection(path, halves, VERSION, "mini_val")
    aps = summary["mean_dist_aps"]
    there = {name for token, boxes in found.items() for name in in_range(halves, token, boxes)}
    assert there == {name for name, ap in aps.items() if ap > 0} and len(there) == 5
    assert all(aps[name] == pytest.approx(1, abs=1e-12) for name in there)
    assert summary["mean_ap"] == pytest.approx(len(there) / 10)
    for name in there:
        errors = {key: value for key, value in summary["label_tp_errors"][name].items() if key != "attr_err"}
        assert all(value == pytest.approx(0, abs=1e-9) or math.isnan(value) for value in errors.values()), name
    # A class that is not there counts as wrong in everything, so even perfection has less than 1.
    absent = [name for name in DETECTION.classes if name not in there]
    for name in absent:
        assert {v for v in summary["label_tp_errors"][name].values() if not math.isnan(v)} == {1.0}
    expected = (5 * summary["mean_ap"] + sum(1 - error for error in summary["tp_errors"].values())) / 10
    assert summary["nd_score"] == pytest.approx(expected) and summary["nd_score"] < 1


@pytest.mark.parametrize("frame", ["ego", "lidar"])
def test_boxes_of_the_model_frame_come_home(halves, tmp_path, frame):
    dataset = NuScenes(halves, VERSION)
    found, expected = {}, detections(halves, "mini_val")
    for row in dataset.select("mini_val").rows.tolist():
        boxes = dataset.boxes(row, frame)
        classes = [DETECTION.class_of_category.get(name) for name in boxes.names]
        keep = [i for i, name in enumerate(classes) if name and boxes.num_points[i] > 0]
        found[dataset.token(row)] = to_global(
            boxes.geometry[keep],
            np.ones(len(keep)),
            [DETECTION.classes.index(str(classes[i])) for i in keep],
            dataset.global_from_model(row, frame),
        )
    path = tmp_path / "moved.json"
    write_detections(path, found, samples(halves, "mini_val"))
    summary = nuscenes_detection(path, halves, VERSION, "mini_val")
    assert expected.keys() == found.keys()
    errors = summary["label_tp_errors"]["car"]
    assert errors["trans_err"] < 1e-9 and errors["scale_err"] < 1e-12 and errors["orient_err"] < 1e-9
    assert errors["vel_err"] < 0.02  # the part of the velocity along the model's z is lost


def test_the_model_frame_is_where_the_tables_say(nuscenes_root):
    dataset = NuScenes(nuscenes_root, VERSION)
    row = int(dataset.key_rows[7])
    table = tables.read_sweeps(nuscenes_root / VERSION)
    ego = rigid(table.ego_quat_wxyz[row], table.ego_translation[row])
    lidar = compose(ego, rigid(table.lidar_quat_wxyz[row], table.lidar_translation[row]))
    assert dataset.global_from_model(row) == pytest.approx(ego, abs=1e-9)
    assert dataset.global_from_model(row, "lidar") == pytest.approx(lidar, abs=1e-9)
    assert compose(inverse(ego), lidar) == pytest.approx(dataset.ego_from_lidar(row), abs=1e-9)


def test_nothing_found_is_refused_as_officially_and_nothing_near_scores_zero(halves, tmp_path):
    tokens = samples(halves, "mini_val")
    write_detections(tmp_path / "empty.json", {token: boxes_at() for token in tokens}, tokens)
    with pytest.raises(SubmissionError, match="has no box in any sample"):
        nuscenes_detection(tmp_path / "empty.json", halves, VERSION, "mini_val")
    write_detections(tmp_path / "far.json", {token: boxes_at(0.0) for token in tokens}, tokens)
    summary = nuscenes_detection(tmp_path / "far.json", halves, VERSION, "mini_val")
    assert summary["mean_ap"] == summary["nd_score"] == 0
    nothing = {token: Tracks(boxes_at(), (), np.arange(0)) for token in tokens}
    write_tracks(tmp_path / "no_tracks.json", nothing, tokens)
    with pytest.raises(SubmissionError, match="has no box in any sample"):
        nuscenes_tracking(tmp_path / "no_tracks.json", halves, VERSION, "mini_val")


@pytest.mark.parametrize("split", ["mini_train", "mini_val"])
def test_tracks_of_perfect_detections_score_as_high_as_gaps_allow(halves, tmp_path, split):
    found, tokens = detections(halves, split, TRACKING), samples(halves, split)

    def scored(tracks: dict[str, Tracks]) -> dict[str, Any]:
        write_tracks(tmp_path / "tracks.json", tracks, tokens)
        return nuscenes_tracking(tmp_path / "tracks.json", halves, VERSION, split)

    perfect = scored(annotated_tracks(halves, split))
    assert perfect["amota"] == perfect["mota"] == 1 and perfect["ids"] == perfect["fp"] == perfect["fn"] == 0
    # An object without a point is not detected; the evaluator fills such holes, the tracker forgets over four of them.
    short, long = (scored(tracked(halves, split, found, TrackerConfig(max_age=age))) for age in (3, 8))
    assert 0.9 < short["amota"] < long["amota"] < 1 and long["amota"] > 0.98
    assert short["ids"] <= 0.03 * short["tp"] and short["fp"] <= 0.01 * short["tp"] and short["ml"] == 0


@devkit.needed
def test_the_devkit_scores_the_written_files_as_we_do(halves, tmp_path):
    cases: list[tuple] = []
    for split in ("mini_val", "second_part"):
        perfect, tokens = detections(halves, split), samples(halves, split)
        tracks = detections(halves, split, TRACKING)
        files = {
            "perfect": perfect,
            "noisy": noisy(perfect),
            "far": {token: boxes_at(0.0) for token in tokens},
            "empty": {token: boxes_at() for token in tokens},
        }
        for name, found in files.items():
            write_detections(tmp_path / f"{split}-{name}.json", found, tokens)
            cases.append(("detection", halves, VERSION, split, tmp_path / f"{split}-{name}.json"))
        kinds = {"tracks": tracks, "noisy_tracks": noisy(tracks, seed=1), "no_tracks": files["empty"]}
        for name, found in kinds.items():
            write_tracks(tmp_path / f"{split}-{name}.json", tracked(halves, split, found), tokens)
            cases.append(("tracking", halves, VERSION, split, tmp_path / f"{split}-{name}.json"))
    refused = 0
    for case, expected in zip(cases, devkit.answers(box_oracle, cases)):
        evaluate = nuscenes_detection if case[0] == "detection" else nuscenes_tracking
        if "error" in expected:
            assert case[-1].stem.split("-")[1] in ("empty", "no_tracks"), (case, expected)
            with pytest.raises(SubmissionError):
                evaluate(case[-1], *case[1:4])
            refused += 1
            continue
        summary, details = evaluate(case[-1], *case[1:4], details=True)
        got, theirs = devkit.flat({"summary": summary, "details": details}), devkit.flat(expected)
        assert got.keys() == theirs.keys()
        for path, value in theirs.items():
            if isinstance(value, str | bool):
                assert got[path] == value, (case, path)
            else:
                tolerance = 2e-5 if "motp" in path and not devkit.blas_kernel() else 1e-12
                assert got[path] == pytest.approx(value, rel=0, abs=tolerance, nan_ok=True), (case, path)
    assert refused == 4
