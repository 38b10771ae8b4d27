"""A validation is printed as a short table, the number that counts first."""

import math
import re

import pytest

from geopt.train.console import RunConsole

NAN = math.nan


def printed(capsys: pytest.CaptureFixture[str], metrics: dict[str, float]) -> list[str]:
    console = RunConsole(total=400, done=0, active=True)
    console.validation(200, metrics)
    console.close()
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).rstrip() for line in capsys.readouterr().err.splitlines()]


def test_the_main_number_is_first_and_absent_classes_are_named_alone(capsys):
    found = {"val/iou_bus": NAN, "val/iou_construction_vehicle": 0.25, "val/accuracy": 0.7, "val/miou": 0.3}
    constant = {"val/iou_bus": NAN, "val/iou_construction_vehicle": 0.0, "val/accuracy": 0.5, "val/miou": 0.1}
    lines = printed(capsys, {**found, **{f"{k}_baseline": v for k, v in constant.items()}, "val/points_outside": 3.0})
    assert lines == [
        "step 200/400  validation, beside the best constant predictor",
        "    miou                          0.3      0.1",
        "    accuracy                      0.7      0.5",
        "    iou_construction_vehicle     0.25        0",
        "    undefined: iou_bus",
    ]


def test_a_class_that_only_the_prediction_has_stands_beside_absent(capsys):
    lines = printed(capsys, {"val/iou_bus": 0.0, "val/iou_bus_baseline": NAN})
    assert lines[1].split() == ["iou_bus", "0", "absent"]


def test_metrics_of_pretraining_keep_their_order_and_coarse_levels_are_left_out(capsys):
    names = ("val/occupancy_iou", "val/centroid_error_m", "val/centroid_error_m_level1", "val/normal_error_deg")
    lines = printed(capsys, {key: 1.0 for name in names for key in (name, f"{name}_baseline")})
    assert [line.split()[0] for line in lines[1:]] == ["occupancy_iou", "centroid_error_m", "normal_error_deg"]


def test_without_a_constant_predictor_only_the_step_is_told(capsys):
    assert printed(capsys, {"val/loss": 1.0}) == ["step 200/400  validation"]
