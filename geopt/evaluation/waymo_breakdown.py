"""The parts of the Waymo detection benchmark, sorted by class and by distance."""

from __future__ import annotations

import re

from geopt.evaluation.breakdown import Breakdown, Rows
from geopt.evaluation.waymo_config import PARTS, TYPES
from geopt.evaluation.waymo_detection import Curves, Scores


def waymo_breakdown(scores: Scores, curves: Curves) -> Breakdown:
    """What :func:`waymo_detection` says by type and by range, in the form of the other benchmarks.

    Args:
        scores: Of the breakdowns ``OBJECT_TYPE`` and ``RANGE``, both of them official, at both levels.
        curves: The details that come with them.

    Returns:
        ``APH/L2``, by which the benchmark ranks, ``AP/L2``, ``APH/L1`` and ``AP/L1``; ``num_true`` of level 2, which has all objects, and
        ``num_predicted`` at the lowest cutoff, without predictions that are no error (of another level, or in a no-label
        zone). The bands are the official ones: 0-30 m, 30-50 m and 50 m on.
    """
    row_of = {name: row for row, name in enumerate(curves["breakdown_names"].tolist())}

    def rows(part: str, end: str = "") -> Rows:
        found: Rows = {}
        for kind in TYPES:
            names = {f"L{level}": f"{part}_{kind}{end}_LEVEL_{level}" for level in (2, 1)}
            metrics = {f"{key}/{at}": scores[name][key] for at, name in names.items() for key in ("APH", "AP")}
            _, _, true_positive, false_positive, false_negative = curves["precision_recall_tp_fp_fn"][
                row_of[names["L2"]], 0
            ].tolist()
            counts = {
                "num_true": int(true_positive + false_negative),
                "num_predicted": int(true_positive + false_positive),
            }
            found[kind.removeprefix("TYPE_").lower()] = metrics | counts
        return found

    return Breakdown(
        by_class=rows("OBJECT_TYPE"),
        by_range={_band_name(part): rows("RANGE", f"_{part}") for part in PARTS["RANGE"]},
    )


def _band_name(part: str) -> str:
    """ "[0, 30)" as "0-30 m"."""
    lower, upper = re.findall(r"\d+|inf", part)
    return f"{lower} m on" if upper == "inf" else f"{lower}-{upper} m"
