"""Data sets on disk as their scans come: in nuScenes format, or as Waymo's parquet components."""

from geopt.simulate.writer.folder import Folder
from geopt.simulate.writer.owned import OwnedFolder, Settings
from geopt.simulate.writer.scene import SceneWriter
from geopt.simulate.writer.waymo import WaymoFolder

__all__ = ["Folder", "OwnedFolder", "SceneWriter", "Settings", "WaymoFolder"]
