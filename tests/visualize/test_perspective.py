"""The camera sees what is before it, where it is, nearer things first."""

import io

import numpy as np
import pytest
import torch
from nuscenes_folder import write_nuscenes

from geopt import ops
from geopt.visualize import colors
from geopt.visualize.labelled import DrawnBoxes
from geopt.visualize.perspective import EDGES, Camera, corners, main, save_view

pytest.importorskip("matplotlib")
image = pytest.importorskip("PIL.Image")

LEVEL = Camera((0.0, 0.0, 2.0), (10.0, 0.0, 2.0), 90.0)
NONE = DrawnBoxes(np.zeros((0, 9)), ())


def test_what_is_left_is_left_and_what_is_above_is_above():
    column, row, depth = LEVEL.seen(
        [[10.0, 0.0, 2.0], [10.0, 5.0, 2.0], [10.0, 0.0, 7.0], [20.0, -20.0, 2.0]], 800, 400
    ).T
    assert column == pytest.approx([400, 200, 400, 800])  # 90 degrees across: at 45 degrees lies the edge
    assert row == pytest.approx([200, 200, 0, 200])
    assert depth == pytest.approx([10, 10, 10, 20])


def test_the_target_is_in_the_middle():
    camera = Camera((-22.0, 6.0, 17.0), (9.0, -1.0, 0.5))
    column, row, depth = camera.seen([camera.target], 1000, 500)[0]
    assert (column, row) == pytest.approx((500, 250)) and depth == pytest.approx(np.linalg.norm([31, 7, 16.5]))
    assert camera.axes @ camera.axes.T == pytest.approx(np.eye(3)) and np.linalg.det(camera.axes) == pytest.approx(1)


def test_corners_lie_on_the_faces_and_the_last_four_ahead():
    box = np.array([[3.0, -2.0, 1.0, 4.0, 2.0, 1.5, 0.7, 0.0, 0.0]])
    eight = corners(box)[0]
    inner, outer = (torch.tensor(box[0, :3] + f * (eight - box[0, :3]), dtype=torch.float32) for f in (0.999, 1.001))
    held = torch.tensor(box[:, :7])
    assert (ops.points_in_boxes(inner, held) == 0).all() and (ops.points_in_boxes(outer, held) == -1).all()
    ahead = (eight - box[0, :3])[:, :2] @ [np.cos(0.7), np.sin(0.7)]
    assert ahead == pytest.approx([-2] * 4 + [2] * 4)
    lengths = sorted(np.linalg.norm(eight[a] - eight[b]) for a, b in EDGES)
    assert lengths == pytest.approx([1.5] * 4 + [2] * 4 + [4] * 4)


def pixels(path) -> np.ndarray:
    return np.asarray(image.open(io.BytesIO(path.read_bytes())).convert("RGBA")).astype(int)


def test_nearer_points_hide_farther_ones_and_none_is_seen_behind(tmp_path):
    xyz = [[5.0, 0.0, 2.0], [50.0, 0.0, 2.0], [-5.0, 0.0, 2.0], [-5.0, 2.0, 2.0]]
    rgb = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    picture = pixels(save_view(tmp_path / "view.png", xyz, rgb, NONE, LEVEL, size_px=(400, 200)))
    assert picture.shape == (200, 400, 4)
    assert picture[100, 200, 0] > 200 and picture[100, 200, 1] < 60
    drawn = picture[picture[..., 3] > 128]
    assert len(drawn) and (drawn[:, 2] < 60).all() and picture[0, 0, 3] == 0


def test_boxes_have_the_colours_of_their_classes_unless_they_reach_behind(tmp_path):
    boxes = DrawnBoxes(np.array([[12.0, 0, 2, 4, 2, 2, 0, 0, 0], [0.0, 0, 2, 4, 2, 2, 0, 0, 0]]), ("car", "bus"))
    picture = pixels(
        save_view(tmp_path / "view.png", np.zeros((0, 3)), np.zeros((0, 3)), boxes, LEVEL, size_px=(400, 200))
    )
    car = [int(colors.CLASSES["car"][k : k + 2], 16) for k in (1, 3, 5)]
    drawn = picture[picture[..., 3] > 200][:, :3]
    assert len(drawn) > 30 and np.abs(drawn - car).sum(axis=1).max() < 60


def test_the_command_shows_a_key_frame(tmp_path, capsys):
    root = write_nuscenes(tmp_path / "data")
    main([str(root), "scene-0061/2", str(tmp_path / "view.png"), "--size", "300", "200"])
    assert pixels(tmp_path / "view.png").shape == (200, 300, 4) and "view.png" in capsys.readouterr().out
    (root / "v1.0-mini" / "lidarseg.json").unlink()
    main([str(root), "scene-0061/2", str(tmp_path / "boxes.png"), "--size", "300", "200"])
    assert (tmp_path / "boxes.png").read_bytes() != (tmp_path / "view.png").read_bytes()
