"""Places where things stand that are not part of the city: parked vehicles, work sites, plazas, racks, bins, barriers."""

from __future__ import annotations

import dataclasses

import numpy as np

from geopt.simulate.city.claims import Claims, Frontage, beside
from geopt.simulate.city.ground import Fields, Grid
from geopt.simulate.city.plan import EAST, NORTH, WEST, Plan, beyond
from geopt.simulate.city.rect import Rect
from geopt.simulate.randomness import Floats, stream

STUB_M = 85.0
"""How far buildings and bays follow a street that leaves the city."""


@dataclasses.dataclass(frozen=True, eq=False)
class Bay:
    """Where a parked vehicle stands: along the kerb, or on a parking lot or driveway."""

    xy: Floats
    """(2,) its middle."""
    yaw: float
    """Radians: along the traffic beside it, or out of the lot."""
    length_m: float
    width_m: float
    kind: str
    """kerb or lot."""


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """A rectangle that belongs to one kind of thing."""

    kind: str
    """construction, plaza, rack, bins or barriers."""
    xy: Floats
    """(2,) its middle."""
    yaw: float
    """Radians: its length lies along it."""
    length_m: float
    width_m: float
    outline: Floats
    """(4, 2) corners, counter-clockwise."""


@dataclasses.dataclass
class Places:
    """All of them, and what they mean for the ground."""

    bays: list[Bay]
    sites: list[Site]
    paved: list[Rect]
    """Driveways and parking lots."""
    plazas: list[Rect]
    dips: list[tuple[float, float, float]]
    """x, y and radius where the kerb is lowered."""
    claims: Claims
    frontages: list[Frontage]

    def add_site(self, kind: str, rect: Rect) -> None:
        """Note a site, smaller than its ground by 5 cm on each side."""
        inner = rect.grown(-0.05)
        self.sites.append(Site(kind, rect.xy, rect.yaw, inner.length_m, inner.width_m, inner.corners()))


def draw_places(seed: int, name: str, plan: Plan, grid: Grid, fields: Fields) -> Places:
    """Give ground to sites and parking, first the rare ones."""
    frontages = _frontages(plan)
    places = Places([], [], [], [], [], Claims(grid, fields), frontages)
    rng = stream(seed, name, "sites")
    order = [frontages[k] for k in rng.permutation(len(frontages))]
    inner = [f for f in order if f.is_inner]
    for kind, count in (("lot", 3), ("construction", 2), ("plaza", 3), ("rack", 5), ("bins", 8)):
        wanted = count + int(rng.integers(0, 3)) + (2 if plan.style == "industrial" and kind == "lot" else 0)
        for frontage in inner:
            if wanted and _place_off_street(kind, rng, frontage, places):
                wanted -= 1
    in_strip = int(rng.integers(2, 4)) * ["construction"] + int(rng.integers(2, 4)) * ["barriers"]
    for frontage in [f for f in inner if f.street.parking_m]:
        if in_strip and _place_in_strip(in_strip[0], rng, frontage, places):
            del in_strip[0]
    _place_on_islands(rng, places)
    for frontage in frontages:
        if frontage.style == "residential":
            _draw_driveways(stream(seed, name, "driveways", frontages.index(frontage)), frontage, places)
    for k, frontage in enumerate(frontages):
        _draw_kerb_bays(stream(seed, name, "bays", k), frontage, places)
    return places


def _frontages(plan: Plan) -> list[Frontage]:
    found = []
    for place, node in plan.nodes.items():
        for arm in node.arms:
            if arm in node.roads and arm >= WEST:
                continue  # seen from the other end
            street, start = plan.street(place, arm), plan.leave(place, arm, node.stop_m[arm] + 1.0)
            if arm in node.roads:
                other = beyond(place, arm)
                end = plan.leave(other, (arm + 2) % 4, plan.nodes[other].stop_m[(arm + 2) % 4] + 1.0)
            else:
                end = plan.leave(place, arm, node.stop_m[arm] + STUB_M)
            low, high = min(start, end), max(start, end)
            i, j = place
            for side in (1, -1):
                if arm % 2 == 0:  # along a row: the left side is north
                    block = (i + (side > 0), j + (arm == EAST))
                else:  # along a column: the left side is west
                    block = (i + (arm == NORTH), j + (side < 0))
                found.append(Frontage(plan, street, side, (low, high), block, arm in node.stubs))
    return found


def _place_off_street(kind: str, rng: np.random.Generator, frontage: Frontage, places: Places) -> bool:
    """Try to put a lot or site behind the sidewalk of a frontage."""
    street, side = frontage.street, frontage.side
    length, depth = {
        "lot": (2.6 * rng.integers(6, 11) + 6.5, 17.0),
        "construction": (rng.uniform(16, 24), rng.uniform(11, 15)),
        "plaza": (rng.uniform(9, 16), rng.uniform(5, 9)),
        "rack": (rng.uniform(3.5, 6.5), 2.3),
        "bins": (rng.uniform(2.0, 3.5), 1.3),
    }[kind]
    space = frontage.end_u - frontage.start_u
    if space < length + 2:
        return False
    u = rng.uniform(frontage.start_u + length / 2, frontage.end_u - length / 2)
    near = street.edge_m + (1.5 if kind in ("lot", "construction") else 0.25)
    rect = beside(street, u, side, near, length, depth)
    mouth_u = u - (length / 2 - 3.2) if kind == "lot" else u
    if kind == "lot" and not frontage.is_clear(mouth_u - 5, mouth_u + 5):
        return False
    if not places.claims.try_take(rect.grown(0.3) if kind != "lot" else rect.grown(0.6), margin_m=-0.1):
        return False
    if kind == "lot":
        _pave_lot(rng, frontage, mouth_u, rect, places)
    else:
        places.add_site(kind, rect)
        if kind != "construction":
            places.plazas.append(rect.grown(0.3))
    return True


def _pave_lot(rng: np.random.Generator, frontage: Frontage, mouth_u: float, rect: Rect, places: Places) -> None:
    """A parking lot: an aisle along the street between two rows of bays, and a driveway at its beginning."""
    places.paved.append(rect.grown(0.5))
    _open_kerb(frontage, mouth_u, 5.0, rect.width_m / 2 + 2, places)
    for k in range(int((rect.length_m - 6.6) / 2.6)):
        along = 6.5 - rect.length_m / 2 + 2.6 * (k + 0.5)
        for across in (-1, 1):
            out = rng.choice([0.0, np.pi])  # some reverse into their bay
            yaw = rect.yaw + np.pi / 2 + out
            places.bays.append(Bay(np.round(rect.place(along, across * 5.8), 6), round(yaw, 6), 5.2, 2.5, "lot"))


def _open_kerb(frontage: Frontage, u: float, width_m: float, depth_m: float, places: Places) -> None:
    """A driveway from the carriageway over the sidewalk; no bay stands before it."""
    street, side = frontage.street, frontage.side
    strip = beside(street, u, side, street.half_m - 0.6, width_m, street.edge_m - street.half_m + 0.6 + depth_m)
    places.paved.append(strip)
    kerb = street.point(u, side * street.half_m)
    places.dips.append((float(kerb[0]), float(kerb[1]), width_m / 2))
    places.claims.take(strip)
    frontage.mouths.append((u - width_m / 2 - 1.0, u + width_m / 2 + 1.0))


def _place_in_strip(kind: str, rng: np.random.Generator, frontage: Frontage, places: Places) -> bool:
    """Try to put a site where vehicles would park."""
    street = frontage.street
    length = rng.uniform(13, 20) if kind == "construction" else rng.uniform(7, 12)
    if frontage.end_u - frontage.start_u < length + 12:
        return False
    u = rng.uniform(frontage.start_u + length / 2 + 4, frontage.end_u - length / 2 - 4)
    if not frontage.is_clear(u - length / 2 - 1, u + length / 2 + 1):
        return False
    frontage.mouths.append((u - length / 2 - 1, u + length / 2 + 1))
    depth = street.parking_m - 0.2
    places.add_site(kind, beside(street, u, frontage.side, street.half_m - depth - 0.1, length, depth))
    return True


def _place_on_islands(rng: np.random.Generator, places: Places) -> None:
    """Rows of barriers on some islands."""
    for frontage in places.frontages:
        street = frontage.street
        is_long = frontage.end_u - frontage.start_u > 30
        if street.median_m and frontage.side > 0 and frontage.is_inner and is_long and rng.uniform() < 0.3:
            u = (frontage.start_u + frontage.end_u) / 2 + rng.uniform(-5, 5)
            width = min(1.4, 2 * street.median_m - 0.8)
            places.add_site("barriers", beside(street, u, 1, -width / 2, rng.uniform(8, 14), width))


def _draw_driveways(rng: np.random.Generator, frontage: Frontage, places: Places) -> None:
    """Driveways to houses, some with a bay at their end."""
    u = frontage.start_u + rng.uniform(4, 14)
    while u < frontage.end_u - 4:
        if rng.uniform() < 0.6 and frontage.is_clear(u - 3, u + 3):
            street, depth = frontage.street, rng.uniform(6.5, 9.0)
            ground = beside(street, u, frontage.side, street.edge_m + 0.1, 3.0, depth)
            if places.claims.is_free(ground, margin_m=-0.1):
                _open_kerb(frontage, u, 3.2, depth + 0.9, places)
                places.claims.take(ground)
                if rng.uniform() < 0.7:
                    spot = beside(street, u, frontage.side, street.edge_m + depth - 5.4, 2.4, 5.2)
                    yaw = spot.yaw + np.pi / 2 + rng.choice([0.0, np.pi])
                    places.bays.append(Bay(spot.xy, round(yaw, 6), 5.2, 2.4, "lot"))
        u += rng.uniform(13, 24)


def _draw_kerb_bays(rng: np.random.Generator, frontage: Frontage, places: Places) -> None:
    """Bays along the kerb, wherever the parking strip is free."""
    street = frontage.street
    if not street.parking_m:
        return
    ahead = np.pi if frontage.side > 0 else 0.0  # traffic keeps to the right
    u = frontage.start_u + 3.0
    while True:
        length = rng.uniform(5.6, 6.8) if rng.uniform() < 0.92 else rng.uniform(8.5, 11.0)
        if u + length > frontage.end_u - 3.0:
            return
        if frontage.is_clear(u, u + length):
            depth = street.parking_m - 0.2
            rect = beside(street, u + length / 2, frontage.side, street.half_m - depth - 0.1, length, depth)
            places.bays.append(
                Bay(rect.xy, round(rect.yaw + ahead, 6), round(length - 0.4, 3), round(depth, 3), "kerb")
            )
            u += length
        else:
            u += 1.0
