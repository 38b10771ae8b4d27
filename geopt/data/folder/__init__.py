"""Any folder of scan files: no tables, no labels."""

from geopt.data.folder.config import FolderConfig
from geopt.data.folder.layout import Scan, ScanLayout
from geopt.data.folder.reader import Folder
from geopt.data.folder.scan_files import find_scans, read_scan, without_suffix

__all__ = ["Folder", "FolderConfig", "Scan", "ScanLayout", "find_scans", "read_scan", "without_suffix"]
