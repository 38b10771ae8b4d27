"""The command: ``python -m geopt.visualize.compare REAL SIMULATED --real-version v1.0-mini --out FOLDER``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from geopt import files
from geopt.data import NuScenes
from geopt.visualize.compare import pictures, tables
from geopt.visualize.compare.rows import compare
from geopt.visualize.compare.statistics import Statistics, measure


def write_comparison(
    folder: Path, real: Statistics, simulated: Statistics, names: tuple[str, str] = ("real", "simulated")
) -> list[Path]:
    """Write ``comparison.md``, ``comparison.json`` and pictures of the distributions; nothing in them is a scan.

    Returns:
        The paths.

    Raises:
        ImportError: matplotlib is not installed.
    """
    rows = compare(real, simulated)
    texts = {
        "comparison.md": tables.markdown(rows, real, simulated, names),
        "comparison.json": json.dumps(tables.as_json(rows, real, simulated, names), indent=1) + "\n",
    }
    for name, text in texts.items():
        files.replace_text(folder / name, text)
    return [*(folder / name for name in texts), *pictures.write_pictures(folder, real, simulated, names)]


def parser() -> argparse.ArgumentParser:
    """Of the words of the command."""
    made = argparse.ArgumentParser(
        prog="python -m geopt.visualize.compare",
        description="Compare the key frames of two data sets in nuScenes format: tables, distances, pictures.",
    )
    made.add_argument("real", type=Path, metavar="REAL", help="folder of the one")
    made.add_argument("simulated", type=Path, metavar="SIMULATED", help="folder of the other")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    for which in ("real", "simulated"):
        made.add_argument(f"--{which}-version", default="v1.0-mini", help="folder of its tables")
        made.add_argument(
            f"--{which}-select", default="", help="splits, scenes, slices of scenes; without it all scenes"
        )
        made.add_argument(f"--{which}-name", default=which, help="what tables and pictures call it")
        made.add_argument(f"--{which}-frame", default="", help="shown from above; without it the middle one")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Read both data sets and write tables and pictures.

    Args:
        arguments: Words of the command; None takes those of the process.
    """
    given = vars(parser().parse_args(arguments))
    measured, frames = [], []
    for which in ("real", "simulated"):
        dataset = NuScenes(given[which], given[f"{which}_version"])
        selection = given[f"{which}_select"] or "+".join(dataset.scenes)
        rows, frame = dataset.select(selection).rows, given[f"{which}_frame"]
        frames.append((dataset, dataset.row(frame) if frame else int(rows[len(rows) // 2])))
        measured.append(measure(dataset, selection, _progress(given[f"{which}_name"])))
    out, names = given["out"], (given["real_name"], given["simulated_name"])
    written = write_comparison(out, measured[0], measured[1], names)
    written.append(pictures.write_frames(out / "frames.png", frames, names))
    print((out / "comparison.md").read_text(encoding="utf-8"), *written, sep="\n")


def _progress(name: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if sys.stderr.isatty() or done == total:  # a log gets the last line alone
            end = "\n" if done == total else "\r"
            print(f"{name}: {done} of {total} key frames", end=end, file=sys.stderr, flush=True)

    return show
