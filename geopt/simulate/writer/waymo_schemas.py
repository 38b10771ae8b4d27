"""Columns of the components of Waymo's version 2 that are written."""

from __future__ import annotations

from types import ModuleType
from typing import Any

XYZ = ("x", "y", "z")


def schemas(pa: ModuleType) -> dict[str, Any]:
    """Arrow schema by component.

    Source: waymo-open-dataset 1.6.7, package v2.perception; its test data.
    """
    segment = [("key.segment_context_name", pa.string())]
    frame = [*segment, ("key.frame_timestamp_micros", pa.int64())]
    laser = ("key.laser_name", pa.int8())
    float64, transform = pa.float64(), pa.list_(pa.float64(), 16)

    def images(component: str, returns: int, kind: Any) -> list[tuple[str, Any]]:
        parts = {"values": pa.list_(kind), "shape": pa.list_(pa.int32(), 3)}
        numbers = range(1, returns + 1)
        return [(f"[{component}].range_image_return{n}.{part}", parts[part]) for n in numbers for part in parts]

    def named(component: str, columns: dict[str, Any]) -> list[tuple[str, Any]]:
        return [(f"[{component}].{name}", kind) for name, kind in columns.items()]

    box = {f"box.{group}.{axis}": float64 for group in ("center", "size") for axis in XYZ} | {"box.heading": float64}
    box |= {"type": pa.int8(), "num_lidar_points_in_box": pa.int64(), "num_top_lidar_points_in_box": pa.int64()}
    box |= {f"{group}.{axis}": float64 for group in ("speed", "acceleration") for axis in XYZ}
    box |= {f"difficulty_level.{task}": pa.int8() for task in ("detection", "tracking")}
    beams = {f"beam_inclination.{side}": float64 for side in ("min", "max")}
    calibration = {"extrinsic.transform": transform, **beams, "beam_inclination.values": pa.list_(float64)}
    stats: dict[str, Any] = {name: pa.string() for name in ("time_of_day", "location", "weather")}
    for sensor in ("lidar", "camera"):
        stats |= {f"{sensor}_object_counts.types": pa.list_(pa.int8())}
        stats |= {f"{sensor}_object_counts.counts": pa.list_(pa.int32())}
    fields = {
        "lidar": [*frame, laser, *images("LiDARComponent", 2, pa.float32())],
        "lidar_pose": [*frame, laser, *images("LiDARPoseComponent", 1, pa.float32())],
        "lidar_segmentation": [*frame, laser, *images("LiDARSegmentationLabelComponent", 2, pa.int32())],
        "lidar_calibration": [*segment, laser, *named("LiDARCalibrationComponent", calibration)],
        "lidar_box": [*frame, ("key.laser_object_id", pa.string()), *named("LiDARBoxComponent", box)],
        "stats": [*frame, *named("StatsComponent", stats)],
        "vehicle_pose": [*frame, *named("VehiclePoseComponent", {"world_from_vehicle.transform": transform})],
    }
    return {component: pa.schema(columns) for component, columns in fields.items()}
