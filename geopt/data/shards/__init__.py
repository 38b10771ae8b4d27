"""Any dataset as Arrow files that are mapped into memory and read at random."""

from geopt.data.shards.reader import Shards
from geopt.data.shards.writer import pack

__all__ = ["Shards", "pack"]
