"""One transformer layer: attention inside a partition, then a two-layer perceptron, each on a residual branch."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geopt.models.attention import Backend, PartitionAttention
from geopt.models.partition import Partition
from geopt.models.position import Position


class Layer(nn.Module):
    """Attention and perceptron, normalised before each branch (``pre``) or after each sum (``post``).

    ``post``: x = norm1(x + attention(x)), x = norm2(x + mlp(x)), as in SST and the released GeoMAE.
    ``pre``: x = x + attention(norm1(x)), x = x + mlp(norm2(x)).

    Args:
        d_model: Width of a token.
        num_heads: Heads of attention, a divisor of ``d_model``.
        d_ffn: Width of the hidden layer of the perceptron, which has a GELU.
        norm: ``pre`` or ``post``.
        layer_scale: Initial value of a learned factor per channel on both branches; None has no factor.
        dropout: Share of values zeroed in the hidden layer and at the end of both branches, in training.
        drop_path: Share of tokens for which a branch is left out, in training; the others are scaled up to match.
        backend: See :func:`geopt.models.attention.partition_attention`.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_ffn: int,
        norm: Literal["pre", "post"],
        layer_scale: float | None,
        dropout: float,
        drop_path: float,
        backend: Backend,
    ) -> None:
        super().__init__()
        self.is_pre_norm = norm == "pre"
        self.dropout = dropout
        self.drop_path = drop_path
        self.attention = PartitionAttention(d_model, num_heads, backend)
        self.linear1 = nn.Linear(d_model, d_ffn)
        self.linear2 = nn.Linear(d_ffn, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.scale1 = nn.Parameter(torch.full((d_model,), layer_scale)) if layer_scale is not None else None
        self.scale2 = nn.Parameter(torch.full((d_model,), layer_scale)) if layer_scale is not None else None

    def forward(self, tokens: Tensor, partition: Partition, position: Position) -> Tensor:
        """(T, d_model) tokens to (T, d_model)."""
        if self.is_pre_norm:
            tokens = self._add(tokens, self.attention(self.norm1(tokens), partition, position), self.scale1)
            return self._add(tokens, self._mlp(self.norm2(tokens)), self.scale2)
        tokens = self.norm1(self._add(tokens, self.attention(tokens, partition, position), self.scale1))
        return self.norm2(self._add(tokens, self._mlp(tokens), self.scale2))

    def _mlp(self, tokens: Tensor) -> Tensor:
        hidden = F.dropout(F.gelu(self.linear1(tokens)), self.dropout, self.training)
        return self.linear2(hidden)

    def _add(self, tokens: Tensor, branch: Tensor, scale: Tensor | None) -> Tensor:
        branch = F.dropout(branch, self.dropout, self.training)
        if self.training and self.drop_path:
            branch = branch * F.dropout(branch.new_ones(branch.shape[0], 1), self.drop_path)
        return tokens + branch if scale is None else torch.addcmul(tokens, branch, scale)


def xavier_uniform(module: nn.Module) -> None:
    """Draw every parameter with two or more dimensions anew, as the released model does; biases stay.

    Source: Glorot and Bengio, AISTATS 2010.
    """
    for parameter in module.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)
