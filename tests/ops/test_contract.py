"""What every op tells its users: errors that name the argument, a whole docstring, a reference with the same signature.
Of what it computes: test_every_op.py and test_torch_rules.py."""

import inspect
import math

import pytest
import torch

from geopt import ops, reference
from geopt.ops._library import KERNELS
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-8, -8, -4), (8, 8, 4), (1, 1, 2))
BOXES = torch.tensor([[0.0, 0, 0, 5, 3, 2, 0.3], [4, 4, 0, 6, 6, 3, -2]], dtype=torch.float64)
SEGMENT = torch.arange(2200) * 7 % 23 - 1


@pytest.mark.parametrize("name", sorted(KERNELS))
def test_the_reference_has_the_same_parameters_and_the_docstring_is_whole(name):
    op, plain = getattr(ops, name), getattr(reference, name)
    assert list(inspect.signature(op).parameters) == list(inspect.signature(plain).parameters)
    assert name in ops.__all__ and name in reference.__all__
    for word in ("Args:", "Raises:", "ifferentiable"):
        assert word in op.__doc__, f"{name} says nothing of {word}"


NAN = math.nan
P, O = torch.rand(10, 3), torch.tensor([0, 4, 10])
S = torch.tensor([0.5, 0.25])
BAD = [
    # op, arguments, error, what its message must hold
    ("voxelize", (P.double(), O, GRID), TypeError, "voxelize: xyz must be float32, got float64"),
    ("voxelize", (torch.rand(5, 4), O, GRID), ValueError, r"voxelize: xyz must have shape \(N, 3\), got \(5, 4\)"),
    ("voxelize", (P[0], O, GRID), ValueError, r"xyz must have shape \(N, 3\), got \(3,\)"),
    ("voxelize", (P.tolist(), O, GRID), TypeError, "xyz must be a torch.Tensor, got list"),
    ("voxelize", (P, O.int(), GRID), TypeError, "offsets must be int64, got int32"),
    ("voxelize", (P, O[:0], GRID), ValueError, "offsets must have at least one entry"),
    ("voxelize", (P, O[1:], GRID), ValueError, r"offsets must rise from 0 to 10 \(the rows of xyz\), got \[4, 10\]"),
    ("voxelize", (P, torch.tensor([0, 9]), GRID), ValueError, "must rise from 0 to 10"),
    ("voxelize", (P, torch.tensor([0, 7, 4, 10]), GRID), ValueError, "must rise from 0 to 10"),
    ("voxelize", (P, O[None], GRID), ValueError, "offsets must have shape"),
    ("voxelize", (P, O, (0, 1, 2)), TypeError, "grid must be a VoxelGrid, got tuple"),
    (
        "voxelize",
        (P, O, VoxelGrid((0, 0, 0), (2**32, 1, 1), (1, 1, 1))),
        ValueError,
        r"fewer than 2\*\*31 voxels along",
    ),
    (
        "voxel_index",
        (P, O, VoxelGrid((0, 0, 0), (2**21,) * 3, (1, 1, 1)), ()),
        ValueError,
        r"fewer than 2\*\*62 finest",
    ),
    ("voxel_index", (P, O, GRID, ((2, 2),)), ValueError, r"ratios must be three whole numbers >= 1, got \(2, 2\)"),
    ("voxel_index", (P, O, GRID, ((2, 2, 0),)), ValueError, "ratios must be three whole numbers >= 1"),
    ("voxel_index", (P, O, GRID, ((2, 2, 1.5),)), ValueError, "ratios must be three whole numbers >= 1"),
    ("voxel_index", (P, O, GRID, ((1, 1, 1),) * 6), ValueError, "at most 5 finer levels, got 6"),
    ("segment_reduce", (P, SEGMENT[:9], 30), ValueError, r"one entry per row of values \(10\), got 9"),
    ("segment_reduce", (P, SEGMENT[:10].int(), 30), TypeError, "segment must be int64, got int32"),
    ("segment_reduce", (P.long(), SEGMENT[:10], 30), TypeError, "values must be float32 or .*, got int64"),
    ("segment_reduce", (P[:, 0], SEGMENT[:10], 30), ValueError, r"values must have shape \(N, C\), got \(10,\)"),
    (
        "segment_reduce",
        (P, torch.full((10,), 3), 3),
        ValueError,
        r"segment must lie in \[-1, 3\), got values from 3 to 3",
    ),
    ("segment_reduce", (P, torch.full((10,), -2), 3), ValueError, r"segment must lie in \[-1, 3\)"),
    ("segment_reduce", (P, SEGMENT[:10], -1), ValueError, "num_segments must be >= 0, got -1"),
    ("segment_reduce", (P, SEGMENT[:10], 3.0), TypeError, "num_segments must be an int, got float"),
    (
        "segment_reduce",
        (P, SEGMENT[:10], 30, "median"),
        ValueError,
        "reduce must be one of 'sum', 'mean', 'max', got 'median'",
    ),
    ("knn", (P, P[:, :2], 3), ValueError, r"knn: key must have shape \(M, 3\), got \(10, 2\)"),
    ("knn", (P.half(), P, 3), TypeError, "knn: query must be float32, got float16"),
    ("knn", (P, P, 0), ValueError, "knn: k must be >= 1, got 0"),
    ("knn", (P, P, 2.0), TypeError, "knn: k must be an int, got float"),
    ("knn", (P, P, True), TypeError, "knn: k must be an int, got bool"),
    ("knn", (P, P, 3, O), ValueError, "query_offsets and key_offsets must name as many clouds, got 2 and 1"),
    ("knn", (P, P, 3, O, O + 1), ValueError, r"key_offsets must rise from 0 to 10 \(the rows of key\)"),
    ("knn", (P, P.to("meta"), 3), ValueError, r"key must be on the device of query \(cpu\), got meta"),
    ("radius_search", (P, P, -0.1), ValueError, "radius_search: radius must be finite and >= 0, got -0.1"),
    ("radius_search", (P, P, NAN), ValueError, "radius must be finite and >= 0, got nan"),
    ("radius_search", (P, P, math.inf), ValueError, "radius must be finite and >= 0, got inf"),
    ("radius_search", (P, P, "1"), TypeError, "radius must be a number, got str"),
    ("radius_search", (P, P, 1.0, 0), ValueError, "max_neighbors must be >= 1, got 0"),
    ("radius_search", (P, P, 1.0, 2.5), TypeError, "max_neighbors must be an int, got float"),
    ("radius_search", (P, P, 1.0, None, O), ValueError, "must name as many clouds"),
    ("farthest_point_sample", (P, O, 5), ValueError, "num_samples=5 finite points, cloud 0 has 4; ask for fewer"),
    ("farthest_point_sample", (P * NAN, O, 1), ValueError, "cloud 0 has 0"),
    ("farthest_point_sample", (P, O, 0), ValueError, "num_samples must be >= 1, got 0"),
    (
        "farthest_point_sample",
        (P, O, 2, 4),
        ValueError,
        "start must be a row of every cloud, got 4 and cloud 0 of 4 points",
    ),
    ("farthest_point_sample", (P, O, 2, -1), ValueError, "start must be >= 0, got -1"),
    ("farthest_point_sample", (P, None, 2), TypeError, "offsets must be a torch.Tensor, got NoneType"),
    ("local_pca", (P, O, 0), ValueError, "local_pca: k must be >= 1, got 0"),
    ("local_pca", (P.double(),), TypeError, "local_pca: xyz must be float32, got float64"),
    (
        "local_pca",
        (P, O, 3, P[:7]),
        ValueError,
        r"viewpoint must have shape \(3,\), \(10, 3\) .* \(2, 3\) .*, got \(7, 3\)",
    ),
    ("local_pca", (P, O, 3, P[0].double()), TypeError, "viewpoint must be float32, got float64"),
    ("local_pca", (P, O, 3, (0.0, 0.0, 1.0)), TypeError, "viewpoint must be a torch.Tensor, got tuple"),
    ("local_pca", (P, O, 3, P[0, :2]), ValueError, r"viewpoint must have shape \(3\), got \(2,\)"),
    (
        "points_in_boxes",
        (P, BOXES[:, :6]),
        ValueError,
        r"points_in_boxes: boxes must have shape \(M, 7\), got \(2, 6\)",
    ),
    ("points_in_boxes", (P, BOXES.long()), TypeError, "boxes must be float64 or float32, got int64"),
    ("points_in_boxes", (P.double(), BOXES), TypeError, "xyz must be float32, got float64"),
    ("points_in_boxes", (P, BOXES, O), ValueError, "offsets and box_offsets must name as many clouds, got 2 and 1"),
    ("points_in_boxes", (P, BOXES, O, O), ValueError, r"box_offsets must rise from 0 to 2 \(the rows of boxes\)"),
    (
        "box_iou",
        (BOXES, BOXES[:, :6]),
        ValueError,
        r"box_iou: b must have shape \(N, 7\) or more columns, got \(2, 6\)",
    ),
    ("box_iou", (BOXES[0], BOXES), ValueError, r"a must have shape \(N, 7\) or more columns, got \(7,\)"),
    ("box_iou", (BOXES.tolist(), BOXES), TypeError, "a must be a torch.Tensor, got list"),
    ("box_iou", (BOXES.half(), BOXES), TypeError, "a must be float64 or float32, got float16"),
    ("box_iou", (BOXES, BOXES.float()), TypeError, r"b must have the dtype of a \(float64\), got float32"),
    ("box_iou", (BOXES, BOXES, "2d"), ValueError, "kind must be one of 'bev', '3d', got '2d'"),
    ("box_iou", (BOXES, BOXES.to("meta")), ValueError, r"b must be on the device of a \(cpu\), got meta"),
    ("nms", (BOXES, P[:, 0], 0.5), ValueError, r"nms: scores must have one entry per box \(2\), got 10"),
    ("nms", (BOXES, S[:, None], 0.5), ValueError, r"scores must have shape \(N\), got \(2, 1\)"),
    ("nms", (BOXES, S.long(), 0.5), TypeError, "scores must be float64 or float32, got int64"),
    ("nms", (BOXES, S, 1.5), ValueError, r"iou_threshold must lie in \[0, 1\], got 1.5"),
    ("nms", (BOXES, S, NAN), ValueError, r"iou_threshold must lie in \[0, 1\], got nan"),
    ("nms", (BOXES, S, "0.5"), TypeError, "iou_threshold must be a number, got str"),
    ("nms", (BOXES, S, 0.5, SEGMENT), ValueError, r"groups must have one entry per box \(2\), got"),
    ("nms", (BOXES, S, 0.5, S), TypeError, "groups must be int64, got float32"),
    (
        "nms",
        (BOXES, S, 0.5, None, O),
        ValueError,
        r"offsets must rise from 0 to 2 \(the rows of boxes\), got \[0, 4, 10\]",
    ),
    ("nms", (BOXES, S, 0.5, None, None, 0), ValueError, "max_kept must be >= 1, got 0"),
    ("nms", (BOXES, S, 0.5, None, None, 2.0), TypeError, "max_kept must be an int, got float"),
    ("nms", (BOXES, S, 0.5, None, None, None, "BEV"), ValueError, "kind must be one of 'bev', '3d', got 'BEV'"),
    ("nms", (BOXES, S * NAN, 0.5), ValueError, "boxes must be finite and scores not NaN, got .* in row 0; 2 such rows"),
    ("nms", (BOXES.clone().fill_(math.inf), S, 0.5), ValueError, "boxes must be finite .* leave them out"),
]


@pytest.mark.parametrize(("name", "arguments", "error", "message"), BAD, ids=[f"{b[0]}-{i}" for i, b in enumerate(BAD)])
def test_bad_input_is_refused_by_name(name, arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        getattr(ops, name)(*arguments)
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize(
    "name", ["knn", "radius_search", "local_pca", "farthest_point_sample", "points_in_boxes", "voxelize", "nms"]
)
def test_a_compiled_graph_refuses_offsets_out_of_range(name):
    """Their values are unknown while it is traced; the kernel must not read past the end."""
    torch._dynamo.reset()
    call = {
        "knn": lambda o: ops.knn(P, P, 2, o, o),
        "radius_search": lambda o: ops.radius_search(P, P, 1.0, None, o, o),
        "local_pca": lambda o: ops.local_pca(P, o, 3),
        "farthest_point_sample": lambda o: ops.farthest_point_sample(P, o, 1),
        "points_in_boxes": lambda o: ops.points_in_boxes(P, BOXES, o, o),
        "voxelize": lambda o: ops.voxelize(P, o, GRID),
        "nms": lambda o: ops.nms(BOXES, S, 0.5, None, o),
    }[name]
    with pytest.raises(RuntimeError, match="must rise from 0 to"):
        torch.compile(call, backend="eager")(torch.tensor([0, 1000, 2000]))
