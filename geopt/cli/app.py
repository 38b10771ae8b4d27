"""The command that all others hang on."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import typer.core

import geopt

ORDER = (
    "info",
    "simulate",
    "inspect",
    "pack",
    "pretrain",
    "finetune",
    "predict",
    "probe",
    "score",
    "splits",
    "bench",
    "demo",
)


class _InOrder(typer.core.TyperGroup):
    """Lists the commands as one comes to need them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


app = typer.Typer(
    cls=_InOrder,
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
