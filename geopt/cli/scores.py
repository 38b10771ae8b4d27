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
    from rich.console import Console

    from geopt import score

    with Console(stderr=True).status(f"scoring {predictions}"):
        scored = score.score_semantickitti(predictions, data, split, out, details=details)
    _show_scored("semantickitti-segmentation", scored)


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
    _show_scored(f"waymo-{task}", scored)


def _show_scored(benchmark: str, scored: Scored) -> None:
    from rich.console import Console

    from geopt import score

    console = Console()
    tables = score.tables(benchmark, scored.summary)
    if scored.breakdown is not None:
        tables.append(score.breakdown_table(scored.breakdown))
    for table in tables:
        console.print(table, highlight=False)
    for path in scored.written:
        typer.echo(f"written: {path}")


def _score(benchmark: str, predictions: Path, *place: Any, **how: Any) -> None:
    """Score and show; the arguments are those of :func:`geopt.score.score`."""
    from rich.console import Console

    from geopt import score

    with Console(stderr=True).status(f"scoring {predictions}"):
        scored = score.score(benchmark, predictions, *place, **how)
    _show_scored(benchmark, scored)
