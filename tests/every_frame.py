"""Everything that a dataset has, read once."""

from geopt.data.source import Source


def read_all(source: Source, num_frames: int) -> None:
    """Clouds of two scans, boxes and labels of all frames."""
    for row in range(num_frames):
        source.cloud(row, source.past(row, 1))
        if source.is_key_frame(row):
            source.boxes(row)
        if source.has_labels(row):
            source.point_labels(row, "fine")
