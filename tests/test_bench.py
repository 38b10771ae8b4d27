"""``geopt bench``: its clouds, its ratios, and the command."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from geopt.bench import GOALS, Case, Goal, Timing, judge
from geopt.bench.cases import all_cases
from geopt.bench.cases.voxels import GRID, ours, unique_keys, unique_rows
from geopt.bench.clouds import read, street
from geopt.bench.measure import Peers, compare, turned
from geopt.bench.run import run
from geopt.cli import app


def timing(op, who, ms):
    return Timing(Case(op, "a cloud", who, 10, [0], lambda _: None), ms, ms)


def test_a_ratio_is_of_medians_against_the_fastest_case_of_the_peer(monkeypatch):
    monkeypatch.setattr(judge, "GOALS", (Goal("op", "peer", 2, 4), Goal("op", "absent", 2, 4)))
    times = [timing("op", "geopt", [1, 2, 9]), timing("op", "peer a", [50]), timing("op", "peer b", [10, 7, 8])]
    (found,) = judge.ratios([*times, timing("other", "peer", [1])])
    assert found.ratio == 4 and found.who == "peer b"


def test_threads_are_compared_by_op_and_input():
    one, two = [timing("op", "geopt", [6]), timing("op", "peer", [1])], [timing("op", "geopt", [3])]
    assert judge.speedups(one, two) == [("op", "a cloud", 2.0)]


def test_cases_of_an_input_take_turns_on_rotated_copies():
    seen = []
    cases = [Case("op", "a", who, 1, "xyz", lambda of, who=who: seen.append((who, of))) for who in ("geopt", "peer")]
    timings = compare(cases, repeats=3)
    assert seen == [(who, of) for of in "zxyz" for who in ("geopt", "peer")]
    assert [len(each.wall_ms) for each in timings] == [3, 3]


def test_turned_copies_keep_every_squared_distance_to_the_bit():
    cloud = street(8, 50)

    def squared(xyz):
        x, y, z = ((axis[:, None] - axis[None]) ** 2 for axis in xyz.unbind(1))
        return (x + y) + z

    assert len(turned(cloud)) == 4
    assert all(torch.equal(squared(copy), squared(cloud)) for copy in turned(cloud))


def test_substitutes_of_voxels_give_the_same_means():
    cloud = street(16, 400)
    inside = cloud[(cloud.abs() < 100).all(dim=1) & (cloud[:, 2] > GRID.lower[2])]
    expected = ours(inside)
    assert torch.allclose(unique_keys(inside), expected, atol=1e-4)
    assert torch.allclose(unique_rows(inside), expected, atol=1e-4)


def test_scan_files_are_read_without_points_that_are_nowhere(tmp_path):
    for number in range(5):
        table = np.full((100, 4), number + 1, np.float32)
        table[0, 1] = np.nan
        np.save(tmp_path / f"{number}.npy", table)
    found = read([tmp_path])
    assert list(found) == ["0.npy", "2.npy", "4.npy"]
    assert all(len(cloud) == 99 for cloud in found.values())


def test_every_goal_belongs_to_a_case():
    ops = {case.op for case in all_cases({"street": street(32, 200)}, 1, Peers(False))}
    assert {goal.op for goal in GOALS} <= ops


def test_an_unknown_op_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"knn k=16.*got sort"):
        all_cases({"street": street(32, 200)}, 1, Peers(False), ["sort"])


def test_the_command_writes_every_run(tmp_path):
    scan, out = tmp_path / "a.npy", tmp_path / "bench.json"
    np.save(scan, np.pad(street(32, 40).numpy(), ((0, 0), (0, 1))))
    done = CliRunner().invoke(app, ["bench", str(scan), "--op", "knn", "--repeats", "2", "--out", str(out)])
    assert done.exit_code == 0, done.output
    (told,) = json.loads(out.read_text())
    assert told["threads"] == 1 and told["facts"]["torch"] == torch.__version__
    ((case, wall_ms, cpu_ms),) = told["timings"]
    assert case == {"op": "knn k=16", "input": "a.npy, 1,280 points", "who": "geopt", "num_items": 1280}
    assert len(wall_ms) == len(cpu_ms) == 2 and min(wall_ms) > 0


def test_more_threads_than_processors_are_refused():
    with pytest.raises(ValueError, match="threads must be at most"):
        run(10_000, [], [], False, 1)
