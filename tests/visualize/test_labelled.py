"""Points and boxes of a class have one colour, legible on any page."""

import itertools

import numpy as np
import pytest

from geopt.official import class_map
from geopt.visualize import bev, colors, labelled
from geopt.visualize.labelled import DrawnBoxes

LIDARSEG = class_map("lidarseg").classes
NOTHING = DrawnBoxes(np.zeros((0, 9)), ())


def box(x: float, y: float, name: str, yaw: float = 0.0, score: float | None = None) -> DrawnBoxes:
    geometry = np.array([[x, y, 0.0, 4.0, 2.0, 1.5, yaw, 0.0, 0.0]])
    return DrawnBoxes(geometry, (name,), None if score is None else np.array([score]))


def joined(*parts: DrawnBoxes) -> DrawnBoxes:
    scores = [s for part in parts for s in (() if part.scores is None else part.scores)]
    names = tuple(name for part in parts for name in part.names)
    return DrawnBoxes(np.concatenate([part.geometry for part in parts]), names, np.array(scores) if scores else None)


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2."""
    level = colors.rgb([color])[0]
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def lab(color: str) -> np.ndarray:
    """CIELAB under D65."""
    level = colors.rgb([color])[0]
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
    t = xyz / [0.9505, 1.0, 1.089]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * 841 / 108 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_every_class_of_both_benchmarks_has_a_colour():
    assert set(colors.CLASSES) == set(LIDARSEG[1:])
    assert set(class_map("detection").classes) <= set(colors.CLASSES)


@pytest.mark.parametrize("color", [*colors.CLASSES.values(), *colors.VERDICTS.values(), *colors.GREYS])
def test_colours_are_legible_on_white_and_on_a_dark_page(color):
    assert contrast(color, "#ffffff") > 2.2 and contrast(color, "#14171b") > 2.2


def test_no_two_classes_look_alike():
    every = {**colors.CLASSES, "unknown": colors.UNKNOWN}
    apart = {(a, b): np.linalg.norm(lab(every[a]) - lab(every[b])) for a, b in itertools.combinations(every, 2)}
    nearest = min(apart, key=lambda pair: apart[pair])
    assert apart[nearest] > 20, f"{nearest} are {apart[nearest]:.1f} apart"


def test_labelled_points_have_the_colour_of_their_class_and_unknown_ones_are_grey():
    labels = np.arange(17, dtype=np.uint8)
    rgb = labelled.point_colors(np.zeros((17, 3)), labels, box(0, 0, "car"))  # the box does not matter
    assert np.array_equal(rgb[0], colors.rgb([colors.UNKNOWN])[0])
    for number in range(1, 17):
        assert np.array_equal(rgb[number], colors.rgb([colors.CLASSES[LIDARSEG[number]]])[0]), LIDARSEG[number]


@pytest.mark.parametrize("count", [0, 500])
def test_without_labels_points_in_a_box_have_its_colour_and_others_are_grey(count):
    rng = np.random.default_rng(0)
    xyz = rng.uniform([-8, -8, -1], [8, 8, 1], (count, 3)).astype(np.float32)
    yaw = 0.7
    boxes = joined(box(4, 3, "truck", yaw), box(-5, -5, "pedestrian"))
    rgb = labelled.point_colors(xyz, None, boxes)
    turned = (xyz[:, :2] - [4, 3]) @ np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    in_truck = (np.abs(turned) <= [2, 1]).all(axis=1) & (np.abs(xyz[:, 2]) <= 0.75)
    in_person = (np.abs(xyz[:, :2] + 5) <= [2, 1]).all(axis=1) & (np.abs(xyz[:, 2]) <= 0.75)
    assert not count or (in_truck.any() and in_person.any())
    is_truck, is_person = ((rgb == labelled.rgb_of([name])).all(axis=1) for name in ("truck", "pedestrian"))
    assert np.array_equal(is_truck, in_truck) and np.array_equal(is_person, in_person)
    low, high = colors.rgb(colors.GREYS)
    rest = rgb[~in_truck & ~in_person]
    assert ((rest >= low - 1e-9) & (rest <= high + 1e-9)).all()


def test_a_class_without_a_colour_is_grey():
    assert labelled.colors_of(["animal", "car"]) == [colors.UNKNOWN, colors.CLASSES["car"]]


def test_greys_rise_with_height_and_survive_nan():
    rgb = labelled.point_colors([[0, 0, 0.0], [0, 0, 1.0], [0, 0, 2.0], [0, 0, np.nan]], None, NOTHING)
    assert (np.diff(rgb[:3], axis=0) > 0).all()
    assert np.array_equal(rgb[3], colors.rgb(colors.GREYS)[0])


@pytest.mark.parametrize(
    ("labels", "message"),
    [([1, 2], r"labels must have shape \(3,\), got \(2,\)"), ([0, 1, 17], r"labels must be 0 to 16, got 0 to 17")],
)
def test_labels_that_do_not_fit_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        labelled.point_colors(np.zeros((3, 3)), np.array(labels), NOTHING)


def test_a_legend_lists_the_classes_that_occur_once_each():
    rgb = labelled.label_colors([0, LIDARSEG.index("vegetation"), LIDARSEG.index("car")] * 4, LIDARSEG)
    assert labelled.classes_in(rgb) == ("car", "vegetation")
    assert labelled.classes_in(np.zeros((0, 3))) == ()
    assert labelled.in_order(["vegetation", "truck", "own class", "car", "car"]) == (
        "car",
        "truck",
        "vegetation",
        "own class",
    )


# Drawing.


def panel() -> bev.Panel:
    pytest.importorskip("matplotlib")
    _, (made,) = bev.panels((-10, -10), (10, 10))
    return made


def test_stronger_lines_for_higher_scores_and_the_best_on_top():
    made = panel()
    labelled.draw_boxes(made, joined(box(0, 0, "car", score=0.9), box(5, 5, "bus", score=0.2)))
    (lines,) = made.axes.collections
    rgba, widths = lines.get_colors(), lines.get_linewidths()
    assert len(rgba) == 4  # outline and heading of each
    assert np.allclose(rgba[0, :3], labelled.rgb_of(["bus"])) and np.allclose(rgba[2, :3], labelled.rgb_of(["car"]))
    assert rgba[0, 3] < rgba[2, 3] < 1 and widths[0] < widths[2]
    assert np.asarray(lines.get_paths()[0].vertices).min(axis=0).tolist() == [4, 3]  # y, x of the bus


def test_no_boxes_draw_nothing():
    made = panel()
    labelled.draw_boxes(made, NOTHING)
    labelled.draw_truth(made, NOTHING.geometry)
    assert len(made.axes.collections) == 0


def pixels_of(path, color: str) -> int:
    image = pytest.importorskip("PIL.Image")
    pixels = np.asarray(image.open(path).convert("RGBA")).astype(int)
    near = np.abs(pixels[..., :3] - np.rint(255 * colors.rgb([color])[0])).sum(axis=2) < 24
    return int((near & (pixels[..., 3] > 200)).sum())


@pytest.mark.parametrize("frame", ["ego", "lidar"])
def test_a_picture_shows_points_and_boxes_of_its_classes_alone(tmp_path, frame):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    xyz = rng.uniform(-18, 18, (400, 3))
    labels = np.full(400, LIDARSEG.index("vegetation"))
    boxes = box(3, 3, "traffic_cone", score=1.0)
    rgb = labelled.point_colors(xyz, labels, boxes)
    path = labelled.save_bev(tmp_path / "a.png", xyz, rgb, boxes, frame=frame, title="scene-0001/2")
    assert path == tmp_path / "a.png"
    for name in ("vegetation", "traffic_cone"):
        assert pixels_of(path, colors.CLASSES[name]) > 100, name
    for name in ("car", "trailer", "manmade"):
        assert pixels_of(path, colors.CLASSES[name]) == 0, name


def test_true_boxes_are_drawn_and_named_when_given(tmp_path):
    pytest.importorskip("matplotlib")
    xyz = np.zeros((0, 3))
    rgb = labelled.point_colors(xyz, None, NOTHING)
    common = {"frame": "ego", "title": "a", "lower": (-5, -5), "upper": (5, 5)}
    without = labelled.save_bev(tmp_path / "a.png", xyz, rgb, NOTHING, **common)
    given = labelled.save_bev(tmp_path / "b.png", xyz, rgb, NOTHING, truth=box(0, 0, "car"), **common)
    assert pixels_of(given, colors.INK) > pixels_of(without, colors.INK) + 200
    assert pixels_of(given, colors.CLASSES["car"]) == 0


def test_the_legend_lies_below_the_panel_and_inside_the_picture():
    pytest.importorskip("matplotlib")
    names = tuple(colors.CLASSES)
    figure, (made,) = labelled.with_legend(
        (-10, -10), (10, 10), names, [(colors.INK, "true box")], frame="ego", titles=("a",), width_px=1000
    )
    bev.png(figure)  # lays out
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [n.replace("_", " ") for n in names] + ["true box"]
    place, below = legend.get_window_extent(), made.axes.xaxis.label.get_window_extent()
    assert place.y0 >= 0 and place.y1 <= below.y0
    assert place.x0 >= 0 and place.x1 <= figure.bbox.width
