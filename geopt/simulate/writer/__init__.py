"""A nuScenes folder on disk: point files as they come, rows when a scene is finished, tables last."""

from geopt.simulate.writer.folder import Folder, Settings
from geopt.simulate.writer.scene import SceneWriter

__all__ = ["Folder", "SceneWriter", "Settings"]
