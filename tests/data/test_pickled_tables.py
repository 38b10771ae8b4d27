"""Tables come out of pickles of every layout; a pickle that wants anything else is refused, and nothing of it runs."""

import base64
import gzip
import pickle
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pandaset_files
import pytest
from pandas_pickles import PICKLES
from pandaset_files import Call, Name, array, emitted, index, pickled, table

from geopt.data.pandaset.pickles import MAX_OPERATIONS
from geopt.data.pandaset.tables import MAX_BYTES, NAMES, read_table


@pytest.fixture
def path(tmp_path):
    return tmp_path / "00.pkl.gz"


def read(path, content):
    pandaset_files.write(path, content)
    return read_table("pandaset", path)


def columns_of(found):
    return {name: column.tolist() for name, column in found.columns.items()}


@pytest.mark.parametrize(("version", "protocol"), PICKLES)
def test_tables_of_real_pandas_versions_are_read(version, protocol, path):
    found = read(path, zlib.decompress(base64.b85decode(PICKLES[version, protocol])))
    assert columns_of(found) == {
        "x": [0.5, 1.5, 2.5, 3.5],
        "y": [10.0, 11.0, 12.0, 13.0],
        "d": [0, 1, 0, 1],
        "uuid": ["a", "b", "c", "d"],
        "still": [True, False, True, False],
    }
    assert found.row_names.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_table_of_the_installed_pandas_is_read(protocol, path):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    pandas.set_option("mode.string_storage", "python")  # texts that Arrow holds are refused
    frame = pandas.DataFrame({"x": rng.normal(size=99), "d": np.arange(99), "name": list(map(str, range(99)))})
    frame = frame.sample(frac=1.0, random_state=0)
    found = read(path, pickle.dumps(frame, protocol))
    assert columns_of(found) == {name: frame[name].tolist() for name in frame}
    assert found.row_names.tolist() == frame.index.tolist()


def test_the_pickles_of_these_tests_are_tables_of_pandas():
    pandas = pytest.importorskip("pandas")
    columns = {"x": np.arange(3.0), "d": np.arange(3), "name": np.array(["a", "b", None], dtype=object)}
    frame = pickle.loads(pickled(table(columns)))
    assert (
        isinstance(frame, pandas.DataFrame) and frame["x"].tolist() == [0.0, 1.0, 2.0] and list(frame) == list(columns)
    )


def test_every_type_of_column_is_read(path):
    columns = {
        kind: np.array([0, 1, 2], dtype=kind)
        for kind in ("bool", "int8", "uint8", "int32", "uint64", "float32", "float64")
    }
    columns["mixed"] = np.array(["a", None, 1.5], dtype=object)
    found = read(path, pickled(table(columns, np.array([7, 5, 6]))))
    assert columns_of(found) == {name: column.tolist() for name, column in columns.items()}
    assert found.row_names.tolist() == [7, 5, 6] and found.columns["uint64"].dtype == np.uint64


def touching(marker):
    """Pickles that make a file when they run, by what they do it with."""
    shell, code = f"touch {marker}", f"open({str(marker)!r}, 'w').close()"
    system = Call(Name("posix", "system"), (shell,))
    np.save(marker.with_suffix(".npy"), np.array([_Opens(marker)]), allow_pickle=True)
    dotted = (
        b"\x80\x04\x8c\x07pathlib\x8c\x0aPath.touch\x93"
        + emitted((Call(Name("pathlib", "Path"), (str(marker),)),))
        + b"R."
    )
    hidden = table({"x": np.arange(3.0)})
    hidden.state["_data"].state[3]["0.14.1"]["blocks"][0]["values"] = system
    return {
        "os.system": pickled(system),
        "eval": pickled(Call(Name("builtins", "eval"), (code,))),
        "exec": pickled(Call(Name("builtins", "exec"), (code,))),
        "open": pickled(Call(Name("builtins", "open"), (str(marker), "w"))),
        "subprocess": pickled(Call(Name("subprocess", "call"), (["touch", str(marker)],))),
        "pickle in pickle": pickled(Call(Name("pickle", "loads"), (pickled(system),))),
        "numpy.load": pickled(Call(Name("numpy", "load"), (str(marker.with_suffix(".npy")), None, True))),
        "runstring of numpy": pickled(Call(Name("numpy.testing._private.utils", "runstring"), (code, {}))),
        "method of a class": dotted,
        "INST": f"(S'{shell}'\niposix\nsystem\n.".encode(),
        "OBJ": f"(cpathlib\nPath\nS'{marker}'\no0".encode() + pickled(system)[2:],
        "second pickle": pickled((system, 1)),
        "argument of a table": pickled(hidden),
        "state of a table": pickled(Call(Name("pandas.core.frame", "DataFrame"), (), {"_data": system})),
    }


class _Opens:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


NEEDS_PANDAS = {"argument of a table", "state of a table"}
DEEDS = (
    *("os.system", "eval", "exec", "open", "subprocess", "pickle in pickle", "numpy.load", "runstring of numpy"),
    *("method of a class", "INST", "OBJ", "second pickle", "argument of a table", "state of a table"),
)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_pickle_that_acts_is_refused_and_does_not_act(deed, path):
    marker = path.with_name("acted")
    content = touching(marker)[deed]
    if deed not in NEEDS_PANDAS:
        pickle.loads(content)  # it does act where it may
        assert marker.exists()
        marker.unlink()
    with pytest.raises(ValueError, match=r"no table needs") as caught:
        read(path, content)
    assert not marker.exists() and str(path) in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        *("numpy.core.multiarray.scalar", "numpy.core.multiarray.fromfile", "numpy.memmap", "numpy.DataSource"),
        *("pandas.read_pickle", "pandas.core.computation.eval.eval", "pandas.io.common.get_handle", "os.posix_spawn"),
        *(
            "builtins.getattr",
            "builtins.__import__",
            "operator.attrgetter",
            "functools.partial",
            "copyreg._reconstructor",
        ),
        *(
            "importlib.import_module",
            "ctypes.CDLL",
            "types.FunctionType",
            "torch.load",
            "webbrowser.open",
            "dill.loads",
        ),
    ],
)
def test_other_names_are_refused_by_name(name, path):
    module, function = name.rsplit(".", 1)
    for content in (
        pickled(Name(module, function)),
        b"\x80\x04" + emitted(module) + emitted(function) + b"\x93.",
        b"\x80\x04" + emitted(module.split(".")[0]) + emitted(name.split(".", 1)[1]) + b"\x93.",
    ):
        with pytest.raises(ValueError, match=rf"00\.pkl\.gz is damaged: it asks for '{name}'"):
            read(path, content)


def test_names_of_tables_are_not_found_by_accident():
    """Nothing that is admitted can be called for more than a description, but none of it should sound like more."""
    assert all(name.startswith(("pandas", "numpy", "builtins.slice")) for name in NAMES) and len(NAMES) < 30


def bombs():
    """Small files that ask for much memory or time, by what they do it with."""
    big = 1 << 30
    deep = b"\x80\x03" + b"(" * 100_000 + b"t" * 100_000 + b"."
    keys = b"\x80\x03}" + b"(" * 60_000 + b"t" * 60_000 + b"Ns."
    laughs = b"\x80\x03" + emitted(["ha"]) + b"".join(b"q\x00](" + b"h\x00" * 9 + b"e" for _ in range(40)) + b"."
    many = b"\x80\x03](" + b"N" * (MAX_OPERATIONS + 1) + b"e."
    wide = table({f"{k}": np.arange(9) for k in range(200)}, range(1 << 20))
    long_range = table({"x": np.arange(3.0)})
    long_range.state["_data"].state[3]["0.14.1"]["axes"][1] = b"range"
    endless = pickled(long_range).replace(emitted(b"range"), emitted(index(range(2**31 - 1))))
    shape = table({"x": np.arange(3.0)})
    shape.state["_data"].state[3]["0.14.1"]["blocks"][0]["values"] = array(np.arange(3.0), shape=(big, big))
    # one list in the memory, as the values of many blocks
    nones = emitted(array(np.full((1, 30_000), None, dtype=object)))
    places = emitted(array(np.array([0]))) + b"q\x01"
    first = b"}(" + emitted("values") + nones + b"q\x00" + emitted("mgr_locs") + places + b"u"
    block = b"}(" + emitted("values") + b"h\x00" + emitted("mgr_locs") + b"h\x01u"
    blocks = emitted("blocks") + b"](" + first + block * 9000 + b"e"
    axes = emitted("axes") + emitted([index(["x"]), index(range(30_000))])
    manager = (
        b"cpandas.core.internals.managers\nBlockManager\n)\x81(]]]}("
        + emitted("0.14.1")
        + b"}("
        + blocks
        + axes
        + b"uutb"
    )
    repeated = b"\x80\x03cpandas.core.frame\nDataFrame\n)\x81}(" + emitted("_data") + manager + b"ub."
    return {
        "memory index": b"\x80\x03Nr\xff\xff\xff\xff.",
        "memory index of 7 million": b"\x80\x03N"
        + b"".join(b"r" + struct.pack("<I", 7_000_000 + k) for k in range(9))
        + b".",
        "long bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"abc.",
        "long byte array": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abc.",
        "long text": b"\x80\x04\x8d" + struct.pack("<Q", 1 << 40) + b"abc.",
        "frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 60) + b"N.",
        "long number": b"\x80\x03\x8b" + struct.pack("<i", 1 << 30) + b"\x01.",
        "digits": b"\x80\x03L" + b"9" * 2_000_000 + b"L\n.",
        "deep tuples": deep,
        "deep keys": keys,
        "laughs": laughs,
        "many operations": many,
        "next buffer": b"\x80\x05\x97.",
        "many rows": pickled(wide),
        "endless range": endless,
        "huge shape": pickled(shape),
        "one array many times": repeated,
    }


BOMBS = (
    *(
        "memory index",
        "memory index of 7 million",
        "long bytes",
        "long byte array",
        "long text",
        "frame",
        "long number",
    ),
    *("digits", "deep tuples", "deep keys", "laughs", "many operations", "next buffer", "many rows", "endless range"),
    *("huge shape", "one array many times"),
)


def refused(path):
    """What is said, the memory that it took in MB and the time in seconds."""
    tracemalloc.start()
    begin = time.process_time()
    try:
        with pytest.raises(ValueError, match=r"00\.pkl\.gz is damaged") as caught:
            read_table("pandaset", path)
        return str(caught.value), tracemalloc.get_traced_memory()[1] / 2**20, time.process_time() - begin
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_take_neither_memory_nor_time(bomb, path):
    pandaset_files.write(path, bombs()[bomb])
    _, memory_mb, time_s = refused(path)
    assert memory_mb < 100 and time_s < 5


def test_a_file_that_unpacks_to_much_more_is_refused(path):
    block = bytes(1 << 20)
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(256):
            file.write(block)
    assert path.stat().st_size < 2 << 20
    said, memory_mb, time_s = refused(path)
    assert f"more than {MAX_BYTES:,} bytes unpacked" in said and memory_mb < 3 * MAX_BYTES / 2**20 and time_s < 5


def test_what_follows_the_table_is_refused(path):
    whole = gzip.compress(pickled(table({"x": np.arange(3.0)})))
    path.write_bytes(whole + whole)
    with pytest.raises(ValueError, match="has something after its end"):
        read_table("pandaset", path)
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="it is cut off"):
        read_table("pandaset", path)


X = {"x": np.arange(3.0)}


def with_values(values, places=None):
    frame = table(X)
    block = frame.state["_data"].state[3]["0.14.1"]["blocks"][0]
    block["values"] = values
    block["mgr_locs"] = places or block["mgr_locs"]
    return frame


def dtype(code, order="<"):
    return Call(Name("numpy", "dtype"), (code, False, True), (3, order, None, None, None, -1, -1, 0))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "it must have pandas.*DataFrame at a place where it has NoneType"),
        (
            Call(Name("pandas.core.frame", "DataFrame"), (), {}),
            "it must have .*BlockManager at a place where it has NoneType",
        ),
        (with_values(array(np.zeros((1, 2)))), r"must have 1 columns of 3 rows, got shape \(1, 2\)"),
        (with_values(array(np.zeros((1, 3)), shape=(1, 4))), "must have 4 values, got 3"),
        (with_values(array(np.zeros((1, 3)), shape=(1, -3))), "must have one or two dimensions"),
        (with_values(array(np.zeros((1, 3)), dtype("f8", ">"))), "order of bytes of common machines"),
        (with_values(array(np.zeros((1, 3)), dtype("M8"))), "must hold numbers"),
        (with_values(array(np.zeros((1, 3)), dtype("V8"))), "must hold numbers"),
        (with_values(array(np.zeros((1, 3)), dtype("O8"))), "must hold numbers"),
        (with_values(array(np.array([[[], {}, ()]], dtype=object).reshape(1, 3))), "must hold texts and numbers"),
        (with_values(array(np.zeros((1, 3))), array(np.array([1]))), "columns that are not there"),
        (with_values(array(np.zeros((1, 3))), array(np.array([-1]))), "columns that are not there"),
        (with_values(array(np.zeros((1, 3))), Call(Name("builtins", "slice"), (0, 1, 0))), "columns of 3 rows"),
        (table(X | {"y": np.arange(3)}, range(3, 0, -2)), "rows, got shape"),
    ],
)
def test_tables_that_contradict_themselves_are_refused(content, message, path):
    with pytest.raises(ValueError, match=message):
        read(path, pickled(content))


@pytest.mark.parametrize(
    "content",
    [b"", b".", b"\x80\x03", b"\x80\x03N", b"\x80\x03t.", b"\x80\x03h\x00.", b"\x80\x03}K\x01Ns.", b"\x80\x03NNb."],
)
def test_pickles_that_are_none_are_refused(content, path):
    with pytest.raises(ValueError, match=r"00\.pkl\.gz is damaged"):
        read(path, content)
