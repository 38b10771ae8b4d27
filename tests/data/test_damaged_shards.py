"""Damaged shards are refused by name; a mapped file never ends the process."""

import fuzzing
import pytest
import shard_fuzz

pytest.importorskip("pyarrow")


@pytest.fixture(params=["float32", "int16"])
def shards(request, tmp_path):
    shard_fuzz.write(tmp_path / "shards", tmp_path / "raw", request.param)
    return tmp_path / "shards"


def test_damage_is_refused_by_a_value_error_that_names_the_file(shards):
    found = fuzzing.run(shard_fuzz.read_all, shards, 800)
    assert found.refused > 600 and found.slowest_s < 5 and found.memory_mb < 300


def test_damage_behind_the_checksums_is_refused_too(shards):
    found = fuzzing.run(shard_fuzz.read_unguarded, shards, 800, damage=shard_fuzz.damaged_numbers)
    assert found.refused > 100 and found.slowest_s < 5 and found.memory_mb < 300


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_much_damage_is_refused(shards, seed):
    found = fuzzing.run(shard_fuzz.read_all, shards, 2500, seed=seed + 1)
    assert found.refused > 1750 and found.slowest_s < 5 and found.memory_mb < 300
    found = fuzzing.run(shard_fuzz.read_unguarded, shards, 2500, seed=seed + 1, damage=shard_fuzz.damaged_numbers)
    assert found.slowest_s < 5 and found.memory_mb < 300


def test_every_bit_of_the_points_is_covered_by_a_checksum(shards):
    paths = sorted(shards.glob("points-*.arrow"))
    whole = {path: path.read_bytes() for path in paths}
    refused = used = 0
    reader = shard_fuzz.Shards(shards)
    for row in range(len(reader)):
        shard = int(reader._shard[row])
        path, begin = paths[shard], int(reader._rows["offset"][row])
        size = int(reader._rows["bytes"][row])
        for place in range(begin, begin + size, 37):
            data = bytearray(whole[path])
            data[place] ^= 1 << (place % 8)
            path.write_bytes(data)
            used += 1
            with pytest.raises(ValueError, match=rf"{path} is damaged: the checksum of scene-0061/\S+ is wrong"):
                shard_fuzz.Shards(shards).read(row)
            refused += 1
        path.write_bytes(whole[path])
    assert refused == used > 50
