"""The command line. What a command needs is imported when it runs, so that help comes at once."""

from __future__ import annotations

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import geopt

USAGE_ERROR = 2
app = typer.Typer(
    name="geopt",
    help="Pre-train 3D encoders on unlabelled LiDAR by predicting masked geometry.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"geopt {geopt.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def info() -> None:
    """Print versions, how the ops were built, and which back ends each op has.

    Example: [bold]geopt info[/bold]
    """
    import torch
    from rich.console import Console
    from rich.table import Table

    from geopt import ops
    from geopt.train.run_folder import versions

    console = Console()
    facts = Table.grid(padding=(0, 2))
    build = ops.build_info()
    for name, value in (
        *versions().items(),
        ("CUDA kernels for", build["cuda_archs"] or "none: built without CUDA"),
        ("compiler", " ".join(filter(None, (build["compiler"], build["nvcc"] and f"nvcc {build['nvcc']}")))),
        ("SIMD of the ops", f"{build['simd']} (this processor has {build['processor_simd']})"),
        ("threads", f"{torch.get_num_threads()} of {os.cpu_count()} processors"),
    ):
        facts.add_row(name, value or "none")
    console.print(facts, highlight=False)
    table = Table("op", "on CPU tensors", "on CUDA tensors", title="back ends", title_justify="left")
    for op, places in ops.backends().items():
        table.add_row(op, places["cpu"], places["cuda"])
    console.print(table, highlight=False)


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
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; by default one for each processor. The files are the same.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the data set that is in the folder.")] = False,
) -> None:
    """Ray-cast procedural cities into a data set in nuScenes format.

    The same command goes on with a run that was cut off, and one with more scenes adds them.

    Example: [bold]geopt simulate city --scenes 4 --keyframes 10 --sweeps 3 --seed 0[/bold]
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
        )
    what = f"{out}: {scenes} scenes of {keyframes} key frames, data.version={version_of(scenes)}"
    console.print(what, markup=False, highlight=False, soft_wrap=True)


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


score_app = typer.Typer(
    help="Score anybody's predictions with numbers equal to the official evaluator's.", no_args_is_help=True
)
app.add_typer(score_app, name="score")
Boxes = Annotated[Path, typer.Option("--predictions", help="Submission in the official JSON format.")]
Labels = Annotated[
    Path, typer.Option("--predictions", help="Folder of the submission, as the official code expects it.")
]
Data = Annotated[Path, typer.Option(help="nuScenes folder.")]
Version = Annotated[str, typer.Option(help="Version folder in it, such as v1.0-trainval.")]
Split = Annotated[str, typer.Option(help="val, mini_val, ..., or a key of splits.json in the version folder.")]
Out = Annotated[Path, typer.Option(help="JSON file of the metrics; null stands for NaN.")]
Details = Annotated[bool, typer.Option("--details", help="Also write the curves, to NAME_details.json.")]
Plots = Annotated[Path | None, typer.Option(help="Folder for pictures of the curves; needs matplotlib.")]
Pictures = Annotated[Path | None, typer.Option(help="Folder for pictures of the scores; needs matplotlib.")]


@score_app.command("nuscenes-detection")
def score_detection(
    predictions: Boxes,
    data: Data,
    version: Version,
    split: Split,
    out: Out = Path("metrics.json"),
    details: Details = False,
    plots: Plots = None,
) -> None:
    """mAP, NDS and the errors of true positives of the nuScenes detection benchmark.

    Example: [bold]geopt score nuscenes-detection --predictions results.json --data /data/nuscenes --version v1.0-trainval --split val --out metrics.json[/bold]
    """
    _score("detection", predictions, data, version, split, out, details=details, plots=plots)


@score_app.command("nuscenes-tracking")
def score_tracking(
    predictions: Boxes,
    data: Data,
    version: Version,
    split: Split,
    out: Out = Path("metrics.json"),
    details: Details = False,
    plots: Plots = None,
) -> None:
    """AMOTA, AMOTP and every other number of the nuScenes tracking benchmark.

    Example: [bold]geopt score nuscenes-tracking --predictions results.json --data /data/nuscenes --version v1.0-trainval --split val --out metrics.json[/bold]
    """
    _score("tracking", predictions, data, version, split, out, details=details, plots=plots)


@score_app.command("nuscenes-lidarseg")
def score_lidarseg(
    predictions: Labels,
    data: Data,
    version: Version,
    split: Split,
    out: Out = Path("metrics.json"),
    plots: Pictures = None,
) -> None:
    """IoU of each class, mIoU and fwIoU of nuScenes-lidarseg.

    Example: [bold]geopt score nuscenes-lidarseg --predictions results --data /data/nuscenes --version v1.0-trainval --split val --out metrics.json[/bold]
    """
    _score("lidarseg", predictions, data, version, split, out, plots=plots)


@score_app.command("nuscenes-panoptic")
def score_panoptic(
    predictions: Labels,
    data: Data,
    version: Version,
    split: Split,
    out: Out = Path("metrics.json"),
    plots: Pictures = None,
    task: Annotated[
        str, typer.Option(help="segmentation, or tracking for the tracking numbers besides.")
    ] = "segmentation",
    min_instance_points: Annotated[int, typer.Option(help="Smaller segments that match nothing are no errors.")] = 15,
) -> None:
    """PQ and, on request, the tracking numbers of Panoptic nuScenes.

    Example: [bold]geopt score nuscenes-panoptic --predictions results --data /data/nuscenes --version v1.0-trainval --split val --task tracking[/bold]
    """
    _score(
        *("panoptic", predictions, data, version, split, out),
        plots=plots,
        options={"task": task, "min_instance_points": min_instance_points},
    )


WaymoPredictions = Annotated[
    Path, typer.Option("--predictions", help="File of predictions, as Waymo's tools write it.")
]
WaymoTruth = Annotated[Path, typer.Option("--ground-truth", help="File of labels, as Waymo's tools write it.")]


@score_app.command("waymo-detection")
def score_waymo_detection(
    predictions: WaymoPredictions,
    ground_truth: WaymoTruth,
    out: Out = Path("metrics.json"),
    details: Details = False,
) -> None:
    """AP and APH of the Waymo detection benchmark, by type and range, at both levels.

    Both files hold an Objects message, as for the official compute_detection_metrics_main.

    Example: [bold]geopt score waymo-detection --predictions predictions.bin --ground-truth gt.bin --out metrics.json[/bold]
    """
    _score_waymo("detection", predictions, ground_truth, out, details=details)


@score_app.command("waymo-segmentation")
def score_waymo_segmentation(
    predictions: WaymoPredictions,
    ground_truth: WaymoTruth,
    out: Out = Path("metrics.json"),
    both_channels: Annotated[
        bool,
        typer.Option("--both-channels", help="Count instance numbers as if they were classes, as the official tool."),
    ] = False,
) -> None:
    """IoU of each class and mIoU of the Waymo 3D semantic segmentation benchmark.

    Both files hold a SegmentationFrameList message, as for the official compute_segmentation_metrics_main.

    Example: [bold]geopt score waymo-segmentation --predictions predictions.bin --ground-truth gt.bin --out metrics.json[/bold]
    """
    _score_waymo("segmentation", predictions, ground_truth, out, options={"both_channels": both_channels})


def _score_waymo(
    task: str,
    predictions: Path,
    ground_truth: Path,
    out: Path,
    details: bool = False,
    options: dict[str, object] | None = None,
) -> None:
    from rich.console import Console

    from geopt import score

    with Console(stderr=True).status(f"scoring {predictions}"):
        scored = score.score_waymo(task, predictions, ground_truth, out, details=details, options=options)
    _show_scored(f"waymo-{task}", scored.summary, scored.written)


def _show_scored(benchmark: str, summary: dict[str, Any], written: list[Path]) -> None:
    from rich.console import Console

    from geopt import score

    console = Console()
    for table in score.tables(benchmark, summary):
        console.print(table, highlight=False)
    for path in written:
        typer.echo(f"written: {path}")


def _score(
    benchmark: str,
    predictions: Path,
    data: Path,
    version: str,
    split: str,
    out: Path,
    details: bool = False,
    plots: Path | None = None,
    options: dict[str, object] | None = None,
) -> None:
    from rich.console import Console

    from geopt import score

    with Console(stderr=True).status(f"scoring {predictions}"):
        scored = score.score(
            *(benchmark, predictions, data, version, split, out), details=details, plots=plots, options=options
        )
    _show_scored(benchmark, scored.summary, scored.written)


def main() -> None:
    """Run a command; problems that a user can solve are one line in red, with exit code 2 for a wrong config.

    A run that was asked to stop exits with 128 and the number of the signal, as shells do.
    GEOPT_DEBUG=1 shows the traceback.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that spin while they wait starve the data workers
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("geopt").setLevel(logging.INFO)
    try:
        app()
    except Exception as error:
        if os.environ.get("GEOPT_DEBUG") == "1":
            raise
        sys.exit(_tell(error))


def _tell(error: Exception) -> int:
    """Say what went wrong and return the exit code; errors that nobody foresaw are raised again."""
    from rich.console import Console

    from geopt.config_errors import ConfigError

    text, code, style, name = str(error), 1, "red", type(error).__name__
    if isinstance(error, ConfigError):
        code = USAGE_ERROR
    elif name == "Interrupted":  # by name: torch need not be there to say that a file is missing
        code, style = 128 + getattr(error, "signal", signal.SIGTERM), "yellow"
    elif name == "OutOfMemoryError":
        text = f"{text.splitlines()[0]} Try a smaller train.batch_size and a larger train.accumulate."
    elif isinstance(error, RuntimeError) and (name.startswith("Dist") or "gloo" in text or "NCCL" in text):
        text = f"rank {os.environ.get('RANK', '0')}: lost the other ranks ({text.splitlines()[0]})"
    elif not isinstance(error, (ArithmeticError, ImportError, OSError, ValueError)) and name != "OtherRankFailed":
        raise error
    if name in ("Interrupted", "NotFinite", "OtherRankFailed") and os.environ.get("RANK", "0") != "0":
        return code  # rank 0 says the same
    Console(stderr=True).print(text, style=style, markup=False, highlight=False, soft_wrap=True)
    return code


if __name__ == "__main__":
    main()
