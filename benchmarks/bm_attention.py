"""What window and group attention cost: `OMP_WAIT_POLICY=passive python benchmarks/bm_attention.py [--threads 2]`.

Tokens lie as a 32-beam sensor leaves them on pillars of 0.256 m: their density falls with distance, and much is
hidden. Times are the best of several runs, forward and backward together.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from geopt.models.attention import partition_attention
from geopt.models.encoder import Encoder, GroupConfig, WindowConfig
from geopt.models.partition import Partition, group_partition, window_partition
from geopt.structures import VoxelGrid

GRID = VoxelGrid((-51.2, -51.2, -3.2), (51.2, 51.2, 4.8), (0.256, 0.256, 8.0))
WINDOW, GROUP_SIZE = (12, 12), 64


def lidar_tokens(num_tokens: int, seed: int = 0) -> Tensor:
    """(num_tokens, 4) int32 cells of one cloud."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.cartesian_prod(torch.arange(GRID.shape[0]), torch.arange(GRID.shape[1]))
    distance = (cells - 200).float().norm(dim=1) * GRID.size[0]
    blocks = torch.rand(27, 27, generator=generator)  # of 3.8 m, of which two in three are hidden
    in_view = (blocks > 0.65)[cells[:, 0] // 15, cells[:, 1] // 15]
    weight = torch.exp(-distance / 20) * in_view
    chosen = torch.multinomial(weight, num_tokens, generator=generator)
    return torch.nn.functional.pad(cells[chosen], (1, 1)).int()


def one_padded_batch(q: Tensor, k: Tensor, v: Tensor, partition: Partition) -> Tensor:
    """All segments padded to the longest: what the buckets are compared with."""
    lengths = partition.offsets.diff().long()
    longest = int(lengths.max())
    is_token = torch.arange(longest) < lengths[:, None]
    slot = is_token.flatten().nonzero()[:, 0]

    def padded(rows: Tensor) -> Tensor:
        slots = rows.new_zeros(lengths.numel() * longest, *rows.shape[1:]).index_copy(0, slot, rows[partition.order])
        return slots.view(lengths.numel(), longest, *rows.shape[1:]).transpose(1, 2)

    out = F.scaled_dot_product_attention(padded(q), padded(k), padded(v), is_token[:, None, None])
    return out.transpose(1, 2).flatten(0, 1)[slot][partition.rank]


def best_ms(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begin))
    return min(times)


def attention_ms(coords: Tensor, num_heads: int, width: int, repeats: int) -> dict[str, float]:
    """One layer of attention without its projections, by method; every method is first checked against the loop."""
    q, k, v = (torch.randn(coords.shape[0], num_heads, width, requires_grad=True) for _ in range(3))
    grad = torch.randn_like(q)
    window = window_partition(coords, WINDOW, GRID.shape)
    group = group_partition(coords, GROUP_SIZE, GRID.shape)
    methods: dict[str, tuple[Partition, Callable[[], Tensor]]] = {
        "windows, buckets": (window, lambda: partition_attention(q, k, v, window, "bucketed")),
        "windows, one padded batch": (window, lambda: one_padded_batch(q, k, v, window)),
        "windows, loop": (window, lambda: partition_attention(q, k, v, window, "reference")),
        f"groups of {GROUP_SIZE}": (group, lambda: partition_attention(q, k, v, group, "bucketed")),
    }
    times = {}
    # The lambdas are called at once, before the loop goes on.
    for name, (partition, method) in methods.items():
        torch.testing.assert_close(method(), partition_attention(q, k, v, partition, "reference"), rtol=0, atol=1e-5)
        times[name] = best_ms(lambda: method().backward(grad), repeats)  # noqa: B023
    return times


def encoder_ms(coords: Tensor, d_model: int, num_heads: int, repeats: int) -> dict[str, float]:
    """Six blocks, and the tables that all their layers share."""
    configs = (
        WindowConfig(d_model=d_model, num_heads=num_heads, d_ffn=2 * d_model, window=WINDOW),
        GroupConfig(d_model=d_model, num_heads=num_heads, d_ffn=2 * d_model, group_size=GROUP_SIZE),
    )
    times = {}
    for config in configs:
        encoder = Encoder(config, GRID)
        tokens = torch.randn(coords.shape[0], d_model, requires_grad=True)
        grad = torch.randn_like(tokens)
        tables = encoder.tables(coords)
        times[f"{config.kind}: tables"] = best_ms(lambda: [t.padded for t in encoder.tables(coords)], repeats)  # noqa: B023
        times[f"{config.kind}: six blocks"] = best_ms(lambda: encoder(tokens, coords, tables).backward(grad), repeats)  # noqa: B023
    return times


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=12)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    machine = lines[0].partition(": ")[2] if lines else platform.processor()
    print(f"{machine}, {arguments.threads} threads, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}, float32")
    print(f"{'forward and backward, ms':<28}{'4,000 x 64':>14}{'12,000 x 128':>14}")
    columns = []
    for num_tokens, d_model, num_heads in ((4000, 64, 4), (12000, 128, 8)):
        coords = lidar_tokens(num_tokens)
        lengths = window_partition(coords, WINDOW, GRID.shape).offsets.diff()
        column: dict[str, str] = {
            "windows": f"{lengths.numel()}",
            "tokens in the longest": f"{int(lengths.max())}",
        }
        rows = attention_ms(coords, num_heads, d_model // num_heads, arguments.repeats)
        rows |= encoder_ms(coords, d_model, num_heads, arguments.repeats)
        columns.append(column | {name: f"{value:.1f}" for name, value in rows.items()})
    for name, value in columns[0].items():
        print(f"{name:<28}{value:>14}{columns[1][name]:>14}")


if __name__ == "__main__":
    main()
