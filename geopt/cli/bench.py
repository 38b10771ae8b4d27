"""``geopt bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geopt import files
from geopt.cli.app import app

if TYPE_CHECKING:
    from geopt.bench.run import Run


@app.command()
def bench(
    scans: Annotated[
        list[Path] | None, typer.Argument(help="Scan files, or folders of them; by default made-up streets.")
    ] = None,
    peers: Annotated[bool, typer.Option("--peers", help="Also time the packages of geopt-lidar[bench].")] = False,
    threads: Annotated[str, typer.Option(help="Numbers of threads, such as 1,2.")] = "1",
    op: Annotated[list[str] | None, typer.Option(help="Only ops whose names begin so, such as knn.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs that count; the median is shown.")] = 7,
    out: Annotated[Path | None, typer.Option(help="JSON file of every run.")] = None,
) -> None:
    """Time the ops on this machine, beside the packages that people use in their place.

    Example: [bold]geopt bench --peers --threads 1,2 --out bench.json[/bold], [bold]geopt bench scans/ --op knn --op local_pca[/bold]
    """
    from geopt.bench.run import as_json, run

    counts = threads.split(",")
    if not all(count.isdigit() and int(count) for count in counts):
        raise ValueError(f"bench: --threads must be numbers such as 1,2, got {threads!r}")
    runs = [run(int(count), op or [], scans or [], peers, repeats) for count in counts]
    for one in runs:
        _print(one)
    if len(runs) > 1:
        _print_speedups(runs[0], runs[-1])
    if out is not None:
        told = [
            {"threads": one.threads, "facts": one.facts, "missing": one.missing, "timings": as_json(one.timings)}
            for one in runs
        ]
        files.replace_text(out, json.dumps(told, indent=1))


def _print(run: Run) -> None:
    from rich.console import Console
    from rich.table import Table

    from geopt.bench.judge import ratios

    console = Console()
    console.print(f"\n{run.threads} thread(s): " + ", ".join(f"{name} {fact}" for name, fact in run.facts.items()))
    for remedy in run.missing.values():
        console.print(f"left out: {remedy}", markup=False)
    times = Table("op", "input", "who", "median ms", "spread ms", "CPU ms", "CPU ns an item", title="times")
    for case, wall, cpu in run.timings:
        per_item = 1e6 * min(cpu) / max(case.num_items, 1)
        median = sorted(wall)[len(wall) // 2]
        row = f"{median:.2f}", f"{min(wall):.2f} to {max(wall):.2f}", f"{min(cpu):.2f}", f"{per_item:.1f}"
        times.add_row(case.op, case.input, case.who, *row)
    console.print(times, highlight=False)
    table = Table("op", "input", "peer", "times geopt", "goal", "reach for", "", title="ratios of median wall times")
    for found in ratios(run.timings):
        goal = found.goal
        said = "reached" if found.ratio >= goal.reach else "held" if found.ratio >= goal.must else "MISSED"
        row = f"{found.ratio:.1f}", f"{goal.must:g}", f"{goal.reach:g}", said
        table.add_row(goal.op, found.input, found.who, *row)
    if table.row_count:
        console.print(table, highlight=False)


def _print_speedups(one: Run, many: Run) -> None:
    from rich.console import Console
    from rich.table import Table

    from geopt.bench.judge import speedups

    table = Table("op", "input", "times as fast", title=f"geopt with {many.threads} threads against {one.threads}")
    for op, name, speedup in speedups(one.timings, many.timings):
        table.add_row(op, name, f"{speedup:.2f}")
    Console().print(table, highlight=False)
