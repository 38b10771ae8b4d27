"""Real scans from one end to the other: pre-train, fine-tune on the first 30 key frames, score the last 10 officially.

The official numbers are made where GEOPT_DEVKIT_PYTHON names the Python of an environment with nuscenes-devkit 1.2.0.
"""

from __future__ import annotations

from pathlib import Path

import box_oracle
import devkit
import pytest
from derived_root import write_derived_root

from geopt import config as configs
from geopt import finetuning, predicting, pretraining
from geopt.evaluation import nuscenes_detection, nuscenes_tracking
from geopt.models import encoder_io
from geopt.train.run_folder import RunFolder

VERSION, VAL = "v1.0-mini", "mini_val"
pytestmark = [pytest.mark.long, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def predicted(nuscenes_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """The derived root (30 key frames of mini_train, 10 of mini_val) and what a detector predicts for mini_val."""
    folder = tmp_path_factory.mktemp("real")
    root = write_derived_root(nuscenes_root, folder / "root")
    data = [f"data.root={root}", f"data.version={VERSION}", "data.train=mini_train", f"data.val={VAL}"]
    encoder = pretraining.pretrain(
        pretraining.load(
            "tiny", [*data, f"run.dir={folder / 'pretrain'}", "train.max_steps=30", "train.validate_every=0"]
        )
    )
    options = [f"run.dir={folder / 'detect'}", f"init={encoder}", "train.max_steps=300", "train.validate_every=0"]
    detector = finetuning.finetune(finetuning.load("detect/tiny", [*data, *options]))
    written = predicting.predict(
        [detector], folder / "predictions", predicting.load(["pictures=1", "score_threshold=0.02"])
    )
    return root, written


def test_a_detector_finds_objects_in_frames_that_it_was_not_trained_on(predicted):
    root, written = predicted
    summary = nuscenes_detection(written["detection"], root, VERSION, VAL)
    # The part to train on has three cars a frame in the grid, and half of those to find lie outside it.
    assert max(summary["mean_dist_aps"].values()) > 0.005, summary["mean_dist_aps"]
    assert summary["nd_score"] > summary["mean_ap"] / 2 > 0
    tracks = nuscenes_tracking(written["tracking"], root, VERSION, VAL)
    assert tracks["tp"] > 0


def test_random_weights_find_nothing(predicted, tmp_path):
    root, _ = predicted
    data = [f"data.root={root}", f"data.version={VERSION}", "data.train=mini_train", f"data.val={VAL}"]
    config = finetuning.load("detect/tiny", [*data, f"run.dir={tmp_path / 'run'}"])
    model = finetuning.build_model(config)
    folder = RunFolder(tmp_path / "run")
    folder.open(config.model_dump(mode="json"), configs.dump(config), "auto")
    folder.close()
    encoder_io.write(folder.model, model.head_state(), model.encoder_state()[1])
    options = predicting.load(["pictures=0", "score_threshold=0", "data.workers=0"])
    written = predicting.predict([tmp_path / "run"], tmp_path / "predictions", options)
    summary = nuscenes_detection(written["detection"], root, VERSION, VAL)
    assert summary["mean_ap"] < 0.01


@devkit.needed
def test_the_devkit_gives_the_same_numbers(predicted):
    root, written = predicted
    cases = [(task, root, VERSION, VAL, written[task]) for task in ("detection", "tracking")]
    for case, official in zip(cases, devkit.answers(box_oracle, cases)):
        evaluate = nuscenes_detection if case[0] == "detection" else nuscenes_tracking
        summary = evaluate(case[-1], *case[1:4])
        theirs = official["summary"]
        for name, value in theirs.items():
            if name != "eval_time" and isinstance(value, int | float):
                assert summary[name] == pytest.approx(value, rel=0, abs=1e-12, nan_ok=True), (case[0], name)
        names = "mean_dist_aps" if case[0] == "detection" else "label_metrics"
        assert theirs[names], "the classes were compared too"
        if case[0] == "detection":
            assert summary[names] == pytest.approx(theirs[names], rel=0, abs=1e-12, nan_ok=True)
