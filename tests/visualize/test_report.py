"""The report of a run is one file that says what the numbers say."""

import base64
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from html_page import Page
from run_folders import METRICS, train_rows, validation_rows, write_run

from geopt.visualize import report
from geopt.visualize.report import write_report


def test_tells_every_metric_with_its_verdict(run_dir):
    page = Page(write_report(run_dir))
    for key, words in {
        "val/occupancy_iou": "better than constant by 100 %",
        "val/centroid_error_m": "better than constant by 6.3 %",
        "val/normal_error_deg": "better than constant by 40 %",
        "val/curvature_error": "not better than constant",
    }.items():
        assert words in page.row(key), key
    assert "After step 400 of 400. 3 of 4 validation metrics are better than a constant predictor." in page.text


def test_tells_what_the_run_is(run_dir):
    text = Page(write_report(run_dir)).text
    for fact in ("nuscenes v1.0-mini", "scene-0523[:30]", "scene-0523[30:]", "CPU, Linux x86_64", "geopt 0.1.0"):
        assert fact in text
    assert "1,600" in text  # frames
    assert "3 min 20 s" in text  # 1600 frames at 8 frames/s
    assert "8.00 frames/s" in text
    assert "25.0 % of the time" in text
    assert "1,900 MiB" in text
    assert "/data/<nuScenes>" in text  # the config is escaped, not lost


def test_draws_every_loss_term_and_every_metric(run_dir):
    page = Page(write_report(run_dir))
    labels = [attrs["aria-label"] for attrs in page.attributes("svg")]
    drawn = ("loss", "loss/occupancy_1", "loss/normal", "lr", "grad_norm", "peak_memory_mb", *METRICS)
    assert set(labels) >= {f"{key} over steps" for key in drawn}
    assert len([a for a in page.attributes("path") if a.get("class") == "baseline"]) == len(METRICS)


def test_best_step_differs_from_last_step(run_dir):
    rows = [*train_rows(range(10, 401, 10)), *validation_rows()]
    rows.append({**rows[-1], "step": 600, "val/normal_error_deg": 28.0})
    page = Page(write_report(write_run(run_dir, rows)))
    assert re.search(r"28\.0°\s*step 600\s*24\.0°\s*step 400\s*40\.0°", page.row("val/normal_error_deg"))


@pytest.fixture(scope="module")
def illustrated(tmp_path_factory, picture) -> Path:
    """A report with all pictures."""
    rows = train_rows(range(10, 401, 10)) + validation_rows()
    return write_report(write_run(tmp_path_factory.mktemp("runs") / "run-b", rows), picture)


def test_validation_losses_are_drawn_beside_training_losses(run_dir):
    rows = [*train_rows(range(10, 401, 10)), *validation_rows()]
    rows[-1] |= {"val/loss": 1.5, "val/loss_normal": 0.6}
    page = Page(write_report(write_run(run_dir, rows)))
    assert len([a for a in page.attributes("circle") if a["class"] == "dot validation"]) == 2
    assert "val/loss" not in page.text  # it is no metric with a verdict


def test_metrics_of_other_levels_and_plug_ins_follow_the_four(run_dir):
    rows = validation_rows()
    rows = [
        {"val/centroid_error_m_level1": 0.3, "val/centroid_error_m_level1_baseline": 0.4, "val/own": 2.0, **r}
        for r in rows
    ]
    page = Page(write_report(write_run(run_dir, rows)))
    order = [page.text.index(key) for key in (*METRICS, "val/centroid_error_m_level1", "val/own")]
    assert order == sorted(order)
    assert "Centroid error, level\N{NO-BREAK SPACE}1" in page.text
    assert "30.0 cm" in page.row("val/centroid_error_m_level1")
    assert "better than constant by 25 %" in page.row("val/centroid_error_m_level1")
    assert "no constant predictor" in page.row("val/own")


def test_loads_nothing(illustrated):
    page = Page(illustrated)
    assert page.attributes("link") == page.attributes("script") == page.attributes("iframe") == []
    pytest.importorskip("matplotlib")
    sources = [
        attrs[name] for _, attrs in page.tags for name in ("src", "href", "srcset", "xlink:href") if name in attrs
    ]
    assert sources and all(source.startswith("data:image/png;base64,") for source in sources)
    source = illustrated.read_text()
    assert "http" not in source and "@import" not in source and "url(" not in source


def test_pictures_decode_and_stay_small(illustrated):
    image = pytest.importorskip("PIL.Image")
    images = Page(illustrated).attributes("img")
    titles = [attrs["alt"].removesuffix(", seen from above") for attrs in images]
    assert titles[:4] == ["Input", "Mask", "Occupancy", "Normal error"]
    assert titles[4:] == ["What the encoder sees", "Occupancy", "Normals, true", "Normals, predicted"]
    for attrs in images:
        decoded = image.open(io.BytesIO(base64.b64decode(attrs["src"].partition(",")[2])))
        decoded.load()
        assert decoded.width == 900
    assert illustrated.stat().st_size < 2_000_000


def test_numbers_beside_the_pictures(illustrated, picture):
    pytest.importorskip("matplotlib")
    text = Page(illustrated).text
    truth, probability = picture["cell_truth"], picture["cell_probability"]
    both, either = (truth & (probability > 0.5)).sum(), (truth | (probability > 0.5)).sum()
    assert f"IoU of the single cells shown is {both / either:.3f}" in text
    assert "200 normals are within 0.0°" in text  # a flipped normal is the same normal
    assert "Frame scene-0523/30. Weights of step 400." in text


def test_same_bytes_again(illustrated, picture):
    first = illustrated.read_bytes()
    assert write_report(illustrated.parent, picture).read_bytes() == first


@pytest.mark.parametrize("missing", ["points", "token", "cell", "normal", "all"])
def test_picture_with_missing_parts(run_dir, picture, missing):
    pytest.importorskip("matplotlib")
    kept = {k: v for k, v in picture.items() if missing != "all" and not k.startswith(missing)}
    kept |= {key: picture[key] for key in ("grid_lower", "grid_upper")}
    titles = [attrs["alt"] for attrs in Page(write_report(run_dir, kept)).attributes("img")]
    gone = {"points": "Input", "token": "Mask", "cell": "Occupancy", "normal": "Normal", "all": ""}[missing]
    assert not any(title.startswith(gone) for title in titles)
    assert bool(titles) == (missing != "all")


def test_picture_of_an_empty_frame(run_dir, picture):
    pytest.importorskip("matplotlib")
    fixed = ("grid_lower", "grid_upper", "token_size", "cell_size", "frame", "step")
    empty = {key: value if key in fixed else value[:0] for key, value in picture.items()}
    page = Page(write_report(run_dir, empty))
    assert len(page.attributes("img")) == 4
    assert "IoU of the single cells shown is undefined" in page.text


def test_half_a_group_is_an_error(run_dir, picture):
    pytest.importorskip("matplotlib")
    broken = {key: value for key, value in picture.items() if key != "cell_size"}
    with pytest.raises(ValueError, match=r"picture: cell_centers, .* must come together, got no cell_size"):
        write_report(run_dir, broken)


def test_bfloat16_predictions_are_drawn(run_dir, picture):
    pytest.importorskip("matplotlib")
    cast = {**picture, "normals_predicted": picture["normals_predicted"].bfloat16()}
    assert len(Page(write_report(run_dir, cast)).attributes("img")) == 8


def test_without_matplotlib_says_how_to_get_pictures(run_dir, picture, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # import raises ImportError
    page = Page(write_report(run_dir, picture))
    assert "pip install 'geopt-lidar[viz]'" in page.text
    assert page.attributes("img") == [] and page.attributes("svg") != []


def test_train_rows_only(run_dir):
    page = Page(write_report(write_run(run_dir, train_rows(range(1, 6)))))
    assert "Not validated yet" in page.text and "There is no validation row" in page.text
    assert page.attributes("svg") != []


@pytest.mark.parametrize("text", ["", '{"step": 1, "lo'])
def test_no_row_yet(run_dir, text):
    (run_dir / "metrics.jsonl").write_text(text)
    page = Page(write_report(run_dir))
    assert "metrics.jsonl is empty" in page.text and page.attributes("svg") == []


def test_undefined_numbers(run_dir):
    rows = validation_rows()
    rows[-1]["val/occupancy_iou"] = None
    rows[-1]["val/normal_error_deg_baseline"] = None
    rows.append({"step": 500, "loss": float("nan"), "loss/normal": None})
    page = Page(write_report(write_run(run_dir, rows)))
    assert re.match(r"\s*undefined\s*step 400\s*0\.250\s*step 200", page.row("val/occupancy_iou"))
    assert "cannot be compared" in page.row("val/occupancy_iou")
    assert "cannot be compared" in page.row("val/normal_error_deg")
    assert "nan" not in page.text.lower()
    assert page.text.count("no finite value") == 2  # loss and loss/normal


def test_a_resumed_step_counts_once(run_dir):
    rows = validation_rows()
    rows.append({**rows[-1], "val/occupancy_iou": 0.5})
    page = Page(write_report(write_run(run_dir, rows)))
    assert "better than constant by 150 %" in page.row("val/occupancy_iou")
    assert len([a for a in page.attributes("circle") if a["class"] == "dot"]) == 2 * len(METRICS)


def test_damaged_row_is_named(run_dir):
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write("{oops\n")
    with pytest.raises(ValueError, match=r"metrics\.jsonl: line 43 must be a JSON object"):
        write_report(run_dir)


def test_no_run_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a run folder holds config\.yaml, versions\.json and metrics\.jsonl"):
        write_report(tmp_path)


def test_does_not_touch_global_state_of_matplotlib(run_dir, picture, tmp_path):
    pytest.importorskip("matplotlib")
    torch.save(picture, tmp_path / "picture.pt")
    code = (
        "import sys, torch; from geopt.visualize.report import write_report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "write_report(sys.argv[1], torch.load(sys.argv[2]))\n"
        "assert 'matplotlib.figure' in sys.modules and 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(run_dir), str(tmp_path / "picture.pt")], check=True)


def test_a_failed_write_keeps_the_old_report(run_dir, monkeypatch):
    old = write_report(run_dir).read_bytes()

    def full(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(report.files.os, "replace", full)
    (run_dir / "metrics.jsonl").write_text(json.dumps({"step": 1, "loss": 1.0}) + "\n")
    with pytest.raises(OSError, match="disk full"):
        write_report(run_dir)
    assert (run_dir / "report.html").read_bytes() == old
    assert [p.name for p in run_dir.glob(".*")] == []
