"""Panoptic tracking: do segments keep their label from frame to frame?"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from geopt import official
from geopt.evaluation.panoptic_quality import MATCHED, TINY, PanopticSums, dagger
from geopt.evaluation.panoptic_segments import NUM_CLASSES, NUM_THINGS, Segments

VOID = 0
"""Predicted label of points that were left out; in a track it also stands for no match."""
THINGS = slice(1, NUM_THINGS + 1)


class TrackingSums:
    """What the tracking metrics need of all frames; frames of a scene must follow each other in time.

    "Large" is a segment of more than ``min_points`` points. A switch is counted between matches, which agree in class; TQ and
    S_assoc follow an object through predicted segments of any class.
    """

    def __init__(self, min_points: int) -> None:
        self.min_points = min_points
        self.segments = PanopticSums(min_points, np.float32)
        self.switches = np.zeros(NUM_CLASSES)
        self.switched_iou = np.zeros(NUM_CLASSES)
        self.track_quality: list[float] = []
        """TQ of each true thing."""
        self.association: list[float] = []
        """Of each true thing, how well its points stay with one predicted label; S_assoc is their mean."""
        self._scene, self._name = _Scene(), ""

    def add(self, scene: str, segments: Segments) -> None:
        """Add the next frame."""
        if scene != self._name:
            self._finish_scene()
            self._name = scene
        matches = self.segments.add(segments)
        is_thing = segments.true_class[matches.true] <= NUM_THINGS
        rows, true_rows, iou = matches.predicted[is_thing], matches.true[is_thing], matches.iou[is_thing]
        matched = dict(zip(segments.true_label[true_rows].tolist(), segments.label[rows].tolist()))
        for (true_label, label), row, overlap in zip(matched.items(), true_rows, iou):
            if self._scene.matched.get(true_label, label) != label:
                self.switches[segments.true_class[row]] += 1
                self.switched_iou[segments.true_class[row]] += float(overlap)
        self._scene.matched = matched
        self._scene.follow(segments, self.min_points)

    def _finish_scene(self) -> None:
        self.track_quality += self._scene.track_quality()
        self.association += self._scene.association()
        self._scene = _Scene()

    def summary(self) -> dict[str, dict[str, Any]]:
        """PAT, TQ, PTQ, LSTQ, MOTSA and the rest of ``all``; PTQ, sPTQ and IoU of each class.

        Raises:
            ValueError: no true thing was ever large, so that there is nothing to track.
        """
        self._finish_scene()
        if not self.track_quality:
            raise ValueError(
                f"nuscenes_panoptic: no object of the ground truth has more than {self.min_points} points, so none can be "
                "tracked; lower min_instance_points"
            )
        sums = self.segments
        iou = sums.semantic_iou()
        pq = float((sums.segmentation_quality() * sums.recognition_quality())[1:].mean())
        tq, assoc = float(np.mean(self.track_quality)), float(np.mean(self.association))
        hits = np.maximum(sums.hits, TINY)
        recognition = sums.recognition_quality()
        ptq = (sums.iou - self.switches) / hits * recognition
        soft_ptq = (sums.iou - self.switched_iou) / hits * recognition
        in_truth = sums.hits + sums.missed > 0
        things = np.flatnonzero(in_truth[THINGS]) + 1
        errors, objects = (sums.false + self.switches)[things], (hits + sums.missed)[things]
        return {
            "all": {
                "PAT": 2 * pq * tq / (pq + tq) if pq + tq > 0 else float("nan"),
                "PQ": pq,
                "TQ": tq,
                "PTQ": float(ptq[in_truth].mean()),
                "sPTQ": float(soft_ptq[in_truth].mean()),
                "LSTQ": float(np.sqrt(assoc * iou[1:].mean())),
                "mIoU": float(iou[1:].mean()),
                "S_assoc": assoc,
                "MOTSA": float(((sums.hits[things] - errors) / objects).mean()),
                "sMOTSA": float(((sums.iou[things] - errors) / objects).mean()),
                "MOTSP": float((sums.iou / hits)[things].mean()),
                "PTQ_dagger": dagger(ptq, iou),
            },
            **{
                name: {"PTQ": float(ptq[c]), "sPTQ": float(soft_ptq[c]), "IoU": float(iou[c])}
                for c, name in enumerate(official.class_map("lidarseg").classes)
            },
        }


class _Scene:
    """Tracks of true things through one scene."""

    def __init__(self) -> None:
        self.matched: dict[int, int] = {}
        """Predicted label of each true thing that was matched, class and all, in the last frame."""
        self.seen: defaultdict[int, int] = defaultdict(int)
        """Frames in which a predicted segment was large."""
        self.size: defaultdict[int, int] = defaultdict(int)
        """Points of each predicted thing, over the frames in which it was large."""
        self.true_size: defaultdict[int, int] = defaultdict(int)
        """Points of each true thing, over the frames in which it was large."""
        self.shared: defaultdict[tuple[int, int], int] = defaultdict(int)
        """Points of (true thing, predicted label), over the frames in which the true one was large."""
        self.track: defaultdict[int, list[int]] = defaultdict(list)
        """For each frame in which a true thing was large, the predicted label that covers it, or VOID."""

    def follow(self, segments: Segments, min_points: int) -> None:
        large = segments.points > min_points
        for label in segments.label[large].tolist():
            self.seen[label] += 1
        thing = large & (segments.predicted_class >= 1) & (segments.predicted_class <= NUM_THINGS)
        for label, points in zip(segments.label[thing].tolist(), segments.points[thing].tolist()):
            self.size[label] += points

        true_large = (segments.true_points > min_points) & (segments.true_class <= NUM_THINGS)
        for label, points in zip(segments.true_label[true_large].tolist(), segments.true_points[true_large].tolist()):
            self.true_size[label] += points
        pairs = true_large[segments.pair_true]
        true_labels = segments.true_label[segments.pair_true[pairs]].tolist()
        labels = segments.label[segments.pair[pairs]].tolist()
        for true_label, label, points in zip(true_labels, labels, segments.pair_points[pairs].tolist()):
            self.shared[true_label, label] += points

        covering = pairs & (segments.iou(np.float32) > MATCHED)
        cover = np.full(len(segments.true_label), VOID)
        cover[segments.pair_true[covering]] = segments.label[segments.pair[covering]]
        for true_label, label in zip(segments.true_label[true_large].tolist(), cover[true_large].tolist()):
            self.track[true_label].append(label)

    def track_quality(self) -> list[float]:
        return [float(np.sqrt(self._kept(labels) * _steady(labels))) for labels in self.track.values()]

    def _kept(self, labels: list[int]) -> float:
        """How much of a track is covered by predicted labels that cover nothing else."""
        total = 0.0
        for label in set(labels) - {VOID}:
            frames = labels.count(label)
            # A segment that is never large counts where it covers the thing, and nowhere else.
            elsewhere = self.seen[label] - frames if label in self.seen else 0
            total += frames**2 / (len(labels) + elsewhere)
        return total / len(labels)

    def association(self) -> list[float]:
        total = dict.fromkeys(self.true_size, 0.0)
        for (true_label, label), shared in self.shared.items():
            if label in self.size:
                true_size = self.true_size[true_label]
                total[true_label] += shared * (shared / (true_size + self.size[label] - shared)) / true_size
        return list(total.values())


def _steady(labels: list[int]) -> float:
    """Share of the steps of a track that neither change the label nor start without one."""
    if len(labels) == 1:
        return 1.0
    switches = sum(after != before or before == VOID for before, after in zip(labels, labels[1:]))
    return 1 - switches / (len(labels) - 1)
