import importlib
import re
import sys
from pathlib import Path

import pytest
from torch import nn

from geopt import plugins

GUIDE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
SOURCE = """
from torch import nn

class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width

class NotAModule:
    pass

number = 3
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable package ``lidar_extras`` with a module ``encoders`` and one that cannot be imported."""
    folder = tmp_path / "lidar_extras"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "encoders.py").write_text(SOURCE)
    (folder / "broken.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.split(".")[0] in ("lidar_extras", "my_encoders")]:
        del sys.modules[name]


def test_finds_and_builds_the_class(package):
    found = plugins.load("lidar_extras.encoders:Encoder", nn.Module)
    assert found.__name__ == "Encoder"
    assert plugins.build("lidar_extras.encoders:Encoder", nn.Module, width=5).width == 5


@pytest.mark.parametrize("name", ["window", "a.b", "a:b:c", ":C", "a.b:", "a..b:C", "a b:C", "a-b:C", "1a:C"])
def test_refuses_names_of_another_form(name):
    with pytest.raises(plugins.PluginError, match=f"must be named as 'package.module:Class', got '{re.escape(name)}'"):
        plugins.load(name, nn.Module)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lidar_extras.encoder:Encoder", "no module 'lidar_extras.encoder' .*; did you mean 'encoders'.*PYTHONPATH"),
        ("lidar_extra.encoders:Encoder", "no module 'lidar_extra' .*; did you mean 'lidar_extras'"),
        ("lidar_extras.encoders:Encodr", "'lidar_extras.encoders' has no class 'Encodr'; did you mean 'Encoder'"),
        ("lidar_extras.encoders:NotAModule", "must be a class derived from Module, got <class"),
        ("lidar_extras.encoders:number", "must be a class derived from Module, got 3"),
        ("lidar_extras.encoders.deep:Encoder", "no module 'lidar_extras.encoders.deep'"),
    ],
)
def test_a_wrong_name_is_an_error_that_shows_the_nearest(package, name, message):
    with pytest.raises(plugins.PluginError, match=message):
        plugins.load(name, nn.Module)


def test_an_error_inside_the_module_comes_through(package):
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        plugins.load("lidar_extras.broken:Encoder", nn.Module)


def test_arguments_that_the_class_does_not_take_are_named(package):
    with pytest.raises(plugins.PluginError, match=r"with arguments widht: .*unexpected keyword argument 'widht'"):
        plugins.build("lidar_extras.encoders:Encoder", nn.Module, widht=5)


def test_the_guide_runs_as_it_is_written(package, monkeypatch):
    """A block whose first line is ``# file: NAME`` is saved under that name; the others run, one after the other."""
    monkeypatch.chdir(package.parent)
    blocks = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), flags=re.MULTILINE | re.DOTALL)
    namespace = {"__name__": "guide"}
    for block in blocks:
        saved = re.match(r"# file: (\S+)\n", block)
        if saved:
            Path(saved[1]).write_text(block)
            importlib.invalidate_caches()
        else:
            exec(compile(block, str(GUIDE), "exec"), namespace)
    assert "encoder" in namespace
