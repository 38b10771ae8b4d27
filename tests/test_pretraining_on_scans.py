"""Pre-training runs as the guide of datasets says, on Argoverse 2 and PandaSet."""

import argoverse2_files
import pandaset_files
import pytest
import safetensors
from typer.testing import CliRunner

from geopt.cli import app

SHORT = ["train.max_steps=2", "train.batch_size=1", "train.num_threads=1", "data.workers=0"]


def pretrained(folder, *options):
    """Encoder of a run with the preset ``tiny``."""
    words = ["pretrain", "tiny", *options, *SHORT, f"run.dir={folder / 'run'}"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    with safetensors.safe_open(folder / "run" / "encoder.safetensors", "pt") as file:
        return list(file.keys())


@pytest.fixture
def written(request, tmp_path):
    if request.param == "argoverse2":
        pytest.importorskip("pyarrow")
        argoverse2_files.Drive(num_points=2000).write(tmp_path / "sensor" / "train" / "a")
        argoverse2_files.Drive(num_points=2000).write(tmp_path / "sensor" / "val" / "b")
    else:
        pandaset_files.Sequence(num_points=2000).write(tmp_path / "002")
    return request.param, tmp_path


@pytest.mark.parametrize("written", ["argoverse2", "pandaset"], indirect=True)
def test_made_up_drives_train_an_encoder(written):
    kind, root = written
    assert pretrained(root, f"data.kind={kind}", f"data.root={root}")


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [("argoverse2", "data.train=val", "data.val="), ("pandaset",), ("pandaset", "data.pandaset.lidar=both")],
    ids=" ".join,
)
def test_real_drives_train_an_encoder(options, shared_data, tmp_path):
    kind, *others = options
    assert pretrained(tmp_path, f"data.kind={kind}", f"data.root={shared_data / kind}", *others)
