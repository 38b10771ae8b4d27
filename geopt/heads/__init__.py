"""What stands on a pre-trained encoder: detection, segmentation, tracking."""
