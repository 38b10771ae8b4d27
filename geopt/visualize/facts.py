"""What a run is, for the top of its report."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple

from geopt.visualize.curves import number
from geopt.visualize.runs import Run

CONSTANT = {
    None: "Constant: the best predictor of the training frames that gives every token the same answer. "
    "Where it is not beaten, nothing was learned.",
    "detection": "Constant: a detector that claims, in every frame, objects where training frames have them most often. "
    "AP is near the official one, which scoring a submission gives.",
    "segmentation": "Constant: every point gets the most frequent class of the training frames.",
}
"""What the constant predictor of a task is; None is pre-training."""


class Fact(NamedTuple):
    """A name and a value."""

    name: str
    value: str
    is_wide: bool = False
    """Needs a line of its own."""


def kind(run: Run) -> str:
    """Such as ``fine-tuning for detection``."""
    return f"fine-tuning for {run.task}" if run.task else "pre-training"


def origin(run: Run) -> str:
    """Where the encoder of a fine-tuning run came from."""
    source = str(run.get("init", "none"))
    words = "from scratch" if source == "none" else f"from the encoder of {source}"
    return words + (", frozen" if run.get("freeze") else "")


def html(run: Run) -> str:
    """A list of facts, and versions below it."""
    items = [
        f"<div{' class=wide' if fact.is_wide else ''}><dt>{escape(fact.name)}</dt><dd>{escape(fact.value)}</dd></div>"
        for fact in facts(run)
    ]
    versions = " · ".join(f"{escape(str(k))} {escape(str(v))}" for k, v in run.versions.items() if v is not None)
    return (
        f'<dl class="facts">{"".join(items)}</dl>\n<p class="soft"><small>{versions or "no versions.json"}</small></p>'
    )


def facts(run: Run) -> list[Fact]:
    """All that is known, in the order in which it is shown."""
    found: dict[str, object] = {"Config": run.get("name")}
    if run.task:
        found |= {"Task": run.task, "Encoder": origin(run), "Label list": _labels(run)}
    found |= {
        **_dataset(run),
        "Seed": run.get("seed"),
        "Frames per batch": run.get("train.batch_size"),
        "Device": _device(run),
    }
    if run.task and not run.get("freeze"):
        decay = run.get("train.layer_decay", 1.0)
        found["Learning rate by layer"] = f"x {decay:g} per layer below the head" if decay < 1 else "the same for all"
    if run.task == "detection":
        found["Rare classes"] = "frames repeated" if run.get("balance") else "as they come"
    time = run.training_time()
    if time:
        found["Frames trained on"] = f"{time.frames:,.0f}"
        found["Training time"] = duration(time.seconds)
        found["Speed"] = f"{number(time.frames / time.seconds)} frames/s"
        found["Waiting for data"] = f"{100 * time.seconds_waiting / time.seconds:.1f} % of the time"
    memory = run.curve("peak_memory_mb").finite.values
    if len(memory):
        found["Peak memory"] = f"{memory.max():,.0f} MiB"
    listed = [Fact(name, str(value)) for name, value in found.items() if value not in (None, "")]
    if run.task == "detection":
        listed.append(Fact("Pasted objects", _pasted(run), is_wide=True))
    return listed


def duration(seconds: float) -> str:
    """Such as ``3 min 20 s``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _labels(run: Run) -> str:
    name = str(run.get("data.label_fraction", "all"))
    kept, there = run.labels.get("frames"), run.labels.get("frames_there")
    return name + (f": {kept:,} of {there:,} frames" if kept is not None and there is not None else "")


def _pasted(run: Run) -> str:
    wanted = run.get("paste.objects")
    counts = {name: count for name, count in wanted.items() if count} if isinstance(wanted, Mapping) else {}
    if not counts:
        return "none"
    listed = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in counts.items())
    fade_out = 100 * float(run.get("paste.fade_out", 0.0))
    return f"in a frame, its own counted: {listed}" + (
        f"; none in the last {fade_out:.3g} % of the run" if fade_out else ""
    )


def _dataset(run: Run) -> dict[str, object]:
    """What the frames are, of a mixture the name and weight of each dataset."""
    mix = run.get("data.mix")
    if mix:
        return {"Datasets": ", ".join(f"{one['name']} x {one['weight']:g}" for one in mix)}
    return {
        "Dataset": " ".join(str(v) for v in (run.get("data.packed") or run.get("data.kind"), _version(run)) if v),
        "Training frames": run.get("data.train"),
        "Validation frames": run.get("data.val"),
        "Sweeps per frame": run.get("data.num_sweeps"),
    }


def _version(run: Run) -> object:
    """Which of its versions the dataset is; nuScenes alone is told by name."""
    return run.get("data.version") if run.get("data.kind", "nuscenes") == "nuscenes" else None


def _device(run: Run) -> str | None:
    asked, gpu, machine = run.get("train.device", "auto"), run.versions.get("gpu"), run.versions.get("machine")
    return str(gpu) if gpu and asked != "cpu" else f"CPU, {machine}" if machine else None
