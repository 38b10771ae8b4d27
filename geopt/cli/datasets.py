"""Commands about data: ``geopt simulate``, ``geopt pack``, ``geopt splits``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geopt.cli.app import app


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write; a run that was cut off goes on there.")],
    scenes: Annotated[int, typer.Option(min=1, help="Number of scenes, each in a city of its own.")] = 4,
    keyframes: Annotated[int, typer.Option(min=1, help="Annotated key frames of each scene, 0.5 s apart.")] = 10,
    sweeps: Annotated[int, typer.Option(min=1, help="Scans of each key frame, itself included, one turn apart.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Other cities for every seed.")] = 0,
    sensor: Annotated[
        str, typer.Option(help="hdl32e, hdl64e, waymo-top, vlp16, vlp32c, pandar64 or os1-64.")
    ] = "hdl32e",
    motion_distortion: Annotated[
        bool, typer.Option("--motion-distortion", help="Measure each column of a scan at its own time.")
    ] = False,
    format: Annotated[
        str, typer.Option(help="nuscenes, or waymo-v2: parquet components of the Waymo Open Dataset.")
    ] = "nuscenes",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one for each processor. The files are the same.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the data set that is in the folder.")] = False,
) -> None:
    """Ray-cast procedural cities into a data set in nuScenes or Waymo format.

    The same command goes on with a run that was cut off, and one with more scenes adds them.

    Example: [bold]geopt simulate city --scenes 4 --keyframes 10 --sweeps 3 --seed 0[/bold]

    As Waymo's roof lidar: [bold]geopt simulate city --sensor waymo-top --format waymo-v2 --sweeps 5 --motion-distortion[/bold]
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from geopt.simulate import default_workers, version_of
    from geopt.simulate import simulate as write

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("scans", total=None)
        write(
            *(out, scenes, keyframes, sweeps, seed),
            lambda done, total: bar.update(task, completed=done, total=total),
            sensor=sensor,
            motion_distortion=motion_distortion,
            workers=workers or default_workers(),
            overwrite=overwrite,
            format=format,
        )
    how = f"data.version={version_of(scenes)}" if format == "nuscenes" else "data.kind=waymo"
    what = f"{out}: {scenes} scenes of {keyframes} key frames, {how}"
    console.print(what, markup=False, highlight=False, soft_wrap=True)


@app.command()
def pack(
    out: Annotated[Path, typer.Argument(help="Folder to write; packing that was cut off goes on there.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="The dataset: data.kind, data.root and so on.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="float32 keeps every bit; int16 keeps coordinates to 2.5 mm in half the space.")
    ] = "float32",
    shard_mb: Annotated[float, typer.Option(help="About the size of a shard, 10**6 bytes.")] = 128,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the files are the same.")] = 1,
) -> None:
    """Write a dataset as Arrow shards, mapped into memory and read at random; a run takes their folder as data.root.

    Packed are the scenes that data.train and data.val name, with all their sweeps, boxes and labels of points.

    Example: [bold]geopt pack shards data.root=city data.version=v1.0-mini data.train=mini_train data.val=mini_val[/bold]

    Then: [bold]geopt pretrain tiny data.root=shards data.train=mini_train data.val=mini_val[/bold]
    """
    from rich.console import Console
    from rich.progress import Progress

    from geopt import packing

    config = packing.load([*(overrides or []), f"precision={precision}", f"shard_mb={shard_mb}", f"workers={workers}"])
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("packing", total=None)
        manifest = packing.pack(out, config, lambda done, total: bar.update(task, completed=done, total=total))
    size_mb = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    what = (
        f"{out}: {len(manifest.scenes)} scenes of {manifest.kind} in {len(manifest.shards)} shards, {size_mb:,.1f} MB"
    )
    console.print(what, markup=False, highlight=False, soft_wrap=True)


@app.command()
def splits(
    name: Annotated[str, typer.Argument(help="A list to expand, such as scenes-10-seed0; none prints all names.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Draw every list again and compare.")] = False,
    data: Annotated[Path | None, typer.Option(help="nuScenes folder, to expand NAME on its key frames.")] = None,
    version: Annotated[str, typer.Option(help="Version folder in it.")] = "v1.0-trainval",
    select: Annotated[str, typer.Option(help="What NAME is a fraction of, as data.train.")] = "train",
) -> None:
    """Print the label fractions, or one of them; data.label_fraction takes their names.

    Without --data a list is that of the official training scenes; fractions by frame then count key frames 0 to 39 of each.

    Example: [bold]geopt splits scenes-10-seed0[/bold], [bold]geopt splits --check[/bold], [bold]geopt splits every-100 --data /data/nuscenes[/bold]
    """
    from geopt.data import NuScenes, fraction_files, fractions

    if check:
        typer.echo(f"{fraction_files.check()} lists are as their rules draw them, the smaller within the larger")
    elif not name:
        _print_fractions()
    elif data is None:
        typer.echo("\n".join(fraction_files.expanded(fractions.find(name))))
    else:
        source = NuScenes(data, version)
        typer.echo("\n".join(source.name(int(row)) for row in source.select(select, fraction=name).rows))


def _print_fractions() -> None:
    from rich.console import Console
    from rich.table import Table

    from geopt.data import fraction_files

    title = "label fractions of the 700 official training scenes, key frames 0 to 39 of each"
    table = Table(
        "list", "counts", *(f"N = {seed}" for seed in fraction_files.SEEDS), title=title, title_justify="left"
    )
    for row in fraction_files.table():
        table.add_row(*row)
    Console().print(table, highlight=False)
