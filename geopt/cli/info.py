"""``geopt info``."""

from __future__ import annotations

import os

from geopt.cli.app import app


@app.command()
def info() -> None:
    """Print versions, how the ops were built, and which back ends each op has.

    Example: [bold]geopt info[/bold]
    """
    import torch
    from rich.console import Console
    from rich.table import Table

    from geopt import ops
    from geopt.train.run_folder import versions

    console = Console()
    facts = Table.grid(padding=(0, 2))
    build = ops.build_info()
    for name, value in (
        *versions().items(),
        ("CUDA kernels for", build["cuda_archs"] or "none: built without CUDA"),
        ("compiler", " ".join(filter(None, (build["compiler"], build["nvcc"] and f"nvcc {build['nvcc']}")))),
        ("SIMD of the ops", f"{build['simd']} (this processor has {build['processor_simd']})"),
        ("threads", f"{torch.get_num_threads()} of {os.cpu_count()} processors"),
    ):
        facts.add_row(name, value or "none")
    console.print(facts, highlight=False)
    table = Table("op", "on CPU tensors", "on CUDA tensors", title="back ends", title_justify="left")
    for op, places in ops.backends().items():
        table.add_row(op, places["cpu"], places["cuda"])
    console.print(table, highlight=False)
