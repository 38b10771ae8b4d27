"""Everything that stands: along the kerbs, on the lots beside the streets, and on the land behind them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from geopt.simulate.city import furniture
from geopt.simulate.city.buildings import block, hall, house, shed
from geopt.simulate.city.claims import Frontage, beside
from geopt.simulate.city.ground import FAR_M, Ground
from geopt.simulate.city.places import Places
from geopt.simulate.city.plan import WEST, Plan
from geopt.simulate.city.planting import Nursery
from geopt.simulate.city.rect import Rect
from geopt.simulate.city.vegetation import hedge
from geopt.simulate.classes import MANMADE
from geopt.simulate.meshes import Mesh, box, merged
from geopt.simulate.randomness import stream

KERBSIDE = {
    "residential": {
        "tree": 0.42,
        "bush": 0.10,
        "sign": 0.07,
        "hydrant": 0.03,
        "litter_bin": 0.03,
        "cabinet": 0.04,
        "tuft": 0.1,
    },
    "downtown": {
        "tree": 0.34,
        "sign": 0.10,
        "bollard": 0.12,
        "parking_meter": 0.12,
        "litter_bin": 0.06,
        "cabinet": 0.05,
    },
    "industrial": {"tree": 0.30, "bush": 0.08, "sign": 0.08, "tuft": 0.15, "cabinet": 0.06, "hydrant": 0.03},
    "park": {"tree": 0.42, "bush": 0.10, "sign": 0.06, "litter_bin": 0.06, "bollard": 0.06, "tuft": 0.1},
}
"""Chance of each thing at each place of the strip behind a kerb."""
LOTS = {  # share with a building, length, depth, setback, storeys, builder
    "residential": (0.78, (8.0, 14.0), (7.0, 10.0), (3.0, 7.5), (1, 3), house),
    "downtown": (0.90, (11.0, 26.0), (10.0, 17.0), (0.35, 1.2), (3, 9), block),
    "industrial": (0.68, (18.0, 38.0), (12.0, 22.0), (3.0, 9.0), (2, 5), hall),
    "park": (0.18, (8.0, 16.0), (7.0, 12.0), (2.0, 8.0), (1, 4), block),
}
BOUNDS = {
    "residential": ("hedge", "hedge", "hedge", "pickets", "wall", ""),
    "downtown": ("wall", "rail", "hedge", "hedge"),
    "industrial": ("mesh", "mesh", "wall", "hedge", ""),
    "park": ("hedge", "hedge", "rail", ""),
}
"""What divides lots from the sidewalk; one is drawn for each lot."""


class Lot(NamedTuple):
    """A part of a frontage, and the random numbers for it."""

    u: float
    length_m: float
    depth_m: float
    """From the sidewalk to the building, or to where it would end."""
    rng: np.random.Generator


class Scenery:
    """Puts up everything that stands."""

    def __init__(self, seed: int, name: str, plan: Plan, ground: Ground, places: Places) -> None:
        self.plan, self.ground, self.claims = plan, ground, places.claims
        self.nursery = Nursery(seed, name)
        self._parts: list[Mesh] = []
        self._poses: list[tuple[float, float, float, float]] = []
        self._green = stream(seed, name, "green").uniform(0.7, 1.3)
        self._has_poles = plan.style in ("residential", "industrial")
        self._put_signals(stream(seed, name, "signals"))
        for k, frontage in enumerate(places.frontages):
            self._line_kerb(stream(seed, name, "kerb", k), frontage)
        lots = [self._build_lots(stream(seed, name, "lots", k), f) for k, f in enumerate(places.frontages)]
        for frontage, some in zip(places.frontages, lots):
            for lot in some:
                self._plant_yard(frontage, lot)
                self._bound(frontage, lot)
        self._fill_land(stream(seed, name, "scatter"))

    def put(self, mesh: Mesh, xy: ArrayLike, yaw: float, z: float = np.nan) -> None:
        """Stand a mesh at a height; without one, on the ground."""
        x, y = np.asarray(xy, dtype=np.float64)
        self._parts.append(mesh)
        self._poses.append((float(x), float(y), z, yaw))

    def mesh(self) -> Mesh:
        """Everything that was put up."""
        poses = np.array(self._poses)
        ground = self.ground.height(poses[:, :2])
        poses[:, 2] = np.where(np.isnan(poses[:, 2]), ground, poses[:, 2])
        x, y, z, yaw = np.repeat(poses, [len(part.vertices) for part in self._parts], axis=0).T
        whole = merged(self._parts)
        a, b, up = whole.vertices.T
        cos, sin = np.cos(yaw), np.sin(yaw)
        return whole._replace(vertices=np.stack([x + a * cos - b * sin, y + a * sin + b * cos, z + up], axis=1))

    def _put_signals(self, rng: np.random.Generator) -> None:
        """Traffic lights where a wide street is crossed, else signs, at the stop lines."""
        for place, node in self.plan.nodes.items():
            widest = max(self.plan.street(place, arm).lanes for arm in node.arms)
            has_lights = rng.uniform() < (0.9 if widest > 1 else 0.25)
            for arm in node.roads:
                street, sign = self.plan.street(place, arm), 1 if arm < WEST else -1
                u = self.plan.leave(place, arm, node.stop_m[arm] + 0.8)
                xy = street.point(u, sign * (street.half_m + street.strip_m / 2))
                yaw = float(street.heading(u)) + (0.0 if sign > 0 else np.pi)
                if self.ground.value("road", xy[None])[0] < 0.4:
                    continue
                reach = street.half_m - street.median_m if street.lanes > 1 else 0.0
                if has_lights:
                    self.put(furniture.traffic_light(rng, reach), xy, yaw)
                elif rng.uniform() < 0.7:
                    self.put(furniture.sign(rng), xy, yaw)

    def _line_kerb(self, rng: np.random.Generator, frontage: Frontage) -> None:
        """Lamps, trees, signs and the rest in the strip between kerb and sidewalk."""
        street, style = frontage.street, frontage.style
        chances = KERBSIDE[style]
        spacing = rng.uniform(24, 36)
        next_lamp = frontage.start_u + rng.uniform(2, spacing)
        has_poles = self._has_poles and frontage.side > 0
        u = frontage.start_u + rng.uniform(0.6, 3.0)
        while u < frontage.end_u - 1.0:
            draw, kind = rng.uniform(), ""
            for name, share in chances.items():
                share *= self._green if name in ("tree", "bush") else 1.0
                if not kind and draw < share:
                    kind = name
                draw -= share
            if u >= next_lamp:
                kind, next_lamp = "utility_pole" if has_poles else "lamp", u + spacing
            if kind == "parking_meter" and not street.parking_m:
                kind = "sign"
            piece = np.random.default_rng(rng.integers(2**63))  # the details of a thing do not shift the next one
            if kind and frontage.is_clear(u - 0.8, u + 0.8):
                if kind in ("tree", "bush", "tuft"):
                    plant = kind if kind != "tree" else "distant" if frontage.is_stub else "avenue"
                    made = self.nursery.grow(piece, plant, 0.7 if kind == "bush" else 1.0)
                else:
                    made = getattr(furniture, kind)(piece)
                yaw = float(street.heading(u)) + (0.0 if frontage.side > 0 else np.pi)
                self.put(made, street.point(u, frontage.side * (street.half_m + street.strip_m / 2)), yaw)
            u += rng.uniform(2.5, 5.0)

    def _build_lots(self, rng: np.random.Generator, frontage: Frontage) -> list[Lot]:
        """Put up buildings side by side behind a sidewalk; returns the lots, built on or not."""
        street, style = frontage.street, frontage.style
        share, lengths, depths, setbacks, storeys, build = LOTS[style]
        mean_storeys, lots = rng.uniform(*storeys), []
        if rng.uniform() < 0.15:
            self._put_beside(frontage, furniture.shelter(rng), rng.uniform(frontage.start_u, frontage.end_u), 4.2, 1.6)
        u = frontage.start_u - 4.0
        while u < frontage.end_u + 4.0:
            length, setback = rng.uniform(*lengths), rng.uniform(*setbacks)
            lot = np.random.default_rng(rng.integers(2**63))
            gap = rng.uniform(0.0, 1.5) if style == "downtown" else rng.uniform(1.0, 5.0)
            depth = lot.uniform(*depths)
            is_wanted, is_built = lot.uniform() < share, False
            yard = max(setback - 1.4, min(setback, 0.3))  # steps, balconies and awnings reach 1.3 m before the front
            for long, deep in ((1.0, depth), (1.0, 0.75 * depths[0]), (0.6, depths[0]), (0.6, 0.6 * depths[0])):
                if is_wanted and not is_built:
                    middle = u + long * length / 2
                    rect = beside(street, middle, frontage.side, street.edge_m + setback, long * length - 0.3, deep)
                    porch = beside(street, middle, frontage.side, street.edge_m + yard, rect.length_m, setback - yard)
                    is_built = self.claims.is_free(porch) and self.claims.try_take(rect.grown(0.15), 0.02)
                    if is_built:
                        self.claims.take(porch)
                        floors = int(np.clip(round(lot.normal(mean_storeys, 1.0)), 1, 12))
                        self._erect(build(lot, rect.length_m, deep, floors), rect, frontage.side)
                        length = long * length
            if is_wanted and not is_built:
                length = 3.0  # the ground is taken; try again farther on
            lots.append(Lot(u, length, setback if is_built else depths[1], lot))
            u += length + gap
        return lots

    def _erect(self, mesh: Mesh, rect: Rect, side: int) -> None:
        """Stand a building on its ground, its front towards the street."""
        yaw = rect.yaw + (0.0 if side > 0 else np.pi)
        front = rect.place(0.0, -side * rect.width_m / 2)
        z = float(self.ground.height(rect.corners()).min() + 0.2)
        self.put(mesh, front, yaw, max(z, float(self.ground.height(front[None])[0])))

    def _put_beside(
        self, frontage: Frontage, mesh: Mesh, u: float, length: float, depth: float, near_m: float = 0.2
    ) -> None:
        """Put a thing behind the sidewalk if there is room."""
        street = frontage.street
        rect = beside(street, u, frontage.side, street.edge_m + near_m, length, depth)
        if self.claims.try_take(rect):
            self.put(mesh, rect.xy, rect.yaw + (0.0 if frontage.side > 0 else np.pi))

    def _plant_yard(self, frontage: Frontage, lot: Lot) -> None:
        """Trees and bushes between a sidewalk and what stands behind it."""
        rng, style = lot.rng, frontage.style
        density = {"residential": 0.03, "downtown": 0.01, "industrial": 0.016, "park": 0.04}[style]
        for _ in range(rng.poisson(density * self._green * lot.length_m * lot.depth_m)):
            u, away = lot.u + rng.uniform(0, lot.length_m), 0.9 + rng.uniform(0, max(lot.depth_m - 1.5, 0.5))
            kind = str(rng.choice(["distant" if frontage.is_stub else "garden", "bush", "bush", "tuft"]))
            size = 0.5 if kind == "tuft" else 0.8
            self._put_beside(frontage, self.nursery.grow(rng, kind), u, size, size, away)
        if style == "downtown" and rng.uniform() < 0.15:
            self._put_beside(frontage, furniture.bench(rng), lot.u + rng.uniform(0, lot.length_m), 2.0, 0.8)
        if rng.uniform() < 0.05:
            self._put_beside(frontage, furniture.billboard(rng), lot.u + lot.length_m / 2, 4.6, 0.5, 0.8)

    def _bound(self, frontage: Frontage, lot: Lot) -> None:
        """A fence, wall or hedge along the sidewalk, in pieces, with gaps where the ground is taken."""
        rng, street = lot.rng, frontage.street
        kind, height = str(rng.choice(BOUNDS[frontage.style])), rng.uniform(0.8, 1.9)
        count = round(lot.length_m / 2.4)
        if not kind or not count:
            return
        piece_m = lot.length_m / count
        width = 0.7 if kind == "hedge" else 0.3
        made = hedge(rng, piece_m, width, height) if kind == "hedge" else furniture.fence(rng, piece_m, kind)
        middles = lot.u + (np.arange(count) + 0.5) * piece_m
        rects = [beside(street, u, frontage.side, street.edge_m + 0.12, piece_m, width) for u in middles]
        free = [rect for rect in rects if self.claims.is_free(rect)]  # all asked before any is taken: they touch
        for rect in free:
            self.claims.take(rect)
            self.put(made, rect.xy, rect.yaw + (0.0 if frontage.side > 0 else np.pi))

    def _fill_land(self, rng: np.random.Generator) -> None:
        """Plants, sheds, back buildings and clutter on what is left, and coarser things far from the streets."""
        low = np.array(self.ground.grid.lower) + 8.0
        high = np.array(self.ground.grid.lower) + np.array(self.ground.grid.shape) - 9.0
        places = rng.uniform(low, high, size=(1400, 2))
        walk = self.ground.value("walk", places)
        row = sum((places[:, 1] > s.point(places[:, 0])[:, 1]).astype(int) for s in self.plan.rows)
        column = sum((places[:, 0] > s.point(places[:, 1])[:, 0]).astype(int) for s in self.plan.columns)
        for k, place in enumerate(places):
            own = np.random.default_rng(rng.integers(2**63))
            if walk[k] < 1.0:
                continue
            style = self.plan.blocks[int(np.asarray(row)[k]), int(np.asarray(column)[k])].style
            if walk[k] >= FAR_M - 1:
                self._fill_far(own, style, place)
            else:
                self._fill_near(own, style, place, walk[k] > 14.0)

    def _fill_far(self, rng: np.random.Generator, style: str, place: np.ndarray) -> None:
        if rng.uniform() < 0.75:
            if rng.uniform() < 0.5 and self.claims.try_take(Rect(place, 0.0, 1.5, 1.5)):
                self.put(self.nursery.grow(rng, "distant", 1.25), place, 0.0)
            return
        rect = Rect(place, rng.uniform(0, np.pi), rng.uniform(10, 28), rng.uniform(9, 16))
        if self.claims.try_take(rect.grown(4.0)):
            top = rng.uniform(4, 9) if style in ("residential", "park") else rng.uniform(6, 22)
            shape = box(
                (-rect.length_m / 2, -rect.width_m / 2, -3), (rect.length_m / 2, rect.width_m / 2, top), MANMADE, 0.35
            )
            self.put(shape, place, rect.yaw)

    def _fill_near(self, rng: np.random.Generator, style: str, place: np.ndarray, is_deep: bool) -> None:
        draw, yaw = rng.uniform() / self._green, rng.uniform(0, 2 * np.pi)
        trees, bushes = {
            "residential": (0.10, 0.24),
            "downtown": (0.12, 0.18),
            "industrial": (0.1, 0.22),
            "park": (0.2, 0.42),
        }[style]
        if draw < trees:
            if self.claims.try_take(Rect(place, 0.0, 1.6, 1.6)):
                self.put(self.nursery.grow(rng, "distant" if is_deep else "garden"), place, yaw)
        elif draw < bushes:
            kind = "bush" if rng.uniform() < 0.5 else "tuft"
            if self.claims.try_take(Rect(place, 0.0, 1.0, 1.0)):
                self.put(self.nursery.grow(rng, kind), place, yaw)
        elif draw < bushes + 0.12:
            rect = Rect(place, yaw, rng.uniform(3.0, 6.5), rng.uniform(2.4, 4.0))
            if self.claims.try_take(rect.grown(0.4)):
                self._erect(shed(rng, rect.length_m, rect.width_m, 1), rect, 1)
        elif draw < bushes + 0.2 and style != "park":
            rect = Rect(place, yaw, rng.uniform(9, 18), rng.uniform(8, 12))
            if self.claims.try_take(rect.grown(1.5)):
                build = hall if style == "industrial" else block
                self._erect(build(rng, rect.length_m, rect.width_m, 2), rect, 1)
        elif draw < bushes + 0.3:
            made = furniture.pallets(rng) if style == "industrial" else furniture.bench(rng)
            if self.claims.try_take(Rect(place, yaw, 2.0, 1.3)):
                self.put(made, place, yaw)
