"""The report of a run: one HTML file with its numbers, curves, pictures and config."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from geopt import files
from geopt.optional import require
from geopt.visualize import curves, pictures, runs
from geopt.visualize.curves import Curve, number
from geopt.visualize.metrics import NOTES, Metric, scale, shown, title, verdict
from geopt.visualize.page import page
from geopt.visualize.pictures import Legend, Picture
from geopt.visualize.runs import BASELINE, Run

NOT_DRAWN = ("frames_seen",)
"""Straight lines by construction."""


def write_report(run_dir: Path, picture: Mapping[str, Any] | None = None) -> Path:
    """Write ``report.html`` into a run folder: self-contained, the same bytes for the same input.

    Without matplotlib the report has no pictures and says so.

    Args:
        run_dir: Holds ``config.yaml``, ``versions.json`` and ``metrics.jsonl``.
        picture: One validation frame as tensors, see :class:`geopt.visualize.pictures.Frame`; besides, ``step`` (int)
            at which it was predicted. None leaves the pictures out.

    Returns:
        Path of the report.

    Raises:
        FileNotFoundError: ``run_dir`` holds no ``config.yaml``.
        ValueError: a row of ``metrics.jsonl`` is damaged, or a part of ``picture`` is missing.
    """
    run = runs.read(Path(run_dir))
    name = run.path.resolve().name
    parts = [_heading(run, name), _facts(run), _metrics(run), _curves(run), _pictures(run, picture), _config(run)]
    path = run.path / "report.html"
    files.replace_text(path, page(f"{name}: geopt pre-training", "\n".join(parts)))
    return path


def _heading(run: Run, name: str) -> str:
    if not run.rows:
        lead = "No numbers yet: metrics.jsonl is empty."
    else:
        of = run.get("train.max_steps")
        lead = f"After step {run.last_step:,}" + (f" of {of:,}. " if isinstance(of, int) else ". ")
        found = [metric.improvement for metric in (Metric.of(run, key) for key in run.metrics)]
        known = [gain for gain in found if gain is not None]
        if known:
            better = sum(gain > 0 for gain in known)
            lead += f"{better} of {len(known)} validation metrics are better than a constant predictor."
        else:
            lead += "Not validated yet."
    return f'<h1>{escape(name)}</h1>\n<p class="lead">geopt pre-training. {escape(lead)}</p>'


def _facts(run: Run) -> str:
    found: dict[str, str | None] = {
        "Config": run.get("name"),
        "Dataset": " ".join(str(v) for v in (run.get("data.kind"), run.get("data.version")) if v),
        "Training frames": run.get("data.train"),
        "Validation frames": run.get("data.val"),
        "Sweeps per frame": run.get("data.num_sweeps"),
        "Seed": run.get("seed"),
        "Frames per batch": run.get("train.batch_size"),
        "Device": _device(run),
    }
    time = run.training_time()
    if time:
        found["Frames trained on"] = f"{time.frames:,.0f}"
        found["Training time"] = _duration(time.seconds)
        found["Speed"] = f"{number(time.frames / time.seconds)} frames/s"
        found["Waiting for data"] = f"{100 * time.seconds_waiting / time.seconds:.1f} % of the time"
    memory = run.curve("peak_memory_mb").finite.values
    if len(memory):
        found["Peak memory"] = f"{memory.max():,.0f} MiB"
    items = [
        f"<div><dt>{escape(k)}</dt><dd>{escape(str(v))}</dd></div>" for k, v in found.items() if v not in (None, "")
    ]
    versions = " · ".join(f"{escape(str(k))} {escape(str(v))}" for k, v in run.versions.items() if v is not None)
    return (
        f'<dl class="facts">{"".join(items)}</dl>\n<p class="soft"><small>{versions or "no versions.json"}</small></p>'
    )


def _device(run: Run) -> str | None:
    asked, gpu, machine = run.get("train.device", "auto"), run.versions.get("gpu"), run.versions.get("machine")
    return str(gpu) if gpu and asked != "cpu" else f"CPU, {machine}" if machine else None


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _metrics(run: Run) -> str:
    head = "<h2>Validation</h2>"
    if not run.metrics:
        return head + '\n<p class="none">There is no validation row in metrics.jsonl.</p>'
    rows = []
    for key in _ordered(run.metrics):
        metric = Metric.of(run, key)
        words, css = verdict(metric)
        best = f"{shown(key, metric.best[1])} <small>step {metric.best[0]:,.0f}</small>" if metric.best else "unknown"
        name = f"{escape(title(key))} <small>{escape(NOTES.get(key, ''))}</small><code class=key>{escape(key)}</code>"
        last = f"{shown(key, metric.last)} <small>step {metric.curve.steps[-1]:,.0f}</small>"
        cells = (("Last", last), ("Best", best), ("Constant", shown(key, metric.constant)))
        rows.append(
            f"<tr><td>{name}</td>"
            + "".join(f'<td data-label="{label}"><span>{cell}</span></td>' for label, cell in cells)
            + f'<td data-label="Verdict"><span class="{css}">{words}</span></td></tr>'
        )
    return (
        f"{head}\n<table><thead><tr><th>Metric</th><th>Last</th><th>Best</th><th>Constant</th><th>Verdict</th>"
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        + _note(
            "Constant: the best predictor of the training frames that gives every token the same answer. "
            "Where it is not beaten, nothing was learned."
        )
    )


def _note(text: str) -> str:
    return f'<p class="soft"><small>{escape(text)}</small></p>'


def _curves(run: Run) -> str:
    if not run.rows:
        return '<h2>Curves</h2>\n<p class="none">metrics.jsonl is empty, so there is nothing to draw.</p>'
    parts = ["<h2>Curves</h2>"]
    losses, metrics = run.losses, _ordered(run.metrics)
    others = [k for k in run.keys if k not in losses and not k.startswith("val/") and k not in NOT_DRAWN]
    if metrics:
        drawn = "".join(_curve(run, key, baseline=key + BASELINE) for key in metrics)
        legend = _lines(("constant", "constant predictor"))
        parts.append(f'<h3>Validation metrics over steps</h3>{legend}<div class="curves">{drawn}</div>')
    if losses:
        drawn = "".join(_curve(run, key, validation=other) for key, other in losses.items())
        legend = _lines(("", "training"), ("val", "validation")) if set(losses.values()) & set(run.keys) else ""
        parts.append(f'<h3>Loss and its unweighted terms</h3>{legend}<div class="curves">{drawn}</div>')
        if len(run.curve("loss").steps) > curves.MAX_BINS:
            parts.append(_note("Lines are means of neighbouring rows, bands reach from the lowest to the highest."))
    if others:
        drawn = "".join(_curve(run, key) for key in others)
        parts.append(
            f'<details><summary>Schedule, speed and memory</summary><div class="curves">{drawn}</div></details>'
        )
    return "\n".join(parts)


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
    """Those that every run is judged by come first."""
    return [key for key in NOTES if key in metrics] + [key for key in metrics if key not in NOTES]


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
    frame = pictures.Frame(picture, run.get("data.frame", "ego"))
    overview, closer, window = pictures.of_frame(frame)
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
