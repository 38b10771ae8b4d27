"""Curves show the numbers they are given."""

import math
import re

import numpy as np
import pytest

from geopt.visualize import curves
from geopt.visualize.curves import HEIGHT, Curve


def path_of(svg: str, name: str) -> list[list[tuple[float, float]]]:
    """The strokes of a path: lists of (x, y) pixels."""
    (d,) = re.findall(rf'<path class="{name}" d="([^"]*)"', svg)
    strokes = [stroke for stroke in d.split("M") if stroke]
    return [[tuple(map(float, point.split())) for point in stroke.rstrip("Z").split("L")] for stroke in strokes]


def test_higher_values_are_drawn_higher():
    (stroke,) = path_of(curves.svg("a", Curve.of([0, 1, 2], [1.0, 3.0, 2.0])), "line")
    y = [point[1] for point in stroke]
    assert y[1] < y[2] < y[0]
    assert y[2] == pytest.approx((y[0] + y[1]) / 2, abs=0.1)


def test_nan_breaks_the_line():
    strokes = path_of(curves.svg("a", Curve.of(range(5), [1, 2, math.nan, 2, 1])), "line")
    assert [len(stroke) for stroke in strokes] == [2, 2]


def test_no_finite_value_says_so():
    assert "no finite value" in curves.svg("a", Curve.of([1, 2], [math.nan, math.inf]))


def test_baseline_goes_from_edge_to_edge_and_stays_in_view():
    drawing = curves.svg("a", Curve.of([50, 100], [1.0, 2.0]), Curve.of([50, 100], [9.0, 9.0]), max_step=200)
    (stroke,) = path_of(drawing, "baseline")
    assert stroke[0][0] == curves.LEFT and stroke[-1][0] == curves.WIDTH - curves.RIGHT
    assert all(curves.TOP <= y <= HEIGHT - curves.BOTTOM for _, y in stroke)


def test_long_curve_is_binned_and_its_extremes_stay_visible():
    values = np.ones(5000)
    values[1234] = 7.0
    drawing = curves.svg("a", Curve.of(range(5000), values))
    assert len(drawing) < 20_000
    (band,) = path_of(drawing, "band")
    (line,) = path_of(drawing, "line")
    top = min(y for _, y in band)
    assert len(line) <= curves.MAX_BINS
    assert top < min(y for _, y in line)


def test_wide_range_is_logarithmic_on_request():
    (stroke,) = path_of(curves.svg("a", Curve.of([0, 1, 2], [1.0, 100.0, 10_000.0]), may_be_log=True), "line")
    y = [point[1] for point in stroke]
    assert y[1] == pytest.approx((y[0] + y[2]) / 2, abs=0.2)


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [-1.0, 1.0], [1e-9, 2e-9], [1e12, 3e12]])
def test_any_range_can_be_drawn(values):
    drawing = curves.svg("a", Curve.of(range(len(values)), values))
    numbers = [float(n) for n in re.findall(r' [xy]="([^"]+)"', drawing)]
    assert all(math.isfinite(n) for n in numbers)
    assert 2 <= drawing.count('text-anchor="end"')


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.2, 0.52), (-3, 7), (0, 20_000)])
def test_ticks_are_round_and_inside(low, high):
    found = curves.ticks(low, high)
    assert 3 <= len(found) <= 6
    assert low <= found[0] and found[-1] <= high + 1e-9
    assert np.allclose(np.diff(found), found[1] - found[0])


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.21, "0.210"), (14.11, "14.1"), (999.0, "999"), (12_345.6, "12,346"), (1.5e-7, "1.50e-07")],
)
def test_numbers_for_people(value, text):
    assert curves.number(value) == text
