import logging

import pytest

from geopt import official
from geopt.data.splits import KeyFrameRange, resolve

SPLITS = {"train": ["scene-0001", "scene-0002", "scene-0003"], "val": ["scene-0004"]}
THERE = {"scene-0001": 40, "scene-0002": 39, "scene-0523": 40}


def ranges(selection):
    return resolve(selection, SPLITS, THERE, "/data/v1.0-mini")


def test_slices_count_as_in_python():
    assert ranges("scene-0523[:30]") == [KeyFrameRange("scene-0523", 0, 30)]
    assert ranges("scene-0523[30:]") == [KeyFrameRange("scene-0523", 30, 40)]
    assert ranges("scene-0523[5:-5]") == [KeyFrameRange("scene-0523", 5, 35)]
    assert ranges("scene-0523[-3:99]") == [KeyFrameRange("scene-0523", 37, 40)]
    assert ranges("scene-0523[:]") == ranges("scene-0523") == [KeyFrameRange("scene-0523", 0, 40)]


@pytest.mark.parametrize(
    "selection", ["scene-0523[:30],scene-0002", "scene-0523[:30]+scene-0002", " scene-0523[:30] , scene-0002 "]
)
def test_parts_join_by_comma_or_plus(selection):
    assert ranges(selection) == [KeyFrameRange("scene-0523", 0, 30), KeyFrameRange("scene-0002", 0, 39)]


@pytest.mark.parametrize(
    "selection", ["", ",", "scene-0523[3]", "scene-0523[::2]", "scene-0523[:30", "[:3]", "a[1:2][3:4]"]
)
def test_what_is_no_selection_is_refused(selection):
    with pytest.raises(ValueError, match=r"selection must be splits, scenes or slices like scene-0001\[:30\]"):
        ranges(selection)


@pytest.mark.parametrize("selection", ["scene-0523[40:]", "scene-0523[9:9]", "scene-0523[20:10]"])
def test_an_empty_slice_is_refused_with_the_length(selection):
    with pytest.raises(ValueError, match=r"selects nothing, scene-0523 has 40 key frames"):
        ranges(selection)


def test_a_slice_of_a_split_is_refused():
    with pytest.raises(ValueError, match=r"a slice belongs to a scene, got 'train\[:3\]'; train is a split"):
        ranges("train[:3]")


def test_nearest_known_name_is_offered():
    with pytest.raises(ValueError, match=r"'trian' is neither a split nor a scene; did you mean train"):
        ranges("trian")
    with pytest.raises(
        ValueError, match=r"'scene-523' is neither .*did you mean scene-0523.*has scene-0001, scene-0002"
    ):
        ranges("scene-523")
    with pytest.raises(ValueError, match=r"'scene-0004' is an official scene that is not there"):
        ranges("scene-0004")


def test_a_split_without_any_scene_there_lists_what_is():
    with pytest.raises(
        ValueError, match=r"none of the 1 scenes of split 'val' is in /data/v1.0-mini, which has scene-0001"
    ):
        ranges("val")


def test_a_split_that_is_partly_there_is_counted_once(caplog):
    with caplog.at_level(logging.WARNING):
        first = resolve("train", SPLITS, THERE, "/elsewhere")
        assert resolve("train", SPLITS, THERE, "/elsewhere") == first
    assert [part.scene for part in first] == ["scene-0001", "scene-0002"]
    messages = [record.getMessage() for record in caplog.records]
    assert messages == ["2 of the 3 scenes of split 'train' are in /elsewhere; using those"]


@pytest.mark.parametrize("selection", ["scene-0523[:10],scene-0523[9:]", "train,scene-0001", "scene-0002+scene-0002"])
def test_a_key_frame_named_twice_is_refused(selection):
    with pytest.raises(ValueError, match=r"is named twice in"):
        ranges(selection)


def test_official_splits_have_the_published_sizes():
    sizes = {name: len(set(scenes)) for name, scenes in official.splits().items()}
    assert sizes == {
        "train": 700, "val": 150, "test": 150, "mini_train": 8, "mini_val": 2, "train_detect": 350, "train_track": 350
    }  # fmt: skip
    splits = official.splits()
    assert len({*splits["train"], *splits["val"], *splits["test"]}) == 1000
    assert {*splits["train_detect"], *splits["train_track"]} == set(splits["train"])
    assert splits["mini_val"] == ("scene-0103", "scene-0916")
    assert set(splits["mini_train"] + splits["mini_val"]) <= set(splits["train"] + splits["val"])
