"""The report of the demo: one HTML file with the numbers of both arms side by side."""

from __future__ import annotations

import base64
import statistics
from html import escape
from pathlib import Path

from geopt import demo, files
from geopt.visualize.page import page


def write(out: Path, learned: dict[str, tuple[float, float]], results: demo.Results) -> Path:
    """Write ``out/report.html``.

    Args:
        out: Folder of the demo.
        learned: Of :func:`geopt.demo.pretrain_on`.
        results: Of :func:`geopt.demo.finetune_and_score`.
    """
    seeds = len(next(iter(results.values()))["scratch"])
    parts = [
        "<h1>geopt demo</h1>",
        f'<p class="lead">{escape(_lead(results, seeds))}</p>',
        "<h2>A tenth of the labels, with and without pre-training</h2>",
        _scores(results),
        f'<p class="soft"><small>{escape(_conditions(seeds))}</small></p>',
        "<h2>What pre-training learned</h2>",
        _learned(learned),
        "<h2>Predictions of a frame that no run was trained on</h2>",
        f'<div class="pictures">{_pictures(out)}</div>',
        "<h2>Reports of the runs</h2>",
        _links(out),
    ]
    path = out / "report.html"
    files.replace_text(path, page("geopt demo", "\n".join(parts)))
    return path


def _lead(results: demo.Results, seeds: int) -> str:
    helped = [title for title, values in results.items() if demo.gain(values) > 0]
    not_helped = [title for title in results if title not in helped]
    lead = f"With {'one seed' if seeds == 1 else f'{seeds} seeds'}, "
    lead += f"pre-training helped {', '.join(helped)}" if helped else "pre-training helped nothing"
    lead += f"; it did not help {', '.join(not_helped)}." if not_helped and helped else "."
    return lead + (" One seed is a demonstration, not evidence." if seeds == 1 else "")


def _conditions(seeds: int) -> str:
    return (
        f"Simulated city, {demo.SCENES - 2} training scenes of {demo.KEYFRAMES} key frames, two scenes to score on. "
        f"Labels: {demo.LABELS} of the training scenes. Both arms: preset tiny, {demo.DETECT_STEPS} steps for detection, "
        f"{demo.SEGMENT_STEPS} for segmentation, the same labels, seeds and code; they differ in where the encoder starts. "
        f"Seeds: {seeds}. Numbers are those of the official evaluators, in percent."
    )


def _scores(results: demo.Results) -> str:
    rows = []
    for title, values in results.items():
        verdict = demo.verdict(values)
        css = "good" if demo.gain(values) > 0 else "bad"
        cells = "".join(
            f'<td data-label="{words}"><span>{shown(values[arm])}</span></td>' for arm, words in demo.ARMS.items()
        )
        rows.append(
            f"<tr><td>{escape(title)}</td>{cells}"
            f'<td data-label="Verdict"><span class="{css}">{escape(verdict)}</span></td></tr>'
        )
    head = "".join(f"<th>{escape(words)}</th>" for words in demo.ARMS.values())
    return f"<table><thead><tr><th>Score</th>{head}<th>Verdict</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"


def shown(values: list[float]) -> str:
    """Mean in percent, with the range where there are several seeds."""
    text = f"{100 * statistics.mean(values):.1f}"
    return text if len(values) == 1 else f"{text} ({100 * min(values):.1f} to {100 * max(values):.1f})"


def _learned(learned: dict[str, tuple[float, float]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td data-label='Predicted'>{value:.4g}</td>"
        f"<td data-label='Constant'>{constant:.4g}</td>"
        f"<td data-label='Better by'>{100 * demo.improvement(name, value, constant):+.0f} %</td></tr>"
        for name, (value, constant) in learned.items()
    )
    head = "<tr><th>Hidden geometry of unseen scenes</th><th>Predicted</th><th>Constant predictor</th><th>Better by</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>"


def _pictures(out: Path) -> str:
    figures = []
    for arm, words in demo.ARMS.items():
        found = sorted((out / f"predictions-{arm}-0" / "pictures").glob("*.png"))
        for path in found[-1:]:
            data = base64.b64encode(path.read_bytes()).decode()
            figures.append(
                f'<figure><img alt="Boxes and classes of points, {escape(words)}" src="data:image/png;base64,{data}">'
                f"<figcaption><b>{escape(words)}</b>, seed 0</figcaption></figure>"
            )
    return "".join(figures)


def _links(out: Path) -> str:
    reports = sorted(path.relative_to(out) for path in out.glob("*/report.html"))
    return "<ul>" + "".join(f'<li><a href="{path}">{path.parent}</a></li>' for path in reports) + "</ul>"
