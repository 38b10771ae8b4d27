"""What the README and the guides say works: commands exist, configs load, files and targets are there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
import yaml

from geopt import config as configs
from geopt import finetuning, predicting, pretraining, probing
from geopt.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "datasets" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app)


def shell_lines() -> list[tuple[str, str]]:
    """(page, command) of every line of the shell blocks, continued lines joined and comments left out."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```(?:bash|sh|console)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                line = re.sub(r"\s#.*", "", line).strip().removeprefix("$ ")
                if line and not line.startswith("#"):
                    found.append((page.name, line))
    return found


GEOPT = [(page, line) for page, line in shell_lines() if re.match(r"(torchrun .* -m geopt\.cli|geopt)\b", line)]


def loaded(command: str, params: dict) -> tuple[object, list[str]] | None:
    """The config of a command and its overrides; None for a command without, or a file that the reader is told to write."""
    if command == "predict":
        overrides = [text for text in params["runs"] if "=" in text]
        return predicting.load(overrides), overrides
    overrides = params.get("overrides") or []
    if command == "probe":
        return probing.load(overrides), overrides
    if command not in ("pretrain", "finetune"):
        return None
    source = params["config"]
    if source.endswith(".yaml"):
        if not (ROOT / source).is_file():
            return None
        source = str(ROOT / source)
    return (pretraining if command == "pretrain" else finetuning).load(source, overrides), overrides


@pytest.mark.parametrize(("page", "line"), GEOPT, ids=lambda v: v[:60])
def test_commands_exist_and_their_configs_load(page, line):
    words = shlex.split(line.split(" -m geopt.cli ")[-1]) if line.startswith("torchrun") else shlex.split(line)[1:]
    command = COMMANDS
    while hasattr(command, "commands") and not words[0].startswith("-"):  # such as score, then nuscenes-detection
        assert words[0] in command.commands
        command, words = command.commands[words[0]], words[1:]
    if words and words[0].startswith("-") and hasattr(command, "commands"):
        assert {word.split("=")[0] for word in words} <= {name for option in command.params for name in option.opts}
        return
    context = command.make_context(command.name, list(words), resilient_parsing=False)
    assert not context.args
    found = loaded(command.name, context.params)
    if found is not None:
        config, overrides = found
        values = configs.flatten(config.model_dump(mode="json"))
        for text in overrides:
            key, _, value = text.partition("=")
            given = yaml.safe_load(value)
            assert values[key] == given or str(values[key]) == value


def test_there_are_commands_to_check():
    """Those with a config among them: a command that is never written here is never loaded either."""
    assert {shlex.split(line)[1] for _, line in GEOPT if line.startswith("geopt")} >= {
        "info",
        "pretrain",
        "simulate",
        "finetune",
        "predict",
        "probe",
        "score",
    }


def test_make_targets_exist():
    targets = set(re.findall(r"^([\w-]+)(?: [\w-]+)*:(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets |= {"test-long"} if "test test-long:" in (ROOT / "Makefile").read_text() else set()
    asked = [shlex.split(line)[1] for _, line in shell_lines() if line.startswith("make ")]
    assert {"demo", "test"} <= set(asked) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_table_of_the_ops_is_that_of_the_newest_run():
    newest = max((ROOT / "benchmarks" / "results").glob("*_bench.md"))
    summary = re.search(r"^\| op \| peer \| 1 thread \|.*?(?=^(?!\|))", newest.read_text(), re.MULTILINE | re.DOTALL)
    text = (ROOT / "README.md").read_text()
    assert summary and summary[0] in text
    assert f"benchmarks/results/{newest.name}" in text


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_scripts_that_are_named_exist(page):
    for script in re.findall(r"python (\w+/\S+\.py)", page.read_text()):
        assert (ROOT / script).is_file(), f"{page.name}: {script}"


def commands_of(group) -> list:
    """The commands of a group and of the groups in it."""
    return [
        c for found in group.commands.values() for c in (commands_of(found) if hasattr(found, "commands") else [found])
    ]


@pytest.mark.parametrize("command", commands_of(COMMANDS), ids=lambda command: command.name)
def test_help_texts_name_what_they_take(command):
    assert command.help and "Example:" in command.help
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert parameter.help, parameter.opts


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_no_number_is_left_to_be_filled_in(page):
    assert not re.findall(r"@[A-Z_]+@|TODO|TBD", page.read_text())
