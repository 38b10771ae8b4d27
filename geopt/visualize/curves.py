"""Curves as inline SVG: no library, sharp on paper, coloured by the style sheet of the page around them.

Classes that the page styles: ``line``, ``band``, ``dot``, ``validation``, ``baseline``, ``grid``, ``axis`` (text).
"""

from __future__ import annotations

import math
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

WIDTH, HEIGHT = 320, 180
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 10, 26
MAX_BINS = 120
"""A longer curve is drawn as the mean of this many bins, with a band from the lowest to the highest value."""
MAX_DOTS = 24
"""A shorter curve has a dot at every value."""
LOG_FROM = 30.0
"""Highest over lowest value from which a range is wide."""


class Curve(NamedTuple):
    """A number over the steps of a run; NaN where it was not defined."""

    steps: NDArray[np.float64]
    values: NDArray[np.float64]

    @classmethod
    def of(cls, steps: ArrayLike, values: ArrayLike) -> Curve:
        return cls(np.asarray(steps, dtype=np.float64), np.asarray(values, dtype=np.float64))

    @property
    def finite(self) -> Curve:
        keep = np.isfinite(self.values)
        return Curve(self.steps[keep], self.values[keep])


class _Axis(NamedTuple):
    """Maps numbers to pixels."""

    low: float
    high: float
    first: float
    last: float
    is_log: bool = False

    def __call__(self, values: ArrayLike) -> NDArray[np.float64]:
        places: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
        low, high = self.low, self.high
        if self.is_log:
            places, low, high = np.log10(places), math.log10(low), math.log10(high)
        return self.first + (places - low) / (high - low) * (self.last - self.first)


def svg(
    label: str,
    curve: Curve,
    baseline: Curve | None = None,
    validation: Curve | None = None,
    *,
    max_step: float | None = None,
    may_be_log: bool = False,
) -> str:
    """Draw one curve.

    Args:
        label: For readers who do not see it.
        curve: Drawn as a line, with dots if the points are few; broken where it is not finite.
        baseline: Of a constant predictor; drawn dashed from edge to edge.
        validation: The same number on validation frames; drawn in another colour.
        max_step: Right end of the axis; None takes the last step.
        may_be_log: Whether a positive curve with a wide range gets a logarithmic axis.

    Returns:
        An ``<svg>`` element, or a paragraph that says that there is no finite value.
    """
    finite = curve.finite
    if not len(finite.steps):
        return '<p class="none">no finite value</p>'
    nothing = Curve.of([], [])
    dashed, other = (baseline or nothing).finite, (validation or nothing).finite
    x, y = _axes([finite, dashed, other], max_step, may_be_log)
    parts = [*_grid(x, y)]
    if len(dashed.steps):
        places, values = x([x.low, *dashed.steps, x.high]), y([dashed.values[0], *dashed.values, dashed.values[-1]])
        parts.append(f'<path class="baseline" d="{_path(places, values)}"/>')
    steps, mean, low, high = _binned(curve)
    if len(curve.steps) > MAX_BINS:
        parts.append(f'<path class="band" d="{_band(x(steps), y(low), y(high))}"/>')
    parts.append(f'<path class="line" d="{_path(x(steps), y(mean))}"/>')
    parts += _dots(finite, x, y, "dot")
    if len(other.steps):
        parts.append(f'<path class="validation" d="{_path(x(other.steps), y(other.values))}"/>')
        parts += _dots(other, x, y, "dot validation")
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


def number(value: float | None) -> str:
    """A number for people: three digits, or all of a large one."""
    if value is None or not math.isfinite(value):
        return "undefined"
    size = abs(value)
    if value == 0 or 1e-3 <= size < 1000:
        return f"{value:#.3g}".rstrip(".") if value else "0"
    return f"{value:,.0f}" if 1 <= size < 1e7 else f"{value:.2e}"


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from ``low`` to ``high``, about so many."""
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _axes(drawn: list[Curve], max_step: float | None, may_be_log: bool) -> tuple[_Axis, _Axis]:
    end = max(*(float(step) for curve in drawn for step in curve.steps[-1:]), max_step or 0.0, 1.0)
    x = _Axis(0.0, end, LEFT, WIDTH - RIGHT)
    values = np.concatenate([curve.values for curve in drawn])
    low, high = float(values.min()), float(values.max())
    if may_be_log and low > 0 and high / low > LOG_FROM:
        return x, _Axis(low / 1.15, high * 1.15, HEIGHT - BOTTOM, TOP, is_log=True)
    pad = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    below = low - pad
    if low >= 0 and (below < 0 or low < 0.35 * high):
        below = 0.0  # a curve that comes near zero is shown from zero
    return x, _Axis(below, high + pad, HEIGHT - BOTTOM, TOP)


def _grid(x: _Axis, y: _Axis) -> list[str]:
    parts = []
    if y.is_log:
        powers = range(math.floor(math.log10(y.low)), math.ceil(math.log10(y.high)) + 1)
        marks = [f * 10.0**p for p in powers for f in ((1, 2, 5) if len(powers) <= 3 else (1,))]
        marks = [mark for mark in marks if y.low <= mark <= y.high]
    else:
        marks = ticks(y.low, y.high)
    for mark in marks:
        at = float(y(mark))
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text class="axis" x="{LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{_mark(mark)}</text>')
    for mark in ticks(x.low, x.high):
        at = float(x(mark))
        anchor = "end" if at > WIDTH - 24 else "middle"
        parts.append(f'<text class="axis" x="{at:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{_mark(mark)}</text>')
    return parts


def _mark(value: float) -> str:
    """A round number in little space."""
    size = abs(value)
    if size >= 1e6 or 0 < size < 1e-3:
        return f"{value:.1e}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace(".0e", "e")
    if size >= 1000:
        return f"{value / 1000:.4g}k"
    return f"{value:.3g}"


def _binned(curve: Curve) -> tuple[NDArray[np.float64], ...]:
    """Steps, mean, lowest and highest of at most MAX_BINS bins; a bin without a finite value breaks the line."""
    if len(curve.steps) <= MAX_BINS:
        return curve.steps, curve.values, curve.values, curve.values
    rows = []
    size = math.ceil(len(curve.steps) / MAX_BINS)  # equal bins, so that noise is smoothed alike everywhere
    for start in range(0, len(curve.steps), size):
        part = slice(start, start + size)
        values = curve.values[part]
        finite = values[np.isfinite(values)]
        stats = (finite.mean(), finite.min(), finite.max()) if len(finite) else (math.nan,) * 3
        rows.append((curve.steps[part].mean(), *stats))
    steps, mean, low, high = np.array(rows).T
    return steps, mean, low, high


def _path(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    parts, pen_down = [], False
    for a, b in zip(x, y):
        if math.isfinite(b):
            parts.append(f"{'L' if pen_down else 'M'}{a:.1f} {b:.1f}")
        pen_down = math.isfinite(b)
    return "".join(parts)


def _band(x: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    keep = np.isfinite(low)
    there = [f"{a:.1f} {b:.1f}" for a, b in zip(x[keep], high[keep])]
    back = [f"{a:.1f} {b:.1f}" for a, b in zip(x[keep][::-1], low[keep][::-1])]
    return f"M{'L'.join((*there, *back))}Z"


def _dots(curve: Curve, x: _Axis, y: _Axis, css: str) -> list[str]:
    """Marks of a short curve, so that a single value is seen too."""
    if len(curve.steps) > MAX_DOTS:
        return []
    return [
        f'<circle class="{css}" cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>' for a, b in zip(x(curve.steps), y(curve.values))
    ]
