"""The report of a run: one HTML file with its numbers, curves, pictures and config."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from geopt import files
from geopt.optional import require
from geopt.visualize import curves, facts, pictures, runs, task_pictures, views
from geopt.visualize.curves import Curve
from geopt.visualize.metrics import COUNTS, NOTES, Metric, class_of, is_percentage, scale, shown, title, verdict
from geopt.visualize.page import page
from geopt.visualize.pictures import Legend, Picture
from geopt.visualize.runs import BASELINE, Run

NOT_DRAWN = ("frames_seen",)
"""Straight lines by construction."""
MAX_CURVES = 8
"""A group with more shows the main ones, and the others when asked."""


def write_report(run_dir: Path, picture: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` into a run folder: self-contained, the same bytes for the same input.

    Without matplotlib the report has no pictures and says so.

    Args:
        run_dir: Holds ``config.yaml``, ``versions.json`` and ``metrics.jsonl``.
        picture: One validation frame as tensors, see :class:`geopt.visualize.views.Frame`; besides, ``step`` (int)
            at which it was predicted. None leaves the pictures out.

    Returns:
        Path of the report.

    Raises:
        FileNotFoundError: ``run_dir`` holds no ``config.yaml``.
        ValueError: a row of ``metrics.jsonl`` is damaged, or a part of ``picture`` is missing.
    """
    run = runs.read(Path(run_dir))
    name = run.path.resolve().name
    parts = [_heading(run, name), facts.html(run), _metrics(run), _curves(run), _pictures(run, picture), _config(run)]
    path = run.path / "report.html"
    files.replace_text(path, page(f"{name}: geopt {facts.kind(run)}", "\n".join(parts)))
    return path


def _heading(run: Run, name: str) -> str:
    if not run.rows:
        lead = "No numbers yet: metrics.jsonl is empty."
    else:
        of = run.get("train.max_steps")
        lead = f"After step {run.last_step:,}" + (f" of {of:,}. " if isinstance(of, int) else ". ")
        metrics = [Metric.of(run, key) for key in _ordered(run.metrics)]
        known = [metric.is_better for metric in metrics if metric.is_better is not None]
        if known and run.task and is_percentage(metrics[0].key):
            main = metrics[0]
            lead += f"{title(main.key)} {shown(main.key, main.last)}, constant {shown(main.key, main.constant)}. "
        if known:
            lead += f"{sum(known)} of {len(known)} validation metrics are better than a constant predictor."
        else:
            lead += "Not validated yet."
    what = facts.kind(run) + (f", {facts.origin(run)}" if run.task else "")
    return f'<h1>{escape(name)}</h1>\n<p class="lead">geopt {escape(what)}. {escape(lead)}</p>'


def _metrics(run: Run) -> str:
    head = "<h2>Validation</h2>"
    if not run.metrics:
        return head + '\n<p class="none">There is no validation row in metrics.jsonl.</p>'
    metrics = [Metric.of(run, key) for key in _ordered(run.metrics)]
    gone = [metric.key for metric in metrics if metric.is_absent and not math.isfinite(metric.last)]
    rows = "".join(_row(metric) for metric in metrics if metric.key not in gone)
    notes = [_note(facts.CONSTANT[run.task if run.task in facts.CONSTANT else None])]
    if gone:
        names = ", ".join(str(class_of(key)) for key in gone)
        notes.append(_note(f"Absent from the validation frames, so without a number: {names}."))
    if run.task:
        counts = [(run.curve(key).finite.values, words) for key, words in COUNTS.items()]
        told = [f"{values[-1]:,.0f} {words}" for values, words in counts if len(values)]
        if told:
            notes.append(_note("Of the validation frames, " + " and ".join(told) + "."))
    return (
        f"{head}\n<table><thead><tr><th>Metric</th><th>Last</th><th>Best</th><th>Constant</th><th>Verdict</th>"
        f"</tr></thead><tbody>{rows}</tbody></table>" + "\n".join(notes)
    )


def _row(metric: Metric) -> str:
    key = metric.key
    words, css = verdict(metric)
    best = f"{shown(key, metric.best[1])} <small>step {metric.best[0]:,.0f}</small>" if metric.best else "unknown"
    note = f"<small>{escape(NOTES.get(key, ''))}</small>" if key in NOTES else ""
    name = f"{escape(title(key))} {note}<code class=key>{escape(key)}</code>"
    last = f"{shown(key, metric.last)} <small>step {metric.curve.steps[-1]:,.0f}</small>"
    constant = "absent" if metric.is_absent else shown(key, metric.constant)
    cells = (("Last", last), ("Best", best), ("Constant", constant))
    return (
        f"<tr><td>{name}</td>"
        + "".join(f'<td data-label="{label}"><span>{cell}</span></td>' for label, cell in cells)
        + f'<td data-label="Verdict"><span class="{css}">{words}</span></td></tr>'
    )


def _note(text: str) -> str:
    return f'<p class="soft"><small>{escape(text)}</small></p>'


def _curves(run: Run) -> str:
    if not run.rows:
        return '<h2>Curves</h2>\n<p class="none">metrics.jsonl is empty, so there is nothing to draw.</p>'
    parts = ["<h2>Curves</h2>"]
    losses = run.losses
    metrics = [key for key in _ordered(run.metrics) if len(run.curve(key).finite.steps) or class_of(key) is None]
    others = [k for k in run.keys if k not in losses and not k.startswith("val/") and k not in NOT_DRAWN]
    if metrics:
        legend = _lines(("constant", "constant predictor"))
        parts.append(f"<h3>Validation metrics over steps</h3>{legend}")
        drawn = {key: _curve(run, key, baseline=key + BASELINE) for key in metrics}
        at_once = [key for key in drawn if len(drawn) <= MAX_CURVES or class_of(key) is None]
        parts.append(_grid(drawn[key] for key in at_once))
        parts.append(_folded("Classes", [drawn[key] for key in drawn if key not in at_once]))
    if losses:
        drawn = {key: _curve(run, key, validation=other) for key, other in losses.items()}
        legend = _lines(("", "training"), ("val", "validation")) if set(losses.values()) & set(run.keys) else ""
        parts.append(f"<h3>Loss and its unweighted terms</h3>{legend}")
        at_once = [key for key in drawn if len(drawn) <= MAX_CURVES or key == "loss"]
        parts.append(_grid(drawn[key] for key in at_once))
        parts.append(_folded("Terms of the loss", [drawn[key] for key in drawn if key not in at_once]))
        if len(run.curve("loss").steps) > curves.MAX_BINS:
            parts.append(_note("Lines are means of neighbouring rows, bands reach from the lowest to the highest."))
    parts.append(_folded("Schedule, speed and memory", [_curve(run, key) for key in others]))
    return "\n".join(part for part in parts if part)


def _grid(drawn: Iterable[str]) -> str:
    return f'<div class="curves">{"".join(drawn)}</div>'


def _folded(summary: str, drawn: Sequence[str]) -> str:
    return f"<details><summary>{summary}</summary>{_grid(drawn)}</details>" if drawn else ""


def _curve(run: Run, key: str, baseline: str = "", validation: str = "") -> str:
    factor, _ = scale(key)
    curve, constant, other = (
        Curve(found.steps, found.values * factor) for found in map(run.curve, (key, baseline, validation))
    )
    finite = run.curve(key).finite.values
    drawing = curves.svg(
        f"{key} over steps", curve, constant, other, max_step=run.last_step, may_be_log=key.startswith("loss")
    )
    last = shown(key, float(finite[-1])) if len(finite) else "undefined"
    return (
        f"<figure><figcaption><b>{escape(title(key))}</b> <span>{last}</span></figcaption>{drawing}"
        f'<figcaption><code class="key">{escape(key)}</code></figcaption></figure>'
    )


def _lines(*named: tuple[str, str]) -> str:
    """Legend of curves: (class in the style sheet, name)."""
    parts = [f'<span><span class="dash {css}"></span>{escape(name)}</span>' for css, name in named]
    return f'<div class="legend">{"".join(parts)}</div>'


def _ordered(metrics: list[str]) -> list[str]:
    """Those that every run is judged by come first; facts about the frames are left out."""
    return [key for key in NOTES if key in metrics] + [k for k in metrics if k not in NOTES and k not in COUNTS]


def _pictures(run: Run, picture: Mapping[str, Any] | None) -> str:
    if picture is None:
        return ""
    head = "<h2>A validation frame from above</h2>"
    try:
        for module in ("matplotlib.figure", "matplotlib.backends.backend_agg"):
            require(module, extra="viz")
    except ImportError:
        return (
            head + '\n<p class="none">No pictures: matplotlib is not installed. '
            "<code>pip install 'geopt-lidar[viz]'</code> brings it.</p>"
        )
    frame = views.Frame(picture, run.get("data.frame", "ego"))
    draw = task_pictures.of_frame if task_pictures.are_in(frame) else pictures.of_frame
    overview, closer, window = draw(frame)
    about = f"Frame {frame.name}. " if frame.name else ""
    if "step" in picture:
        about += f"Weights of step {int(picture['step']):,}."
    parts = [head, f"<p>{escape(about)}</p>", f'<div class="pictures">{"".join(map(_figure, overview))}</div>']
    if closer:
        parts.append(f"<h3>Closer: {escape(str(window))}</h3>")
        parts.append(f'<div class="pictures">{"".join(map(_figure, closer))}</div>')
    return "\n".join(parts)


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode("ascii")
    return (
        f'<figure><img alt="{escape(picture.title)}, seen from above" src="data:image/png;base64,{data}">'
        f"{_legend(picture.legend)}"
        f"<figcaption><b>{escape(picture.title)}.</b> {escape(picture.caption)}.</figcaption></figure>"
    )


def _legend(legend: Legend) -> str:
    parts = [f'<span><i style="background:{color}"></i>{escape(name)}</span>' for color, name in legend.swatches]
    if legend.ramp:
        colors = ",".join(legend.ramp)
        parts.append(
            f'<span>{escape(legend.low)}<i class="ramp" style="background:linear-gradient(90deg,{colors})"></i>'
            f"{escape(legend.high)}</span>"
        )
    return f'<div class="legend">{"".join(parts)}</div>'


def _config(run: Run) -> str:
    text = escape(run.config_text)
    return f"<h2>Config</h2>\n<details><summary>config.yaml, resolved</summary><pre>{text}</pre></details>"
