"""Logs in the SQLite files of rosbag2.

Source: https://github.com/ros2/rosbag2, the schema of rosbag2_storage_sqlite3.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote


class Message(NamedTuple):
    """Where a message lies."""

    log_time_ns: int
    row: int


def _check_journal(path: Path) -> None:
    """SQLite reads a file that it must not change without its journal."""
    journal = path.with_name(f"{path.name}-wal")
    if journal.is_file() and journal.stat().st_size:
        raise ValueError(
            f"scans: {path} lacks what {journal.name} beside it holds, for nobody closed the log; join them with "
            f"`sqlite3 {path.name} 'PRAGMA wal_checkpoint(TRUNCATE)'`"
        )


def _check_size(path: Path) -> None:
    """SQLite reads what is missing of the last page as zeros."""
    with path.open("rb") as file:
        header = file.read(32)
    if len(header) < 32 or not header.startswith(b"SQLite format 3\0"):
        raise ValueError("no SQLite file")
    page_bytes, num_pages = struct.unpack_from(">H", header, 16)[0], struct.unpack_from(">I", header, 28)[0]
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    size = path.stat().st_size
    if not page_bytes or size % page_bytes or size < page_bytes * num_pages:
        raise ValueError(f"{num_pages} pages of {page_bytes} bytes are not in {size}")


class SqliteLog:
    """What an SQLite file of rosbag2 holds; it pickles.

    Args:
        path: The file, which is only read.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is damaged, or no such log; names the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as database:
            rows = database.execute("SELECT name, type FROM topics WHERE serialization_format = 'cdr'").fetchall()
        self.topics: dict[str, str] = {str(name): str(kind) for name, kind in rows}

    def messages(self, topic: str) -> list[Message]:
        """All messages of a topic, in the order of time.

        Raises:
            FileNotFoundError, ValueError: see the class.
        """
        query = (
            "SELECT messages.timestamp, messages.id FROM messages JOIN topics ON topics.id = topic_id WHERE name = ?"
        )
        with self._open() as database:
            return sorted(Message(int(time), int(row)) for time, row in database.execute(query, (topic,)))

    def read(self, message: Message) -> bytes:
        """What was logged.

        Raises:
            FileNotFoundError, ValueError: the file is missing, damaged or another than before; names it.
        """
        with self._open() as database:
            found = database.execute("SELECT data FROM messages WHERE id = ?", (message.row,)).fetchone()
            if found is None or not isinstance(found[0], bytes):
                raise ValueError(f"must have message {message.row}")
            return found[0]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            raise FileNotFoundError(f"scans: {self.path} is missing")
        _check_journal(self.path)
        try:
            _check_size(self.path)
            # immutable: SQLite must not leave files beside a log
            with contextlib.closing(
                sqlite3.connect(f"file:{quote(str(self.path.resolve()))}?mode=ro&immutable=1", uri=True)
            ) as database:
                yield database
        except (sqlite3.Error, ValueError, TypeError, OverflowError, MemoryError) as error:
            raise ValueError(f"scans: {self.path} must be a log of rosbag2 ({error}); copy the file again") from error
