"""Spinning LiDARs: which rays they shoot, what the rays meet, and what comes back."""

from geopt.simulate.sensor.beams import azimuths, directions, times
from geopt.simulate.sensor.caster import Caster, Hits
from geopt.simulate.sensor.light import Light, draw_light
from geopt.simulate.sensor.models import SENSORS, Sensor, sensor
from geopt.simulate.sensor.scan import Motion, Mover, Scan, scan

__all__ = [
    "SENSORS",
    "Caster",
    "Hits",
    "Light",
    "Motion",
    "Mover",
    "Scan",
    "Sensor",
    "azimuths",
    "directions",
    "draw_light",
    "scan",
    "sensor",
    "times",
]
