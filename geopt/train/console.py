"""What a run prints: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

FIRST = ("val/map", "val/miou", "val/accuracy")
"""Metrics that a run is judged by."""
LINE_EVERY_S = 10.0
"""Without a terminal, at most one line in this time."""


class RunConsole:
    """Progress of a run on standard error; silent unless ``active``."""

    def __init__(self, total: int, done: int, active: bool) -> None:
        self.console = Console(stderr=True, quiet=not active)
        self._total, self._done_before = total, done
        self._start = time.monotonic()
        self._last_line = 0.0
        self._bar: Progress | None = None
        if active and self.console.is_terminal:
            self._bar = Progress(
                BarColumn(),  # the one that gives way: all others fit into 80 columns
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                TextColumn("{task.fields[numbers]}"),
                TimeRemainingColumn(table_column=Column(no_wrap=True)),
                TextColumn("left"),
                console=self.console,
                speed_estimate_period=300,  # steps of a large model take seconds
            )
            self._task = self._bar.add_task("training", total=total, completed=done, numbers="")
            self._bar.start()

    def say(self, text: str) -> None:
        """A line of its own, above the bar if there is one."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def step(self, step: int) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def row(self, row: Mapping[str, Any]) -> None:
        """Show a training row of metrics.jsonl."""
        numbers = (
            f"loss {row['loss']:.4f}  {row['frames_per_s']:.1f} frames/s  "
            f"data wait {row['data_wait_share']:.0%}  {row['peak_memory_mb']:.0f} MB"
        )
        if self._bar is not None:
            self._bar.update(self._task, completed=row["step"], numbers=numbers)
            return
        now, step = time.monotonic(), row["step"]
        if now - self._last_line >= LINE_EVERY_S or step == self._total:
            self._last_line = now
            left = (now - self._start) / max(1, step - self._done_before) * (self._total - step)
            self.say(f"step {step}/{self._total}  {numbers}  lr {row['lr']:.2e}  {_duration(left)} left")

    def validation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Show the metrics that have a constant predictor, the main one first and at their finest level; those that are
        undefined, because a class does not occur, by name alone."""
        names = [name.removesuffix("_baseline") for name in metrics if name.endswith("_baseline")]
        shown = [name for name in sorted(names, key=_place_of) if "_level" not in name]
        undefined = [name for name in shown if math.isnan(metrics[name])]
        shown = [name for name in shown if name not in undefined]
        self.say(f"step {step}/{self._total}  validation" + (", beside the best constant predictor" if shown else ""))
        width = max((len(name) for name in shown), default=0) - len("val/")
        for name in shown:
            constant = metrics[name + "_baseline"]
            beside = f"{'absent' if math.isnan(constant) else format(constant, '.4g'):>9}"
            self.say(f"    {name.removeprefix('val/'):<{max(20, width)}}{metrics[name]:>9.4g}{beside}")
        if undefined:
            self.say("    undefined: " + ", ".join(name.removeprefix("val/") for name in undefined))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


def _place_of(name: str) -> int:
    """Where a metric stands in the list; those that are not named keep their order behind."""
    return FIRST.index(name) if name in FIRST else len(FIRST)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
