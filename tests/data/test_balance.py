import numpy as np
import pytest

from geopt.data.balance import balanced

PRESENCE = np.array([[1, 0], [1, 0], [1, 0], [1, 0], [1, 1], [0, 0]], dtype=bool)


def test_every_class_draws_the_same_number_of_frames():
    drawn = balanced(PRESENCE, np.random.default_rng(0))
    # 5 frames with the first class and 1 with the second: each draws 3, the frame without any comes once
    assert np.count_nonzero(drawn == 5) == 1
    assert np.count_nonzero(drawn == 4) >= 3
    assert len(drawn) == 7


def test_a_class_repeats_all_its_frames_before_one_comes_again():
    presence = np.zeros((7, 2), dtype=bool)
    presence[:, 0] = True
    presence[:2, 1] = True  # 9 places, 2 classes: 4 frames of each (half to even)
    drawn = balanced(presence, np.random.default_rng(1))
    assert {np.count_nonzero(drawn == row) - 2 for row in (0, 1)} <= {0, 1}


def test_classes_that_no_frame_holds_change_nothing():
    wide = np.concatenate([PRESENCE, np.zeros((6, 3), dtype=bool)], axis=1)
    assert np.array_equal(balanced(wide, np.random.default_rng(2)), balanced(PRESENCE, np.random.default_rng(2)))


def test_frames_without_any_class_are_refused():
    with pytest.raises(ValueError, match="balance=false"):
        balanced(np.zeros((3, 2), dtype=bool), np.random.default_rng(0))
