"""``python -m geopt.cli``, which torchrun wants."""

from geopt.cli import main

main()
