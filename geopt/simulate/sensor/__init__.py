"""Spinning LiDARs: which rays they shoot, what the rays meet, and what comes back."""

from geopt.simulate.sensor.beams import azimuths, directions, times
from geopt.simulate.sensor.caster import Caster, Hits
from geopt.simulate.sensor.models import SENSORS, Sensor, sensor
from geopt.simulate.sensor.scan import Motion, Mover, Scan, scan

__all__ = [
    "SENSORS",
    "Caster",
    "Hits",
    "Motion",
    "Mover",
    "Scan",
    "Sensor",
    "azimuths",
    "directions",
    "scan",
    "sensor",
    "times",
]
