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
    peers: Annotated[
        bool, typer.Option("--peers", help="Also time PCL and the packages of geopt-lidar[bench].")
    ] = False,
    threads: Annotated[str, typer.Option(help="Numbers of threads, such as 1,2.")] = "1",
    op: Annotated[list[str] | None, typer.Option(help="Only ops whose names begin so, such as knn.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Runs that count; the median is shown.")] = 7,
    out: Annotated[Path | None, typer.Option(help="JSON file of the tables and of every single run.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Markdown file of the tables.")] = None,
) -> None:
    """Time the ops on this machine, beside the packages that people use in their place.

    Example: [bold]geopt bench --peers --threads 1,2 --out bench.json --markdown bench.md[/bold],
    [bold]geopt bench scans/ --op knn --op local_pca[/bold]
    """
    from geopt.bench import report
    from geopt.bench.run import run

    counts = threads.split(",")
    if not all(count.isdigit() and int(count) for count in counts):
        raise ValueError(f"bench: --threads must be numbers such as 1,2, got {threads!r}")
    runs = [run(int(count), op or [], scans or [], peers, repeats) for count in counts]
    _print(runs)
    if out is not None:
        files.replace_text(out, json.dumps(report.as_json(runs), indent=1))
    if markdown is not None:
        files.replace_text(markdown, report.markdown(runs))


def _print(runs: list[Run]) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from geopt.bench import report

    console = Console()
    for line in (line for run in runs for line in report.told(run)):
        console.print(line, markup=False, highlight=False)
    for shown in report.tables(runs):
        columns = [Column(name, overflow="fold") for name in shown.header]  # names are not cut in a narrow window
        table = Table(*columns, title=shown.title)
        for row in shown.rows:
            table.add_row(*row)
        console.print(table, highlight=False)
