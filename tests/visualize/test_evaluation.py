"""Pictures of scores show the numbers they are given."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest

from geopt.visualize import evaluation

RECALL = np.linspace(0, 1, 101)
NAN = math.nan


def detection(confidence: np.ndarray) -> tuple[dict, dict]:
    """Scores of cars and cones as a detector gets them: 101 values over recall."""
    curve = {"recall": RECALL.tolist(), "precision": (1 - RECALL).tolist(), "confidence": confidence.tolist()}
    curve |= {error: (0.1 * i + RECALL).tolist() for i, error in enumerate(evaluation.ERRORS)}
    means = dict.fromkeys(evaluation.ERRORS, 0.5)
    summary = {
        "mean_dist_aps": {"car": 0.4, "traffic_cone": 0.2},
        "label_tp_errors": {"car": means, "traffic_cone": means | {"vel_err": NAN, "orient_err": None}},
        "cfg": {"dist_th_tp": 2.0},
    }
    return summary, {f"{name}:{d}": curve for name in summary["mean_dist_aps"] for d in (0.5, 2.0)}


def tracking() -> tuple[dict, dict]:
    """Scores of cars, tracked up to half of the recall, and of buses, of which none is found, so that they get constants."""
    recall = np.linspace(1, 0.1, 40)
    known = np.where(recall < 0.5, 1.0, NAN)
    car = {key: (value * known).tolist() for key, value in {"tp": 6, "ids": 2, "fp": 8, "fn": 1, "frag": 3}.items()}
    car |= {key: (value * known).tolist() for key, value in {"motar": 0.5, "mota": 0.3, "motp": 0.6}.items()}
    car |= {"tid": known.tolist(), "lgd": known.tolist(), "recall_hypo": recall.tolist()}
    constants = {"motp": 2.0, "tid": 20.0, "lgd": 20.0, "tp": 0.0, "fn": 4.0, "mota": 0.0, "motar": 0.0}
    bus = {key: [constants.get(key)] * 40 for key in car}
    return {"label_metrics": {"amota": {"car": 0.25, "bus": 0.0}}}, {"car": car, "bus": bus}


def lidarseg() -> dict:
    names = ["ignore", "barrier", "car"]
    counts = [[0, 0, 0], [0, 3, 1], [0, 0, 0]]
    return {"iou_per_class": dict(zip(names, [NAN, 0.75, NAN])), "miou": 0.75, "freq_weighted_iou": 0.75} | {
        "confusion_matrix_gt_rows_pred_cols": counts
    }


def panoptic() -> dict:
    row = {"PQ": 0.5, "SQ": 0.8, "RQ": 0.625, "IoU": 0.6, "PTQ": 0.4}
    return {part: {"all": row, "ignore": row, "car": row, "truck": row} for part in ("segmentation", "tracking")}


def test_a_curve_ends_where_the_detections_end():
    summary, details = detection(np.where(RECALL <= 0.6, 0.9, 0.0))
    car, cone = evaluation.precision_recall(summary, details)
    assert (car.title, cone.title) == ("car: AP 0.400", "traffic_cone: AP 0.200")
    assert [line.name for line in car.lines] == ["within 0.5 m", "within 2 m"]
    reached = np.isfinite(car.lines[0].y)
    assert np.array_equal(reached, RECALL <= 0.6)
    assert np.allclose(car.lines[0].y[reached], (1 - RECALL)[reached])


def test_errors_that_a_class_has_not_are_left_out():
    car, cone = evaluation.detection_errors(*detection(np.ones(101)))
    assert [line.name for line in car.lines] == list(evaluation.ERRORS.values())
    assert [line.name for line in cone.lines] == [evaluation.ERRORS[e] for e in ("trans_err", "scale_err", "attr_err")]
    assert np.allclose(car.lines[2].y, 0.2 + RECALL)


def test_precision_of_a_tracker_counts_switches_as_found():
    car, bus = evaluation.tracking_quality(*tracking())
    assert car.title == "car: AMOTA 0.250" and bus.title == "bus: AMOTA 0.000"
    precision = car.lines[0]
    assert np.array_equal(np.isfinite(precision.y), precision.x < 0.5)
    assert np.nanmin(precision.y) == np.nanmax(precision.y) == 0.5


def test_a_class_of_which_nothing_is_found_has_no_curve():
    details = tracking()[1]
    for panels in (evaluation.tracking_errors(details), evaluation.tracking_counts(details)):
        car, bus = panels
        assert any(np.isfinite(line.y).any() for line in car.lines)
        assert not any(np.isfinite(line.y).any() for line in bus.lines)


def test_bars_leave_out_what_is_not_scored():
    (bars,) = evaluation.lidarseg_bars(lidarseg())
    assert bars.names == ("barrier", "car") and bars.values[0] == 0.75 and math.isnan(bars.values[1])
    both = evaluation.panoptic_bars(panoptic())
    assert [bar.title for bar in both] == ["PQ: mean 0.500", "SQ: mean 0.800", "RQ: mean 0.625", "PTQ: mean 0.400"]
    assert both[3].names == ("car", "truck") and both[3].values == (0.4, 0.4)
    alone = {"segmentation": panoptic()["segmentation"]}
    assert len(evaluation.panoptic_bars(alone)) == 3


EXPECTED = {
    "detection": (detection(np.ones(101)), ["precision_recall", "errors"]),
    "tracking": (tracking(), ["precision_recall", "errors", "counts"]),
    "lidarseg": ((lidarseg(), None), ["iou", "confusion"]),
    "panoptic": ((panoptic(), None), ["quality"]),
}


@pytest.mark.parametrize("task", EXPECTED)
def test_every_task_gets_its_pictures_from_python_and_from_json(task, tmp_path):
    (summary, details), names = EXPECTED[task]
    image = pytest.importorskip("matplotlib.image")
    written = evaluation.write_plots(tmp_path / "plots", task, summary, details)
    assert [path.name for path in written] == [f"{task}_{name}.png" for name in names]
    nan_as_null = json.loads(json.dumps([summary, details]).replace("NaN", "null"))
    for path, again in zip(written, evaluation.write_plots(tmp_path / "again", task, *nan_as_null)):
        pixels = image.imread(path)
        assert pixels[..., :3].std() > 0.03  # it is not a blank page
        assert np.array_equal(pixels, image.imread(again))


def test_curves_without_details_are_refused():
    with pytest.raises(ValueError, match="detection needs its curves; score with details=True"):
        evaluation.write_plots("nowhere", "detection", {})
    with pytest.raises(ValueError, match="task must be one of detection, tracking, lidarseg, panoptic, got 'seg'"):
        evaluation.write_plots("nowhere", "seg", {})


def test_no_torch_is_loaded():
    code = "import sys, geopt.visualize.evaluation; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
