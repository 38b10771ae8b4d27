"""Commands that use what was trained: ``geopt predict``, ``geopt probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geopt.cli.app import app


@app.command()
def predict(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN [RUN] [KEY=VALUE]", help="One or two fine-tuned runs; changes to the config."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("predictions"),
    scans: Annotated[
        Path | None, typer.Option(help="Predict a folder of plain scan files (.bin, .npy) instead of a data set.")
    ] = None,
) -> None:
    """Write official submissions of fine-tuned models: boxes, tracks, labels of points; with two runs panoptic labels.

    Example: [bold]geopt predict runs/detect runs/segment data.split=mini_val --out predictions[/bold]

    Plain scans: [bold]geopt predict runs/detect --scans my_scans scans.sensor_height_m=1.8 --out predictions[/bold]
    """
    from rich.console import Console
    from rich.progress import Progress

    from geopt import predicting

    folders = [text for text in runs if "=" not in text]
    config = predicting.load([text for text in runs if "=" in text])
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("predicting", total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if scans is None:
            written = predicting.predict(folders, out, config, tell)
        else:
            written = predicting.predict_scans(folders, scans, out, config, tell)
    for path in written.values():
        typer.echo(f"written: {path}")


@app.command()
def probe(
    run: Annotated[str, typer.Argument(help="Folder of a pre-training or fine-tuning run, or an encoder file.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes to the config.")] = None,
    out: Annotated[Path, typer.Option(help="JSON file of the scores.")] = Path("probe.json"),
) -> None:
    """Score a frozen encoder with linear and nearest-neighbour classifiers of its point features, in minutes.

    Beside it stand encoders with random weights.

    Example: [bold]geopt probe runs/city data.root=city data.version=v1.0-mini data.train=mini_train data.val=mini_val[/bold]
    """
    from rich.console import Console
    from rich.table import Table

    from geopt import probing

    config = probing.load(overrides or [])
    result = probing.probe(run, config)
    probing.write(result, config, run, out)
    table = Table("encoder", "classifier", "mIoU", title=f"frozen features of {run}", title_justify="left")
    for score in result.scores:
        table.add_row(score.encoder, score.classifier, f"{100 * score.miou:.1f} %")
    console = Console()
    console.print(table, highlight=False)
    console.print(
        f"fitted to {result.num_train_points:,} points, scored on {result.num_val_points:,}; "
        f"{result.num_outside:,} labelled points lie outside the encoder's grid",
        highlight=False,
    )
    typer.echo(f"written: {out}")
