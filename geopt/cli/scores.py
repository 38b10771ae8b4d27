"""``geopt score``: one command for each benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geopt.cli.app import app

if TYPE_CHECKING:
    from geopt.score import Scored

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
Details = Annotated[
    bool,
    typer.Option("--details", help="Also show scores by range, and write them and the curves to NAME_details.json."),
]
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
    details: Details = False,
    plots: Pictures = None,
) -> None:
    """IoU of each class, mIoU and fwIoU of nuScenes-lidarseg.

    Example: [bold]geopt score nuscenes-lidarseg --predictions results --data /data/nuscenes --version v1.0-trainval --split val --out metrics.json[/bold]
    """
    _score("lidarseg", predictions, data, version, split, out, details=details, plots=plots)


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


@score_app.command("semantickitti-segmentation")
def score_semantickitti_segmentation(
    predictions: Labels,
    data: Annotated[Path, typer.Option(help="SemanticKITTI folder, which holds sequences/.")],
    split: Annotated[str, typer.Option(help="val, train, or sequences such as 00,05.")] = "val",
    out: Out = Path("metrics.json"),
    details: Details = False,
) -> None:
    """IoU of each class, mIoU and accuracy of the single-scan benchmark of SemanticKITTI.

    Example: [bold]geopt score semantickitti-segmentation --predictions results --data /data/semantickitti --out metrics.json[/bold]
    """
    _run("semantickitti-segmentation", "score_semantickitti", predictions, data, split, out, details=details)


@score_app.command("kitti-detection")
def score_kitti_detection(
    predictions: Labels,
    ground_truth: Annotated[Path, typer.Option("--ground-truth", help="Folder of labels, KITTI's label_2.")],
    frames: Annotated[
        Path | None,
        typer.Option(help="File with a frame in each line, such as val.txt; else every label file is scored."),
    ] = None,
    out: Out = Path("metrics.json"),
    details: Details = False,
) -> None:
    """AP of the KITTI object benchmark in the image, from above and in 3D, and orientation, at 11 and 40 steps of recall.

    Example: [bold]geopt score kitti-detection --predictions results/data --ground-truth training/label_2 --frames val.txt[/bold]
    """
    _run("kitti-detection", "score_kitti", predictions, ground_truth, out, frames=frames, details=details)


@score_app.command("argoverse2-detection")
def score_argoverse2_detection(
    predictions: Annotated[Path, typer.Option("--predictions", help="Submission, a feather file; or an .npz file.")],
    ground_truth: Annotated[
        Path, typer.Option("--ground-truth", help="Folder of a split such as sensor/val; or a feather or .npz file.")
    ],
    out: Out = Path("metrics.json"),
    details: Details = False,
) -> None:
    """AP, errors and CDS of the Argoverse 2 3D detection benchmark, without its region of interest.

    Example: [bold]geopt score argoverse2-detection --predictions results.feather --ground-truth sensor/val --out metrics.json[/bold]
    """
    _run("argoverse2-detection", "score_argoverse2", predictions, ground_truth, out, details=details)


def _score_waymo(task: str, *place: Any, **how: Any) -> None:
    """Score and show; the arguments are those of :func:`geopt.score.score_waymo`."""
    _run(f"waymo-{task}", "score_waymo", task, *place, **how)


def _score(task: str, *place: Any, **how: Any) -> None:
    """Score and show; the arguments are those of :func:`geopt.score.score`."""
    _run(task, "score", task, *place, **how)


def _run(benchmark: str, function: str, *place: Any, **how: Any) -> None:
    """Call a function of :mod:`geopt.score` with the arguments and show what it found."""
    from rich.console import Console

    from geopt import score, score_tables

    with Console(stderr=True).status(f"scoring {benchmark}"):
        scored: Scored = getattr(score, function)(*place, **how)
    console = Console()
    tables = score_tables.tables(benchmark, scored.summary)
    if scored.breakdown is not None:
        tables.append(score_tables.breakdown_table(scored.breakdown))
    for table in tables:
        console.print(table, highlight=False)
    for path in scored.written:
        typer.echo(f"written: {path}")
