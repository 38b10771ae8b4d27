"""``geopt inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from geopt.cli.app import app

if TYPE_CHECKING:
    from geopt.inspection import Report

COLOURS = {"error": "red", "warning": "yellow", "info": "dim"}


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="Folder of a dataset or of scans, a scan file, or a log.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="What the files do not tell, such as data.folder.unit_m=0.001."),
    ] = None,
    scans: Annotated[int, typer.Option(min=1, help="How many scans are read, spread evenly.")] = 20,
    json: Annotated[Path | None, typer.Option(help="Also write the report to this file.")] = None,
) -> None:
    """Say what a dataset is, what is wrong with it, and how to pre-train on it. Exit code 1 if there are errors.

    Example: [bold]geopt inspect my_scans[/bold]

    With what you know: [bold]geopt inspect my_scans data.folder.columns=\\[x,y,z,intensity,ring,skip][/bold]
    """
    from rich.console import Console
    from rich.progress import Progress

    from geopt import inspection

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("reading scans", total=None)
        report = inspection.inspect(
            path, scans, overrides or [], progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    if json is not None:
        report.write(json)
    _print(report)
    if not report.is_sound:
        raise typer.Exit(1)


def _print(report: Report) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    summary = Table.grid(padding=(0, 2))
    for name, value in report.summary().items():
        summary.add_row(name, Text(value))
    console.print(summary, highlight=False)
    fields = Table("field", "lowest", "1 %", "median", "99 %", "highest", title="values", title_justify="left")
    for name, values in report.fields().items():
        fields.add_row(name, *(f"{value:.4g}" for value in values))
    console.print(fields, highlight=False)
    if report.findings:
        found = Table(title="findings", title_justify="left")
        for column in ("", "check", "what is the matter", "what to do"):
            found.add_column(column, overflow="fold")  # a path that is cut names no file
        for finding in report.findings:
            severity = Text(finding.severity, style=COLOURS[finding.severity])
            found.add_row(severity, finding.check, Text(finding.what), Text(finding.remedy))
        console.print(found, highlight=False)
    else:
        console.print("nothing is wrong with what was looked at")
    console.print(report.command(), markup=False, highlight=False, soft_wrap=True)
