"""The demo: what its verdicts say, and the whole way on a very small city."""

from __future__ import annotations

import math

import pytest

from geopt import demo, demo_report


def test_a_verdict_says_plainly_where_pre_training_did_not_help():
    assert demo.verdict({"encoder": [0.30], "scratch": [0.31]}) == "pre-training did not help (-1.0 points)"
    assert demo.verdict({"encoder": [0.2], "scratch": [0.2]}).startswith("pre-training did not help")
    assert demo.verdict({"encoder": [0.33], "scratch": [0.31]}) == "+2.0 points, one seed"
    several = {"encoder": [0.4, 0.3, 0.5], "scratch": [0.3, 0.31, 0.3]}
    assert demo.verdict(several) == "+9.7 points, better in 2 of 3 seeds"


def test_numbers_of_several_seeds_come_with_their_range():
    assert demo_report.shown([0.25]) == "25.0"
    assert demo_report.shown([0.2, 0.4]) == "30.0 (20.0 to 40.0)"


def test_the_report_names_what_helped_and_what_did_not(tmp_path):
    results = {score.title: {"encoder": [0.5], "scratch": [0.4]} for score in demo.SCORES}
    results["tracking AMOTA"] = {"encoder": [0.1], "scratch": [0.2]}
    learned = {"occupancy_iou": (0.3, 0.05)}
    page = demo_report.write(tmp_path, learned, results).read_text()
    assert "it did not help tracking AMOTA" in page and "Seeds: 1." in page and demo.LABELS in page
    assert page.count("+10.0 points, one seed") == len(demo.SCORES) - 1


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_whole_way(tmp_path, monkeypatch):
    for name, value in {
        "SCENES": 4,
        "KEYFRAMES": 4,
        "SWEEPS": 1,
        "PRETRAIN_STEPS": 2,
        "DETECT_STEPS": 3,
        "SEGMENT_STEPS": 3,
        "LABELS": "frames-50-seed0",
        "SCORE_THRESHOLD": 0.0,
    }.items():
        monkeypatch.setattr(demo, name, value)
    city = demo.simulate_city(tmp_path)
    learned = demo.pretrain_on(city, tmp_path)
    told: list[str] = []
    results = demo.finetune_and_score(city, tmp_path, num_seeds=1, say=told.append)
    assert results.keys() == {score.title for score in demo.SCORES}
    for values in results.values():
        assert all(math.isfinite(value) and 0 <= value <= 1 for arm in demo.ARMS for value in values[arm])
    assert len(told) == 6
    page = demo_report.write(tmp_path, learned, results).read_text()
    assert "data:image/png;base64," in page and 'href="detect-encoder-0/report.html"' in page
    assert demo.finetune_and_score(city, tmp_path, num_seeds=1, say=told.append) == results, "nothing is done again"
