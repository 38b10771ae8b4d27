"""The compression of PCD files."""

from __future__ import annotations


def decompress(data: bytes, size: int) -> bytes:
    """Undo LZF (Marc Lehmann's LibLZF): runs of up to 32 literal bytes, and copies of up to 264 bytes from up to 8 KiB back.

    Args:
        data: Compressed bytes.
        size: How many bytes come out.

    Raises:
        ValueError: the data is damaged, or more or fewer bytes come out.
    """
    if size > 88 * len(data):  # three bytes become 264 at most
        raise ValueError(f"must not promise {size} bytes in {len(data)} compressed ones")
    out, place, end = bytearray(), 0, len(data)
    while place < end:
        control = data[place]
        place += 1
        if control < 32:
            if place + control >= end:
                raise ValueError("ends within its compressed data")
            out += data[place : place + control + 1]
            place += control + 1
        else:
            length = control >> 5
            if length == 7 and place < end:
                length += data[place]
                place += 1
            if place >= end:
                raise ValueError("ends within its compressed data")
            back = ((control & 31) << 8) + data[place] + 1
            place, length, begin = place + 1, length + 2, len(out) - back
            if begin < 0:
                raise ValueError("has damaged compressed data: it refers to what is before its beginning")
            if back >= length:
                out += out[begin : begin + length]
            else:  # it repeats what it writes
                out += (out[begin:] * (length // back + 1))[:length]
        if len(out) > size:
            break
    if len(out) != size:
        raise ValueError(f"must hold {size} bytes when decompressed, got {'more' if len(out) > size else len(out)}")
    return bytes(out)
