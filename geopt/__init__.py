"""Pre-train 3D encoders on unlabelled LiDAR by predicting masked geometry."""

__version__ = "0.1.0"
