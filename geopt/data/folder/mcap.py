"""Logs in MCAP files.

Source: https://mcap.dev/spec, version 0.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from geopt.optional import require

MAGIC = b"\x89MCAP0\r\n"
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX = 2, 3, 4, 5, 6, 7
MESSAGE_HEADER = 22
"""Bytes before what was logged."""
MAX_CHUNK_BYTES = 1 << 30
MAX_RECORD_BYTES = 64 << 20
"""Of schemas, channels and indexes."""


class Message(NamedTuple):
    """Where a message lies."""

    log_time_ns: int
    record: int
    """Place of the record in the file: of the chunk, or of the message itself."""
    offset: int
    """Of the message in the unpacked chunk; -1 where it is in none."""


class McapLog:
    """What an MCAP file holds; it pickles. All records are looked at once, but of chunks only the index, where it is there.

    Args:
        path: The file.
        kinds: Types of the messages that will be asked for; of others there may be millions, and their places are not kept.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is damaged or cut off; names the file.
        ImportError: chunks are compressed, and what unpacks them is not installed.
    """

    def __init__(self, path: Path, kinds: Collection[str]) -> None:
        self.path = path
        self._schemas: dict[int, str] = {0: ""}
        self._channels: dict[int, tuple[int, str, str]] = {}
        self._messages: dict[int, list[Message]] = {}
        try:
            with path.open("rb") as file:
                self._scan(file)
            self.topics = {
                topic: self._schemas[schema] if encoding == "cdr" else f"{self._schemas[schema]} as {encoding}"
                for schema, topic, encoding in self._channels.values()
            }
        except (ValueError, struct.error, KeyError, MemoryError) as error:
            raise self._damaged(error) from error
        wanted = {topic for topic, kind in self.topics.items() if kind in kinds}
        self._messages = {
            number: self._messages[number]
            for number, (_, topic, _) in self._channels.items()
            if topic in wanted and number in self._messages
        }

    def messages(self, topic: str) -> list[Message]:
        """All messages of a topic of one of ``kinds``, in the order of time."""
        channels = [number for number, channel in self._channels.items() if channel[1] == topic]
        return sorted(message for number in channels for message in self._messages.get(number, ()))

    def read(self, message: Message) -> bytes:
        """What was logged.

        Raises:
            FileNotFoundError, ValueError: the file is missing, damaged or another than before; names it.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(message.record)
                opcode, size = self._record(file)
                if message.offset >= 0 and opcode == CHUNK:
                    inner = io.BytesIO(_unpacked(_read(file, size)))
                    inner.seek(message.offset)
                    opcode, size = self._record(inner)
                    content = _read(inner, size)
                else:
                    content = _read(file, size)
            if opcode != MESSAGE or len(content) < MESSAGE_HEADER:
                raise ValueError(f"must have a message at byte {message.record}")
            return content[MESSAGE_HEADER:]
        except (ValueError, struct.error, OverflowError, MemoryError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> ValueError:
        reason = f"has no schema or channel {error}" if isinstance(error, KeyError) else str(error)
        return ValueError(f"scans: {self.path} {reason}; a log that was cut off may be mended by `mcap recover`")

    def _record(self, file: BinaryIO) -> tuple[int, int]:
        opcode, size = struct.unpack("<BQ", _read(file, 9))
        return opcode, size

    def _scan(self, file: BinaryIO) -> None:
        end = os.fstat(file.fileno()).st_size
        if _read(file, len(MAGIC)) != MAGIC:
            raise ValueError("must be an MCAP file")
        opcode, without_index = 0, list[int]()
        indexed: dict[int, set[int]] = {}
        chunk = -1
        while opcode != FOOTER:
            place = file.tell()
            opcode, size = self._record(file)
            if size > end - file.tell() or (opcode == MESSAGE and size < MESSAGE_HEADER):
                raise ValueError(f"ends within a record that begins at byte {place}")
            if opcode == CHUNK:
                chunk = place
                indexed[chunk] = set()
                file.seek(size, os.SEEK_CUR)
            elif opcode == MESSAGE_INDEX:
                channel = self._take_index(_small(file, size), chunk)
                indexed.setdefault(chunk, set()).add(channel)
            elif opcode == MESSAGE:
                channel, _, time_ns = struct.unpack("<HIQ", _read(file, 14))
                self._messages.setdefault(channel, []).append(Message(time_ns, place, -1))
                file.seek(place + 9 + size)
            elif opcode in (SCHEMA, CHANNEL):
                self._define(opcode, _small(file, size))
            else:
                file.seek(size, os.SEEK_CUR)
        without_index = [
            place for place, channels in indexed.items() if not channels or not channels <= set(self._channels)
        ]
        for place in without_index:
            self._scan_chunk(file, place, with_messages=not indexed[place])

    def _scan_chunk(self, file: BinaryIO, place: int, with_messages: bool) -> None:
        file.seek(place)
        data = _unpacked(_read(file, self._record(file)[1]))
        inner, offset = io.BytesIO(data), 0
        while offset < len(data):
            opcode, size = self._record(inner)
            content = _read(inner, size)
            if opcode == MESSAGE and with_messages:
                channel, _, time_ns = struct.unpack_from("<HIQ", content)
                self._messages.setdefault(channel, []).append(Message(time_ns, place, offset))
            elif opcode in (SCHEMA, CHANNEL):
                self._define(opcode, content)
            offset = inner.tell()

    def _take_index(self, content: bytes, chunk: int) -> int:
        channel, size = struct.unpack_from("<HI", content)
        if chunk < 0 or size % 16 or size != len(content) - 6:
            raise ValueError("must have whole message indexes after chunks")
        entries = np.frombuffer(content, "<u8", offset=6).reshape(-1, 2).tolist()
        self._messages.setdefault(channel, []).extend(Message(time_ns, chunk, offset) for time_ns, offset in entries)
        return channel

    def _define(self, opcode: int, content: bytes) -> None:
        if opcode == SCHEMA:
            (number,) = struct.unpack_from("<H", content)
            self._schemas[number] = _text(content, 2)[0]
        else:
            number, schema = struct.unpack_from("<HH", content)
            topic, after = _text(content, 4)
            self._channels[number] = (schema, topic, _text(content, after)[0])


def _read(file: BinaryIO, size: int) -> bytes:
    """So many bytes, checked before they are asked for."""
    here = file.tell()
    left = file.seek(0, os.SEEK_END) - here
    file.seek(here)
    if size > left:
        raise ValueError(f"ends within a record: {size} bytes are missing of {max(left, 0)}")
    return file.read(size)


def _small(file: BinaryIO, size: int) -> bytes:
    if size > MAX_RECORD_BYTES:
        raise ValueError(f"must have records of at most {MAX_RECORD_BYTES} bytes, got {size}")
    return _read(file, size)


def _text(content: bytes, place: int) -> tuple[str, int]:
    """A text after its length, and where it ends."""
    (size,) = struct.unpack_from("<I", content, place)
    if size > len(content) - place - 4:
        raise ValueError("has a text that ends behind its record")
    return content[place + 4 : place + 4 + size].decode("utf-8", "replace"), place + 4 + size


def _unpacked(chunk: bytes) -> bytes:
    _, _, size, checksum = struct.unpack_from("<QQQI", chunk)
    compression, place = _text(chunk, 28)
    (packed_size,) = struct.unpack_from("<Q", chunk, place)
    packed = chunk[place + 8 :]
    if packed_size != len(packed) or size > MAX_CHUNK_BYTES:
        raise ValueError(f"must have chunks of at most {MAX_CHUNK_BYTES} bytes, got one of {packed_size} for {size}")
    data = unpack(packed, compression, size)
    if len(data) != size or (checksum and zlib.crc32(data) != checksum):
        raise ValueError("has a damaged chunk: its checksum differs")
    return data


def unpack(packed: bytes, compression: str, size: int) -> bytes:
    """Undo ``lz4``, ``zstd`` or nothing, to ``size`` bytes at most.

    Raises:
        ValueError: the data is damaged, or the compression another.
        ImportError: its package is not installed.
    """
    if not compression:
        return packed
    if compression == "lz4":
        lz4 = require("lz4.frame", "logs")
        try:
            return lz4.LZ4FrameDecompressor().decompress(packed, max_length=size + 1)
        except (RuntimeError, EOFError) as error:
            raise ValueError(f"has damaged lz4 data ({error})") from error
    if compression == "zstd":
        zstandard = require("zstandard", "logs")
        try:
            with zstandard.ZstdDecompressor().stream_reader(packed) as stream:
                return stream.read(size + 1)
        except zstandard.ZstdError as error:
            raise ValueError(f"has damaged zstd data ({error})") from error
    raise ValueError(f"must be compressed by lz4 or zstd, got {compression!r}")
