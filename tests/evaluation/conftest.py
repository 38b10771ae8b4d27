"""What tests of scores share."""

from __future__ import annotations

import sys

import pytest

from geopt import cli


@pytest.fixture
def score(monkeypatch, capsys):
    """Call ``geopt score`` in this process; returns exit code, standard output and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["geopt", "score", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return call
