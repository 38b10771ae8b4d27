"""Plain torch for :mod:`geopt.ops.segment_reduce`."""

from __future__ import annotations

import torch
from torch import Tensor


def segment_reduce(values: Tensor, segment: Tensor, num_segments: int, reduce: str = "sum") -> Tensor:
    rows = []
    for number in range(num_segments):
        members = values[segment == number]
        if members.shape[0] == 0:
            rows.append(values.new_zeros(values.shape[1]))
        elif reduce == "max":
            # max(dim) sends the gradient to one row, the first that attains it; amax would share it out.
            first = torch.argmax((members == members.amax(dim=0)).to(torch.int8), dim=0)
            first = torch.where(members.isnan().any(dim=0), members.isnan().to(torch.int8).argmax(dim=0), first)
            rows.append(members.gather(0, first[None])[0])
        else:
            total = members[0]
            for member in members[1:]:  # in row order, as the kernels add
                total = total + member
            rows.append(total / members.shape[0] if reduce == "mean" else total)
    return torch.stack(rows) if rows else values.new_zeros(0, values.shape[1])
