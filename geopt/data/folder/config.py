"""What ``data.kind=folder`` is configured by."""

from __future__ import annotations

from typing import Literal

from geopt.data.folder.layout import ScanLayout


class FolderConfig(ScanLayout):
    """What a folder of scans holds besides the scans, and what is made of it."""

    pattern: str = "**/*"
    """What the paths of scans below the folder are like, where other files in it look like scans too."""
    sensor: str = ""
    """Name of the sensor, for the record."""
    poses: str = ""
    """File of poses in the folder of each scene or one above it, such as ``poses.txt``; empty takes what is found, ``none``
    ignores it. In a log, the name of a topic with odometry."""
    poses_of: Literal["sensor", "ego"] = "sensor"
    """What the poses are of: the sensor of the files, or the vehicle (x forward, y left, z up, on the ground)."""
    times: str = ""
    """File with the time of each scan, as ``poses``; empty also takes times that files are named by."""
    topic: str = ""
    """Of a log: the topic to read; empty makes each topic of point clouds a scene."""
    deskew: bool = False
    """Bring each point to where it was seen from the vehicle at the time of the scan, by its own time and the poses."""
