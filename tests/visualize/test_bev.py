"""Pictures from above show things where they are."""

import io

import numpy as np
import pytest
import torch

from geopt.structures import Boxes, PointBatch
from geopt.visualize import bev, colors, pictures, squares, views

pytest.importorskip("matplotlib")
image = pytest.importorskip("PIL.Image")

LOWER, UPPER = (-10.0, -10.0), (10.0, 10.0)


def centers_of(figure, rgb: str) -> np.ndarray:
    """Mean (column, row) in pixels of what is drawn in about this colour, relative to the middle of the ego mark."""
    pixels = np.asarray(image.open(io.BytesIO(bev.png(figure))).convert("RGBA")).astype(int)
    near = (np.abs(pixels[..., :3] - np.array([int(rgb[i : i + 2], 16) for i in (1, 3, 5)])).sum(axis=2) < 24) & (
        pixels[..., 3] > 200
    )
    rows, columns = np.nonzero(near)
    assert len(rows), "nothing is drawn in this colour"
    return np.array([columns.mean(), rows.mean()])


def where(panel: bev.Panel, figure, x: float, y: float) -> np.ndarray:
    """(column, row) in pixels of a place on the ground."""
    column, row = panel.axes.transData.transform(panel.flat([[x, y]]))[0]
    return np.array([column, figure.bbox.height - row])


@pytest.mark.parametrize(("frame", "ahead"), [("ego", (8.0, 0.0)), ("lidar", (0.0, 8.0))])
def test_forward_is_up(frame, ahead):
    figure, (panel,) = bev.panels(LOWER, UPPER, frame=frame)
    column, row = where(panel, figure, *ahead)
    middle = where(panel, figure, 0.0, 0.0)
    assert column == pytest.approx(middle[0]) and row < middle[1]


@pytest.mark.parametrize(("frame", "left"), [("ego", (0.0, 8.0)), ("lidar", (-8.0, 0.0))])
def test_left_is_left(frame, left):
    figure, (panel,) = bev.panels(LOWER, UPPER, frame=frame)
    column, row = where(panel, figure, *left)
    middle = where(panel, figure, 0.0, 0.0)
    assert row == pytest.approx(middle[1]) and column < middle[0]


@pytest.mark.parametrize("frame", ["ego", "lidar"])
def test_a_metre_is_as_long_on_both_axes(frame):
    figure, (panel,) = bev.panels((-20.0, -5.0), (10.0, 5.0), frame=frame)
    middle = where(panel, figure, 0, 0)
    x, y = (np.linalg.norm(where(panel, figure, *to) - middle) for to in ((1, 0), (0, 1)))
    assert x == pytest.approx(y, rel=0.01) and x == pytest.approx(panel.pixels_per_m, rel=0.01)


@pytest.mark.parametrize("frame", ["ego", "lidar"])
def test_tokens_and_cells_lie_where_points_lie(frame):
    place = (4.5, -2.5)
    index = [[14, 7, 0]]  # of 1 m squares from (-10, -10)
    figure, (panel,) = bev.panels(LOWER, UPPER, frame=frame)
    squares.draw_tokens(panel, index, [True], [-10, -10, 0], [1, 1, 1])
    assert np.abs(centers_of(figure, colors.TOKENS["hidden"]) - where(panel, figure, *place)).max() < 1.5
    figure, (panel,) = bev.panels(LOWER, UPPER, frame=frame)
    squares.draw_cells(panel, [[*place, 0.5]], [1, 1, 1], [True], [False], [-10, -10, 0])
    assert np.abs(centers_of(figure, colors.CELLS["missed"]) - where(panel, figure, *place)).max() < 1.5
    figure, (panel,) = bev.panels(LOWER, UPPER, frame=frame)
    bev.draw_points(panel, [[*place, 0.0]], height_range=(0, 1), size_px=20)
    assert np.abs(centers_of(figure, colors.HEIGHT[0]) - where(panel, figure, *place)).max() < 1.5


def test_a_column_is_found_when_truth_and_prediction_meet_at_any_height():
    figure, (panel,) = bev.panels(LOWER, UPPER)
    centers = [[0.5, 0.5, 0.5], [0.5, 0.5, 1.5], [5.5, 5.5, 0.5], [-5.5, 5.5, 0.5]]
    truth, predicted = [True, False, True, False], [False, True, False, True]
    squares.draw_cells(panel, centers, [1, 1, 1], truth, predicted, [-10, -10, 0])
    for kind, place in (("found", (0.5, 0.5)), ("missed", (5.5, 5.5)), ("invented", (-5.5, 5.5))):
        # the mark at the origin covers a corner of the first square
        assert np.abs(centers_of(figure, colors.CELLS[kind]) - where(panel, figure, *place)).max() < 4


def test_the_highest_of_points_on_one_pixel_is_seen():
    figure, (panel,) = bev.panels(LOWER, UPPER)
    bev.draw_points(panel, [[5, 5, 1.0], [5, 5, 0.0], [5, 5, 0.5]], height_range=(0, 1), size_px=20)
    assert np.abs(centers_of(figure, colors.HEIGHT[-1]) - where(panel, figure, 5, 5)).max() < 1.5


def test_points_outside_and_undefined_are_left_out():
    figure, (panel,) = bev.panels(LOWER, UPPER)
    bev.draw_points(panel, [[50, 0, 1], [np.nan, 0, 1], [0, np.inf, 1], [5, 5, 0.0]], height_range=(0, 1), size_px=20)
    assert np.abs(centers_of(figure, colors.HEIGHT[0]) - where(panel, figure, 5, 5)).max() < 1.5
    assert panel.axes.get_xlim() == (10, -10) and panel.axes.get_ylim() == (-10, 10)


def test_normals_have_the_colour_of_their_axis_whatever_their_sign():
    for axis in range(3):
        for sign in (1, -1):
            figure, (panel,) = bev.panels(LOWER, UPPER)
            bev.draw_directions(panel, [[5.0, 5.0, 0.0]], sign * np.eye(3)[[axis]], 2.0)
            assert np.abs(centers_of(figure, colors.AXES[axis]) - where(panel, figure, 5, 5)).max() < 1.5


def boxes(frame: str = "ego") -> Boxes:
    geometry = torch.tensor([[5.0, 2.0, 0.0, 4.0, 2.0, 1.5, 0.0, 0.0, 0.0]], dtype=torch.float64)
    return Boxes(geometry, ("car",), ("a",), ("b",), torch.tensor([9]), frame)


def test_boxes_are_outlined_around_their_centre():
    _, (panel,) = bev.panels(LOWER, UPPER)
    bev.draw_boxes(panel, boxes())
    (lines,) = panel.axes.collections
    outline, heading = (np.asarray(path.vertices) for path in lines.get_paths())
    assert outline[:, 0].min() == 1 and outline[:, 0].max() == 3  # y: 2 m wide
    assert outline[:, 1].min() == 3 and outline[:, 1].max() == 7  # x: 4 m long
    assert heading.tolist() == [[2, 5], [2, 7]]


def test_boxes_of_another_frame_are_refused():
    _, (panel,) = bev.panels(LOWER, UPPER)
    with pytest.raises(ValueError, match="boxes must be in frame 'ego' of the panel, got 'lidar'"):
        bev.draw_boxes(panel, boxes("lidar"))


def batch(num_frames: int) -> PointBatch:
    xyz = torch.rand(10 * num_frames, 3)
    zeros = torch.zeros(len(xyz), dtype=torch.int64)
    offsets = torch.arange(num_frames + 1) * 10
    names = tuple(f"scene/{i}" for i in range(num_frames))
    return PointBatch(xyz, xyz[:, :1], offsets, zeros, torch.zeros(1, 3), names, (0,) * num_frames)


def test_save_bev_writes_a_png_of_the_asked_width(tmp_path):
    path = bev.save_bev(tmp_path / "a.png", batch(1), lower=LOWER, upper=UPPER, boxes=boxes(), width_px=500)
    assert image.open(path).size[0] == 500
    with pytest.raises(ValueError, match="points must be one frame, got a batch of 2"):
        bev.save_bev(tmp_path / "b.png", batch(2), lower=LOWER, upper=UPPER)
    assert not (tmp_path / "b.png").exists()


def test_save_strip_writes_three_panels(tmp_path, picture):
    path = pictures.save_strip(tmp_path / "strip.png", picture, width_px=1200)
    width, height = image.open(path).size
    assert width == 1200 and height > width / 3  # the grid is 32 m ahead and 16 m aside


def test_wrong_rectangle_or_frame():
    with pytest.raises(ValueError, match="upper must exceed lower on x and y"):
        bev.panels((0, 0), (0, 1))
    with pytest.raises(ValueError, match="frame must be 'ego' or 'lidar', got 'world'"):
        bev.panels(LOWER, UPPER, frame="world")


def test_columns_of_finds_negative_indices_too():
    index = np.array([[-3, -1, 0], [2, 5, 1], [-3, -1, 7], [-3, 4, 0]])
    columns, row = squares.columns_of(index)
    assert len(columns) == 3
    assert (columns[row] == index[:, :2]).all()


def test_detail_window_holds_the_wall(picture):
    window = views.Frame(picture).detail()
    assert window is not None
    (x0, y0), (x1, y1) = window
    assert x1 > 2 and x0 < 10 and y0 <= 4.5 <= y1  # the wall: x 2 to 10, y 4 to 4.3
