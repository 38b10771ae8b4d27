"""Commands that train: ``geopt pretrain``, ``geopt finetune``, ``geopt demo``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from geopt.cli.app import app


@app.command()
def pretrain(
    config: Annotated[str, typer.Argument(help="Path of a YAML file, or a shipped name: tiny, geopt, paper, release.")],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes to the config.")] = None,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the whole config and stop.")] = False,
) -> None:
    """Pre-train an encoder on LiDAR sweeps; the same command goes on with a run that was cut off.

    Example: [bold]geopt pretrain tiny data.root=city data.version=v1.0-mini run.dir=runs/city train.max_steps=300[/bold]

    On two GPUs: [bold]torchrun --nproc-per-node 2 -m geopt.cli pretrain geopt data.root=/data/nuscenes[/bold]
    """
    from geopt import config as configs
    from geopt import pretraining

    loaded = pretraining.load(config, overrides or [])
    if show_config:
        typer.echo(configs.dump(loaded), nl=False)
        return
    sys.path.append(os.getcwd())  # for classes of one's own, named module:Class
    pretraining.pretrain(loaded)


@app.command()
def finetune(
    config: Annotated[
        str,
        typer.Argument(
            help="Path of a YAML file, or a shipped name: detect/tiny, detect/geopt, segment/tiny, segment/geopt."
        ),
    ],
    overrides: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes to the config.")] = None,
    show_config: Annotated[bool, typer.Option("--show-config", help="Print the whole config and stop.")] = False,
) -> None:
    """Train a detector or a segmenter on a pre-trained encoder (init=RUN) or from scratch (init=none).

    Example: [bold]geopt finetune segment/tiny init=runs/city data.root=city data.version=v1.0-mini run.dir=runs/segment[/bold]

    A tenth of the labels: [bold]data.label_fraction=frames-10-seed0[/bold]; the head alone: [bold]freeze=true[/bold]
    """
    from geopt import config as configs
    from geopt import finetuning

    loaded = finetuning.load(config, overrides or [])
    if show_config:
        typer.echo(configs.dump(loaded), nl=False)
        return
    sys.path.append(os.getcwd())  # for classes of one's own, named module:Class
    finetuning.finetune(loaded)


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to write; a demo that was cut off goes on there.")] = Path(
        "runs/demo"
    ),
    seeds: Annotated[
        int, typer.Option(min=1, help="Fine-tuning runs of each task, with and without pre-training.")
    ] = 1,
) -> None:
    """Simulate a city, pre-train, fine-tune with a tenth of the labels from the encoder and from scratch, track, score.

    Example: [bold]geopt demo runs/demo[/bold]
    """
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from geopt import demo as demonstration
    from geopt import demo_report

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("simulating", total=None)
        city = demonstration.simulate_city(
            out, lambda done, total: bar.update(task, completed=done, total=total, refresh=True)
        )
    learned = demonstration.pretrain_on(city, out)
    results = demonstration.finetune_and_score(city, out, seeds, lambda text: console.print(text, highlight=False))
    table = Table("hidden geometry of unseen scenes", "predicted", "constant predictor", "better by", "needed")
    for name, (value, constant) in learned.items():
        gain = demonstration.improvement(name, value, constant)
        needed = demonstration.NEEDED[name]
        table.add_row(name, f"{value:.4g}", f"{constant:.4g}", f"{gain:+.0%}", f"{needed:.0%}")
    Console().print(table, highlight=False)
    table = Table("a tenth of the labels, %", *demonstration.ARMS.values(), "")
    for title, values in results.items():
        cells = (demo_report.shown(values[arm]) for arm in demonstration.ARMS)
        table.add_row(title, *cells, demonstration.verdict(values))
    Console().print(table, highlight=False)
    typer.echo(f"report: {demo_report.write(out, learned, results)}")
