"""The report of a fine-tuning run says what was learned from what, class by class, and shows it."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from html_page import Page
from run_folders import finetuning_rows, write_finetuning_run

from geopt.models import encoder_io
from geopt.official import class_map
from geopt.train import results
from geopt.train.run_folder import RunFolder
from geopt.visualize import colors, task_pictures, views
from geopt.visualize.report import write_report

TASKS = ("detection", "segmentation")
BENCHMARK = {"detection": "detection", "segmentation": "lidarseg"}


def picture_of(task: str) -> dict[str, Any]:
    """What a detector or a segmenter leaves of a frame: three objects, or ground and a tree."""
    classes = class_map(BENCHMARK[task]).classes
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(3000, 3, generator=generator) * torch.tensor([64.0, 64.0, 1.0]) - torch.tensor(
        [32.0, 32.0, 0.5]
    )
    found: dict[str, Any] = {
        "frame": "scene-0103/4",
        "step": 400,
        "classes": classes,
        "grid_lower": torch.tensor([-32.0, -32.0, -3.0]),
        "grid_upper": torch.tensor([32.0, 32.0, 5.0]),
        "points": points,
    }
    if task == "detection":
        rows = [[20, 20, 0, 4, 2, 1.5, 0.3, 0, 0], [24, 22, 0, 4, 2, 1.5, 0, 0, 0], [-20, 5, 0, 1, 1, 1, 0, 0, 0]]
        true = torch.tensor(rows, dtype=torch.float64)
        car, cone = classes.index("car"), classes.index("traffic_cone")
        moved = true.clone()
        moved[1, 0] += 5.0  # too far to be found
        return found | {
            "boxes_true": true,
            "box_classes_true": torch.tensor([car, car, cone]),
            "boxes_predicted": moved,
            "box_classes_predicted": torch.tensor([car, car, classes.index("bus")]),
            "box_scores": torch.tensor([0.9, 0.5, 0.25]),
        }
    labels = torch.full((3000,), classes.index("driveable_surface"))
    labels[(points[:, :2] > 20).all(dim=1)] = classes.index("car")
    predicted = labels.clone()
    labels[:1000] = 0
    predicted[1000:1500] = classes.index("vegetation")
    return found | {"labels_true": labels, "labels_predicted": predicted}


@pytest.fixture(scope="module", params=TASKS)
def task(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def report(tmp_path_factory, task) -> Path:
    return write_report(write_finetuning_run(tmp_path_factory.mktemp("runs") / "run-f", task), picture_of(task))


def test_tells_task_encoder_labels_and_learning_rates(report, task):
    page = Page(report)
    assert f"<title>run-f: geopt fine-tuning for {task}</title>" in report.read_text()
    assert f"geopt fine-tuning for {task}, from the encoder of runs/pretrained. After step 400 of 400." in page.text
    assert "frames-10-seed0: 31 of 323 frames" in page.text
    assert "x 0.8 per layer below the head" in page.text
    pasted = "in a frame, its own counted: car 2, bus 4; none in the last 20 % of the run"
    assert (pasted in page.text) == (task == "detection")
    assert "pre-training" not in page.text


@pytest.mark.parametrize(("init", "words"), [("none", "from scratch, frozen"), ("a.pth", "encoder of a.pth, frozen")])
def test_tells_a_frozen_encoder_and_one_from_scratch(tmp_path, init, words):
    page = Page(write_report(write_finetuning_run(tmp_path / "a", "detection", init, freeze=True)))
    assert page.text.count(words) == 2  # in the heading and among the facts
    assert "Learning rate by layer" not in page.text  # nothing below the head learns


def test_without_counts_the_name_of_the_list_stands_alone(tmp_path):
    run = write_finetuning_run(tmp_path / "a", "segmentation")
    (run / "labels.json").unlink()
    assert re.search(r"Label list\s*frames-10-seed0\s*Dataset", Page(write_report(run)).text)


def test_the_main_number_comes_first_in_the_heading_and_in_the_table(report, task):
    text = Page(report).text
    main, lead = {
        "detection": ("val/map", "mAP 25.0 %, constant 5.00 %. 3 of 4 validation metrics are better"),
        "segmentation": ("val/miou", "mIoU 30.0 %, constant 10.0 %. 4 of 4 validation metrics are better"),
    }[task]
    assert lead in text
    table = text.split("Verdict", 1)[1]
    assert re.findall(r"val/[a-z_]+", table)[0] == main
    if task == "segmentation":  # the file has accuracy last
        assert table.index("val/accuracy") < table.index("val/iou_car")


def test_scores_are_in_percent_beside_their_constant_predictor(report, task):
    page = Page(report)
    if task == "detection":
        assert re.match(r"\s*50\.0 %\s*step 400\s*50\.0 %\s*step 400\s*10\.0 %", page.row("val/ap_car"))
        assert "better than constant by 40.0 points" in page.row("val/ap_car")
        assert "not better than constant" in page.row("val/ap_truck")  # 0 beside 0
        assert "better than constant by 0.40 points" in page.row("val/ap_traffic_cone")  # beside 0
        assert re.match(r"\s*0\.400 %\s*step 400\s*5\.00 %\s*step 200", page.row("val/ap_traffic_cone"))
        assert "AP, traffic cone" in page.text and "claims, in every frame, objects where" in page.text
    else:
        assert "better than constant by 10.0 points" in page.row("val/iou_driveable_surface")
        assert "IoU, driveable surface" in page.text and "most frequent class" in page.text


def test_absent_classes_are_named_instead_of_shown(report, task):
    page = Page(report)
    gone, kind = {"detection": ("trailer", "ap"), "segmentation": ("other flat", "iou")}[task]
    assert f"Absent from the validation frames, so without a number: {gone}." in page.text
    assert f"val/{kind}_{gone.replace(' ', '_')}" not in page.text
    assert not re.search(r"\bnan\b|undefined", page.text, re.IGNORECASE)


def test_a_class_that_is_predicted_although_it_is_absent_is_told(tmp_path):
    row = Page(write_report(write_finetuning_run(tmp_path / "a", "segmentation"))).row("val/iou_bus")
    assert "absent, yet predicted" in row and "undefined" not in row


def test_counts_of_labels_are_told_in_words(report, task):
    page = Page(report)
    words = {"detection": "3 labelled boxes lie outside the grid", "segmentation": "0 labelled points lie outside"}
    assert words[task] in page.text
    assert "val/boxes_outside" not in page.text and "val/points_outside" not in page.text


def test_many_losses_are_folded_away_behind_the_sum(tmp_path):
    run = write_finetuning_run(tmp_path / "a", "detection")
    rows = finetuning_rows("detection")
    for row in rows:
        if "loss" in row:
            row |= {f"loss/box_group{i}+other": 0.1 for i in range(9)}
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = write_report(run).read_text()
    assert source.index('aria-label="loss over steps"') < source.index("<summary>Terms of the loss</summary>")
    assert source.index("<summary>Terms of the loss</summary>") < source.index('aria-label="loss/box_group0+other')
    assert "Box group0 + other" in source


# Pictures.


def titles_of(page: Page) -> list[str]:
    return [attrs["alt"].removesuffix(", seen from above") for attrs in page.attributes("img")]


def test_the_report_stays_one_file(report):
    source = report.read_text()
    assert "http" not in source and "url(" not in source and report.stat().st_size < 2_000_000
    page = Page(report)
    assert page.attributes("link") == page.attributes("script") == []


def test_shows_truth_and_prediction_of_the_frame_and_of_a_part_of_it(report, task):
    image = pytest.importorskip("PIL.Image")
    page = Page(report)
    expected = {
        "detection": ["Boxes, true", "Boxes, predicted"],
        "segmentation": ["Labels, true", "Labels, predicted", "Labels, right and wrong"],
    }[task]
    assert titles_of(page) == 2 * expected
    assert "Frame scene-0103/4. Weights of step 400." in page.text
    for attrs in page.attributes("img"):
        assert image.open(io.BytesIO(base64.b64decode(attrs["src"].partition(",")[2]))).width == 900


def test_numbers_beside_the_boxes(tmp_path):
    pytest.importorskip("matplotlib")
    text = Page(write_report(write_finetuning_run(tmp_path / "a", "detection"), picture_of("detection"))).text
    overview, closer = text.split("Closer: ")
    assert "3 labelled boxes; points in a box have its colour" in overview
    # The second car is 5 m off and the cone was called a bus.
    assert "3 predicted boxes, scores 0.25 to 0.90, the higher the stronger; 1 of 3 true boxes have" in overview
    assert "2 labelled boxes" in closer and "1 of 2 true boxes have" in closer


def test_numbers_beside_the_labels(tmp_path):
    pytest.importorskip("matplotlib")
    picture = picture_of("segmentation")
    text = Page(write_report(write_finetuning_run(tmp_path / "a", "segmentation"), picture)).text
    overview = views.Frame(picture).overview
    inside = torch.from_numpy(overview.holds(picture["points"].numpy()))
    known = inside & (picture["labels_true"] > 0)
    right = (picture["labels_true"] == picture["labels_predicted"])[known].double().mean()
    assert f"{int(known.sum()):,} of {int(inside.sum()):,} points have a label" in text
    assert f"{right:.1%} of the {int(known.sum()):,} labelled points are right" in text


@pytest.mark.parametrize("missing", ["box_scores", "boxes_predicted", "classes", "points"])
def test_half_of_the_boxes_is_an_error(tmp_path, missing):
    broken = {key: value for key, value in picture_of("detection").items() if key != missing}
    with pytest.raises(ValueError, match=rf"must come together, got no {missing}"):
        views.Frame(broken)


@pytest.mark.parametrize("task", TASKS)
def test_a_frame_without_anything(tmp_path, task):
    pytest.importorskip("matplotlib")
    kept = ("frame", "step", "classes", "grid_lower", "grid_upper")
    empty = {key: value if key in kept else value[:0] for key, value in picture_of(task).items()}
    page = Page(write_report(write_finetuning_run(tmp_path / "a", task), empty))
    words = {"detection": ("No labelled box", "No predicted box"), "segmentation": ("No point has a label",)}[task]
    assert all(word in page.text for word in words) and "Closer" not in page.text


def test_the_detail_window_holds_the_objects():
    for task in TASKS:
        window = task_pictures.detail(views.Frame(picture_of(task)))
        assert window is not None
        (x0, y0), (x1, y1) = window
        assert x1 - x0 == y1 - y0 == task_pictures.DETAIL_SIDE_M
        assert x0 <= 20 and y0 <= 20 and x1 > 24 and y1 > 22  # centres of two cars, or the corner full of car points


def colors_in(data: bytes | Path) -> set[str]:
    """Classes and verdicts whose colour some pixels have."""
    image = pytest.importorskip("PIL.Image")
    source = data if isinstance(data, Path) else io.BytesIO(data)
    pixels = np.asarray(image.open(source).convert("RGBA")).reshape(-1, 4).astype(int)
    pixels = pixels[pixels[:, 3] > 200, :3]
    named = {**colors.CLASSES, **colors.VERDICTS}
    distance = {name: np.abs(pixels - 255 * colors.rgb([color])[0]).sum(axis=1) for name, color in named.items()}
    return {name for name, values in distance.items() if (values < 16).sum() > 20}


def test_predicted_labels_differ_from_true_ones_where_they_are_marked_wrong():
    pytest.importorskip("matplotlib")
    (true, predicted, verdicts), _, _ = task_pictures.of_frame(views.Frame(picture_of("segmentation")))
    assert colors_in(true.png) - {"right"} == {"driveable_surface", "car"}
    assert colors_in(predicted.png) - {"right"} == {"driveable_surface", "car", "vegetation"}
    assert colors_in(verdicts.png) == {"right", "wrong"}
    assert [name for _, name in true.legend.swatches] == ["car", "driveable surface"]
    assert [name for _, name in verdicts.legend.swatches] == ["right", "wrong"]


@pytest.mark.parametrize("frame", ["ego", "lidar"])
def test_a_strip_shows_both_sides(tmp_path, task, frame):
    image = pytest.importorskip("PIL.Image")
    path = task_pictures.save_strip(tmp_path / "preview.png", picture_of(task), frame=frame)
    assert image.open(path).width == 1800
    found = {"detection": {"car", "traffic_cone", "bus"}, "segmentation": {"car", "vegetation", "wrong"}}[task]
    assert found <= colors_in(path)


class FakeModel:
    """Leaves an encoder of one number."""

    def encoder_state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        return {"weight": torch.ones(1)}, {"frame": "lidar"}


def test_a_run_leaves_a_preview_of_boxes_or_labels(tmp_path, task):
    pytest.importorskip("matplotlib")
    folder = RunFolder(write_finetuning_run(tmp_path / "a", task))
    results.write_results(folder, FakeModel(), picture_of(task))
    expected = task_pictures.save_strip(tmp_path / "b.png", picture_of(task), frame="lidar").read_bytes()
    assert folder.preview.read_bytes() == expected
    assert encoder_io.read(folder.path)[0]["weight"].tolist() == [1.0]


def test_the_folder_keeps_the_size_of_the_label_list(tmp_path):
    folder = RunFolder(tmp_path)
    folder.note_labels("frames-1-seed2", 4, 404)
    run = write_finetuning_run(tmp_path / "a", "detection")
    (run / "labels.json").write_bytes(folder.labels.read_bytes())
    assert "4 of 404 frames" in Page(write_report(run)).text
