"""Ways to spoil a submission of detections that the official code refuses, and odd ones that it takes.

Each gets the submission as a dict, its sample tokens and the row of a sample with boxes, and returns a dict, or text.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

Submission = dict[str, Any]
NAN, INF = float("nan"), float("inf")


def box(**changes: Any) -> Callable[[Submission, str], Submission]:
    """Give the third box of a sample other values."""
    return lambda submission, token: _edit(submission, token, lambda third: third.update(changes))


def without(key: str) -> Callable[[Submission, str], Submission]:
    return lambda submission, token: _edit(submission, token, lambda third: third.pop(key))


def everywhere(step: int = 1, /, **changes: Any) -> Callable[[Submission, str], Submission]:
    """Give every box, or every ``step``-th of a sample, other values."""

    def spoil(submission: Submission, token: str) -> Submission:
        spoiled = copy.deepcopy(submission)
        for boxes in spoiled["results"].values():
            for each in boxes[::step]:
                each.update(changes)
        return spoiled

    return spoil


def results(change: Callable[[dict[str, Any], str], Any]) -> Callable[[Submission, str], Submission]:
    """Change the samples in place."""

    def spoil(submission: Submission, token: str) -> Submission:
        spoiled = copy.deepcopy(submission)
        change(spoiled["results"], token)
        return spoiled

    return spoil


def text(change: Callable[[str], str]) -> Callable[[Submission, str], str]:
    return lambda submission, token: change(json.dumps(submission))


def _edit(submission: Submission, token: str, change: Callable[[dict[str, Any]], Any]) -> Submission:
    spoiled = copy.deepcopy(submission)
    change(spoiled["results"][token][2])
    return spoiled


def _twice(whole: str) -> str:
    """The first sample with nonsense before its boxes: the last of equal keys counts."""
    begin, (first, *_) = '"results": {', json.loads(whole)["results"]
    return whole.replace(begin, f'{begin}"{first}": [{{"no": ["box"]}}], ', 1)


REFUSED_BOX = {
    **{f"no {key}": without(key) for key in ("sample_token", "translation", "size", "rotation", "velocity")},
    **{f"no {key}": without(key) for key in ("detection_name", "attribute_name")},
    "NaN translation": box(translation=[1, NAN, 2]),
    "NaN size": box(size=[NAN, 1, 2]),
    "NaN rotation": box(rotation=[1, 0, 0, NAN]),
    "NaN score": box(detection_score=NAN),
    "NaN as text": box(detection_score="nan"),
    "two numbers of translation": box(translation=[1, 2]),
    "five numbers of rotation": box(rotation=[1, 0, 0, 0, 0]),
    "three numbers of velocity": box(velocity=[1, 0, 0]),
    "no list of size": box(size=3.0),
    "null size": box(size=None),
    "text in translation": box(translation=["1", "2", "3"]),
    "null in translation": box(translation=[1, None, 3]),
    "a huge integer": box(translation=[10**40, 0, 0]),
    "score no number": box(detection_score="high"),
    "null score": box(detection_score=None),
    "a list as score": box(detection_score=[0.5]),
    "a huge integer as score": box(detection_score=10**400),
    "unknown class": box(detection_name="tram"),
    "category for class": box(detection_name="vehicle.car"),
    "null class": box(detection_name=None),
    "unknown attribute": box(attribute_name="car.flying"),
    "null attribute": box(attribute_name=None),
    "number as sample token": box(sample_token=7),
    "number of points no number": box(num_pts="many"),
    "NaN points": box(num_pts=NAN),
    "null points": box(num_pts=None),
    "short ego_translation": box(ego_translation=[0, 0]),
    "NaN ego_translation": box(ego_translation=[0, 0, NAN]),
}
"""Messages name the sample and box 2."""

REFUSED = {
    **REFUSED_BOX,
    "a box that is a list": results(lambda samples, token: samples[token].insert(2, [1, 2])),
    "a sample that is null": results(lambda samples, token: samples.update({token: None})),
    "a sample that is one box": results(lambda samples, token: samples.update({token: samples[token][0]})),
    "a sample missing": results(lambda samples, token: samples.pop(token)),
    "a sample too many": results(lambda samples, token: samples.update({"0" * 32: []})),
    "501 boxes": results(lambda samples, token: samples.update({token: 501 * samples[token][:1]})),
    "no box": results(lambda samples, token: samples.update({key: [] for key in samples})),
    "no results": lambda submission, token: {"meta": submission["meta"]},
    "no meta": lambda submission, token: {"results": submission["results"]},
    "null meta": lambda submission, token: submission | {"meta": None},
    "results a list": lambda submission, token: submission | {"results": []},
    "a list": lambda submission, token: [submission],
    "negative scores": everywhere(detection_score=-0.1),
    "no score": everywhere(detection_score=-1.0),
    "flat boxes": everywhere(size=[1.0, 0.0, 1.0]),
    "null velocities": everywhere(velocity=[None, None]),
    "cut short": text(lambda whole: whole[:-40]),
    "text behind the end": text(lambda whole: whole + "}"),
    "a comma too many": text(lambda whole: whole.replace("]", ",]", 1)),
    "single quotes": text(lambda whole: whole.replace('"', "'")),
    "a number with a leading zero": text(lambda whole: whole.replace('"translation": [', '"translation": [01, ', 1)),
    "minus NaN": text(lambda whole: whole.replace('"velocity": [', '"velocity": [-NaN, ', 1)),
    "a line break in text": text(lambda whole: whole.replace('"meta"', '"x": "\n", "meta"', 1)),
    "an unknown escape": text(lambda whole: whole.replace('"meta"', '"x": "\\x41", "meta"', 1)),
    "empty": text(lambda whole: ""),
}

ACCEPTED = {
    "as it is": lambda submission, token: submission,
    "500 boxes": results(lambda samples, token: samples.update({token: 500 * samples[token][:1]})),
    "an empty object for no box": results(lambda samples, token: samples.update({token: {}})),
    "empty text for no box": results(lambda samples, token: samples.update({token: ""})),
    "infinite scores": everywhere(detection_score=INF),
    "some infinite scores": everywhere(3, detection_score=INF),
    "infinite velocity": everywhere(velocity=[INF, 0]),
    "NaN velocity": everywhere(velocity=[NAN, NAN]),
    "a velocity that is no number on a box far away": box(velocity=["a", None], translation=[-9e4, 0, 0]),
    "a flat box far away": box(size=[0, 0, 0], translation=[-9e4, 0, 0]),
    "an infinite place": box(translation=[INF, 0, 0]),
    "a score as text": box(detection_score=" 0.5 "),
    "a score that is true": box(detection_score=True),
    "a box that no point is in": box(num_pts=0),
    "a box that half a point is in": box(num_pts=0.5),
    "another sample's box": lambda submission, token: box(sample_token=list(submission["results"])[-1])(
        submission, token
    ),
    "nobody's box": box(sample_token="nobody"),
    "a rotation of zeros": box(rotation=[0, 0, 0, 0]),
    "a list as meta": lambda submission, token: submission | {"meta": []},
    "a sample twice": text(lambda whole: _twice(whole)),
    "unknown keys": lambda submission, token: box(more={"a": [1, {"b": None}]})(submission, token) | {"more": 1},
    "results twice": text(lambda whole: '{"results": {"x": [{"y": 1}]}, ' + whole[1:]),
    "white space": text(lambda whole: whole.replace(", ", " ,\r\n\t") + "\n "),
    "escapes": text(lambda whole: whole.replace('"meta"', '"\\u006d\\u0065ta"').replace('"car"', '"c\\u0061r"')),
    "other languages": text(
        lambda whole: whole.replace('"meta"', '"Größe \U0001f600": "\\ud83d\\ude00 \\ud800", "meta"', 1)
    ),
}
