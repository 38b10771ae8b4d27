"""Whether two frames, boxes or clouds agree to the bit."""

import dataclasses

import numpy as np
import torch


def assert_same(a, b):
    """Two dataclasses (samples, boxes, batches), two NamedTuples (clouds) or two arrays: the same bits, NaN among them."""
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name))
    elif hasattr(a, "_fields"):
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, torch.Tensor):
        assert_same(a.numpy(), b.numpy())
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    else:
        assert a == b
