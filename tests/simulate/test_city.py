"""The map of the simulated city: what it promises to whoever drives, walks, parks and is cast on it."""

import functools
import itertools

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from geopt.simulate.city import City
from geopt.simulate.city.lanes import build_lanes
from geopt.simulate.city.plan import draw_plan
from geopt.simulate.city.vegetation import broad_tree, bush, conifer, slim_tree
from geopt.simulate.classes import MANMADE, OTHER_FLAT, ROAD, SIDEWALK, TERRAIN, VEGETATION

SEEDS = (2, 4, 0, 1, 3)
HALF_M = 1.3
"""Half the width of what drives on lanes and connectors."""

MORE = [pytest.param(seed, marks=pytest.mark.long) for seed in SEEDS[2:]]
seeds = pytest.mark.parametrize("seed", [*SEEDS[:2], *MORE])
meshed = pytest.mark.parametrize("seed", [SEEDS[0], *MORE])


@functools.cache
def city(seed: int) -> City:
    return City(seed, "scene-0061")


def turn(angle):
    """Angles as between -pi and pi."""
    return (np.asarray(angle) + np.pi) % (2 * np.pi) - np.pi


def band(path, half_m: float, step_m: float = 0.5) -> np.ndarray:
    """Places (N, 2) all over the strip within half_m of a path, from its beginning to its end."""
    s = np.linspace(0.0, path.length_m, int(path.length_m / step_m) + 2)
    yaw, aside = path.heading(s), np.linspace(-half_m, half_m, 9 + int(2 * half_m))
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
    return (path.point(s)[:, None] + aside[:, None] * normal[:, None]).reshape(-1, 2)


def rectangle(thing, step_m: float = 0.25, margin_m: float = 0.0) -> np.ndarray:
    """Places (N, 2) all over the rectangle of a bay or site."""
    sides = [np.linspace(-1, 1, int(m / step_m) + 2) * (m / 2 + margin_m) for m in (thing.length_m, thing.width_m)]
    x, y = (axis.ravel() for axis in np.meshgrid(*sides))
    cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
    return thing.xy + np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)


def is_inside(thing, xy: np.ndarray, margin_m: float = 0.0) -> np.ndarray:
    """Whether places (N, 2) lie in the rectangle of a bay or site widened by a margin."""
    dx, dy = (xy - thing.xy).T
    cos, sin = np.cos(thing.yaw), np.sin(thing.yaw)
    along, across = np.abs(dx * cos + dy * sin), np.abs(dy * cos - dx * sin)
    return (along < thing.length_m / 2 + margin_m) & (across < thing.width_m / 2 + margin_m)


def middles(paths, step_m: float = 0.2) -> np.ndarray:
    """Places (N, 2) close together on the lines of some paths."""
    return np.concatenate([p.point(np.arange(0.0, p.length_m, step_m)) for p in paths])


@pytest.mark.parametrize("name", ["scene-0061", "scene-0103", "scene-0004", "scene-0022", "scene-0033", "scene-0052"])
def test_every_lane_can_be_reached_from_every_other(name):
    lanes = build_lanes(draw_plan(0, name))  # in the last four the usual turns alone leave a ring by itself
    pairs = np.array([(row, after) for row, lane in enumerate(lanes) for after in lane.next])
    size = len(lanes)
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(size, size))
    assert connected_components(graph, connection="strong")[0] == 1
    assert len(pairs) == len({tuple(pair) for pair in pairs.tolist()})


@seeds
def test_lanes_go_on_where_the_one_before_ends_and_the_way_it_points(seed):
    for lane in city(seed).lanes:
        assert lane.next
        for after in (city(seed).lanes[row] for row in lane.next):
            assert (lane.line[-1] == after.line[0]).all()
            assert abs(turn(lane.headings[-1] - after.headings[0])) < 1e-4
            assert (lane.junction < 0) != (after.junction < 0)


@seeds
def test_headings_are_those_of_the_line_and_points_are_a_metre_apart(seed):
    for lane in city(seed).lanes:
        steps = np.diff(lane.line, axis=0)
        length = np.hypot(*steps.T)
        assert 0.4 < length.min() and length.max() < 1.01
        middle = (lane.headings[1:] + lane.headings[:-1]) / 2
        assert np.abs(turn(np.arctan2(steps[:, 1], steps[:, 0]) - middle)).max() < 0.01
        assert lane.length_m == pytest.approx(length.sum())
        radius = length / np.maximum(np.abs(np.diff(lane.headings)), 1e-9)
        assert radius.min() > (4.0 if lane.junction >= 0 else 40.0)


@seeds
def test_places_on_a_path_are_between_its_points(seed):
    lane = city(seed).lanes[-1]
    s = np.array([0.0, 0.3 * lane.length_m, lane.length_m])
    assert lane.point(s).shape == (3, 2) and lane.point(1.0).shape == (2,)
    assert np.allclose(lane.point(s), [lane.point(v) for v in s]) and np.allclose(
        lane.heading(s)[1], lane.heading(s[1])
    )
    assert (lane.point(-5.0) == lane.line[0]).all() and (lane.point(1e3) == lane.line[-1]).all()
    walk = city(seed).walks[0]
    assert np.allclose(walk.point(1.5 + walk.length_m), walk.point(1.5))


@seeds
def test_turns_turn_the_way_they_are_called(seed):
    lanes = city(seed).lanes
    for lane in lanes:
        bend = np.degrees(turn(lane.headings[-1] - lane.headings[0]))
        low, high = {"straight": (-35, 35), "left": (50, 130), "right": (-130, -50), "": (-35, 35)}[lane.turn]
        assert low < bend < high
        assert bool(lane.turn) == (lane.junction >= 0)
    assert {lane.turn for lane in lanes} == {"straight", "left", "right", ""}


@seeds
def test_conflicts_are_the_connectors_whose_swept_areas_overlap(seed):
    lanes = city(seed).lanes
    origin = {after: row for row, lane in enumerate(lanes) if lane.junction < 0 for after in lane.next}
    num_conflicts = 0
    for junction in city(seed).junctions:
        areas = {row: band(lanes[row], HALF_M, 0.2) for row in junction.lanes}
        trees = {row: cKDTree(lanes[row].point(np.arange(0.0, lanes[row].length_m, 0.05))) for row in junction.lanes}
        for a, b in itertools.combinations(junction.lanes, 2):
            assert (a in lanes[b].conflicts) == (b in lanes[a].conflicts)
            if origin[a] != origin[b]:
                gap = min(trees[b].query(areas[a])[0].min(), trees[a].query(areas[b])[0].min())
                if abs(gap - HALF_M) > 0.1:  # nearer than that the samples cannot tell
                    assert (b in lanes[a].conflicts) == (gap < HALF_M)
                if lanes[a].next == lanes[b].next:
                    assert b in lanes[a].conflicts
                num_conflicts += b in lanes[a].conflicts
    assert num_conflicts > 100
    for row, lane in enumerate(lanes):
        assert all(lanes[other].junction == lane.junction for other in lane.conflicts)
        assert (lane.junction >= 0) == any(row in junction.lanes for junction in city(seed).junctions)


@seeds
def test_what_drives_has_road_under_it(seed):
    for lane in city(seed).lanes:
        assert (city(seed).surface(band(lane, HALF_M)) == ROAD).all()
        assert lane.width_m >= 3.0


@seeds
def test_lanes_side_by_side_do_not_touch(seed):
    roads = [lane for lane in city(seed).lanes if lane.junction < 0]
    trees = [cKDTree(lane.point(np.arange(0.0, lane.length_m, 0.25))) for lane in roads]
    for a, b in itertools.combinations(range(len(roads)), 2):
        if np.hypot(*(roads[a].line[0] - roads[b].line[-1])) < 300:
            assert trees[a].query(roads[b].line)[0].min() > 2 * HALF_M


@seeds
def test_walks_are_closed_and_keep_to_sidewalks_and_driveways(seed):
    driving = cKDTree(middles(city(seed).lanes))
    for walk in city(seed).walks:
        assert (walk.line[0] == walk.line[-1]).all()
        assert walk.width_m >= 0.3
        places = band(walk, walk.width_m)
        surface = city(seed).surface(places)
        assert np.isin(surface, (SIDEWALK, ROAD)).all()
        assert (surface == SIDEWALK).mean() > 0.7  # the rest are driveways
        assert driving.query(places)[0].min() > 1.6


@seeds
def test_crosswalks_join_walks_over_the_road_and_name_who_cuts_them(seed):
    for row, crossing in enumerate(city(seed).crossings):
        for walk, place, end in zip(crossing.walks, crossing.places_m, (crossing.line[0], crossing.line[-1])):
            assert np.abs(city(seed).walks[walk].point(place) - end).max() < 1e-5
        surface = city(seed).surface(crossing.point(np.linspace(0, crossing.length_m, 200)))
        changes = np.flatnonzero(np.diff((surface == ROAD).astype(int)))
        assert len(changes) == 2 and surface[100] == ROAD  # down one kerb, up the other, no island between
        junction = city(seed).junctions[crossing.junction]
        assert row in junction.crossings
        fine = cKDTree(middles([crossing], 0.05))
        for connector in junction.lanes:
            gap = fine.query(middles([city(seed).lanes[connector]], 0.05))[0].min()
            if gap < 0.5:
                assert connector in crossing.conflicts
            if gap > 2.5:
                assert connector not in crossing.conflicts


@seeds
def test_bays_and_sites_overlap_nothing(seed):
    place = city(seed)
    driving = cKDTree(middles(place.lanes))
    walking = cKDTree(middles(place.crossings))
    things = [*place.bays, *place.sites]
    for thing in things:
        spots = rectangle(thing, 0.6)
        assert driving.query(spots)[0].min() > HALF_M
        assert walking.query(spots)[0].min() > 1.2
    centres = cKDTree([thing.xy for thing in things])
    for a, b in centres.query_pairs(25.0):
        assert not is_inside(things[a], rectangle(things[b])).any()
        assert not is_inside(things[b], rectangle(things[a])).any()
    for walk in place.walks:
        spots = band(walk, walk.width_m)
        for thing in things:
            assert not is_inside(thing, spots).any()


@seeds
def test_bays_are_paved_and_sites_are_of_every_kind(seed):
    for bay in city(seed).bays:
        assert (city(seed).surface(rectangle(bay)) == ROAD).all()
        if bay.kind == "kerb":  # along the traffic
            lane = min(
                (lane for lane in city(seed).lanes if lane.junction < 0),
                key=lambda lane: np.hypot(*(lane.line - bay.xy).T).min(),
            )
            nearest = np.hypot(*(lane.line - bay.xy).T).argmin()
            gap = np.hypot(*(lane.line[nearest] - bay.xy))
            assert gap > 6 or abs(turn(bay.yaw - lane.headings[nearest])) < 0.05
    assert {bay.kind for bay in city(seed).bays} == {"kerb", "lot"}
    assert len(city(seed).bays) > 100
    assert {site.kind for site in city(seed).sites} == {"construction", "plaza", "rack", "bins", "barriers"}
    for site in city(seed).sites:
        assert is_inside(site, site.outline, 1e-6).all() and not is_inside(site, site.outline, -1e-6).any()


@seeds
def test_kerbs_step_up_and_are_low_at_crosswalks(seed):
    rng, place = np.random.default_rng(seed), city(seed)
    steps = []
    for lane in (lane for lane in place.lanes if lane.junction < 0):
        s = rng.uniform(0, lane.length_m, 6)
        yaw = lane.heading(s) - np.pi / 2  # to the right
        out = np.arange(0.0, 9.0, 0.02)[:, None]
        for spot, angle in zip(lane.point(s), yaw):
            ray = spot + out * [np.cos(angle), np.sin(angle)]
            left = np.flatnonzero(place.surface(ray) != ROAD)
            if len(left):
                steps.append(np.diff(place.height(ray[left[0] - 2 : left[0] + 1]), 2)[0])
    steps = np.array(steps)
    assert len(steps) > 200
    assert -0.01 < steps.min() and steps.max() < 0.175
    assert 0.095 < np.median(steps)
    for crossing in place.crossings:
        ray = crossing.point(np.arange(0.0, crossing.length_m, 0.02))
        assert np.abs(np.diff(place.height(ray), 2)).max() < 0.05


@seeds
def test_all_kinds_of_ground_lie_near_lanes(seed):
    places = np.concatenate([band(lane, 14.0, 3.0) for lane in city(seed).lanes if lane.junction < 0])
    share = np.bincount(city(seed).surface(places), minlength=32) / len(places)
    assert share.sum() == pytest.approx(share[[ROAD, SIDEWALK, TERRAIN, OTHER_FLAT]].sum())
    assert 0.3 < share[ROAD] < 0.8
    assert share[SIDEWALK] > 0.05 and share[TERRAIN] > 0.02 and share[OTHER_FLAT] > 0.002


@seeds
def test_the_ground_rolls_gently(seed):
    rng = np.random.default_rng(seed)
    roads = middles([lane for lane in city(seed).lanes if lane.junction < 0], 2.0)
    height = city(seed).height(roads)
    assert height.max() - height.min() > 1.0
    ahead = rng.uniform(0, 2 * np.pi, len(roads))
    near = roads + 0.3 * np.stack([np.cos(ahead), np.sin(ahead)], axis=1)
    assert np.abs(city(seed).height(near) - height).max() < 0.12 * 0.3


def test_places_off_the_map_are_an_error():
    with pytest.raises(ValueError, match="places must lie between"):
        city(SEEDS[0]).height(np.array([[0.0, 0.0], [5000.0, 0.0]]))
    with pytest.raises(ValueError, match="places must lie between"):
        city(SEEDS[0]).surface(np.array([[0.0, -5000.0]]))


def test_the_picture_shows_where_one_can_walk_and_drive():
    picture, (x0, x1, y0, y1) = city(SEEDS[0]).raster(0.5)
    assert picture.dtype == np.uint8 and set(np.unique(picture)) == {0, 255}
    assert ((x1 - x0) * 2, (y1 - y0) * 2) == (picture.shape[1], picture.shape[0])
    for lane in city(SEEDS[0]).lanes[:40]:
        x, y = lane.line.T
        assert (picture[((y1 - y) * 2).astype(int), ((x - x0) * 2).astype(int)] == 255).all()
    rows, columns = np.nonzero(picture == 0)
    spots = np.stack([x0 + (columns + 0.5) / 2, y1 - (rows + 0.5) / 2], axis=1)[::97]
    assert np.isin(city(SEEDS[0]).surface(spots), (TERRAIN, OTHER_FLAT)).all()


def test_a_city_depends_on_its_seed_and_name_only():
    one, same = city(SEEDS[0]), City(SEEDS[0], "scene-0061")
    for a, b in zip(one.mesh(), same.mesh()):
        assert a.tobytes() == b.tobytes()
    assert one.mesh() is one.mesh()
    for a, b in zip(one.lanes, same.lanes, strict=True):
        assert a.line.tobytes() == b.line.tobytes() and a.conflicts == b.conflicts
    assert [bay.xy.tobytes() for bay in one.bays] == [bay.xy.tobytes() for bay in same.bays]
    for other in (city(SEEDS[1]), City(SEEDS[0], "scene-0103")):
        assert other.lanes[0].line.tobytes() != one.lanes[0].line.tobytes()


def test_cities_differ_in_what_they_are_like():
    some = [city(seed) for seed in SEEDS[:3]]
    roads = [[lane for lane in place.lanes if lane.junction < 0] for place in some]
    assert len({round(lanes[0].width_m, 3) for lanes in roads}) == 3
    assert len({place.plan.style for place in some}) > 1
    assert len({len(place.bays) for place in some}) == 3


def caster(mesh):
    scenes = pytest.importorskip("embreex.rtcore_scene")
    construction = pytest.importorskip("embreex.mesh_construction")
    scene = scenes.EmbreeScene()
    construction.TriangleMesh(scene, mesh.vertices.astype(np.float32), mesh.faces)
    return scene


@functools.cache
def standing(seed: int):
    """What stands on the ground, ready to be cast on."""
    mesh = city(seed).mesh()
    kept = np.isin(mesh.label, (ROAD, SIDEWALK, TERRAIN, OTHER_FLAT), invert=True)
    return caster(mesh._replace(faces=np.ascontiguousarray(mesh.faces[kept])))


@meshed
def test_the_ground_that_is_cast_is_the_height_and_surface_that_is_told(seed):
    mesh = city(seed).mesh()
    is_ground = np.isin(mesh.label, (ROAD, SIDEWALK, TERRAIN, OTHER_FLAT))
    faces, label = mesh.faces[is_ground], mesh.label[is_ground]
    scene = caster(mesh._replace(faces=np.ascontiguousarray(faces)))
    rng = np.random.default_rng(seed)
    low, high = mesh.vertices[faces, :2].min(axis=(0, 1)) + 1, mesh.vertices[faces, :2].max(axis=(0, 1)) - 1
    assert (high - low > 450).all()
    spots = np.concatenate([rng.uniform(low, high, (60_000, 2)), *(band(lane, 9.0, 2.0) for lane in city(seed).lanes)])
    origins = np.concatenate([spots, np.full((len(spots), 1), 60.0)], axis=1).astype(np.float32)
    hit = scene.run(origins, np.tile(np.float32([0, 0, -1]), (len(spots), 1)), output=True)
    spots = origins[:, :2].astype(np.float64)
    assert (hit["primID"] >= 0).all()
    assert np.abs(60.0 - hit["tfar"] - city(seed).height(spots)).max() < 0.02
    assert (label[hit["primID"]] != city(seed).surface(spots)).mean() < 1e-3  # edges hit by chance


@meshed
def test_nothing_stands_where_vehicles_drive_and_park(seed):
    place, scene = city(seed), standing(seed)
    for lane in place.lanes:
        assert not hits(scene, place, lane.line, lane.headings, HALF_M, 0.3, 3.5)
    for bay in place.bays:
        ends = bay.xy + np.array([[-0.5], [0.5]]) * bay.length_m * [np.cos(bay.yaw), np.sin(bay.yaw)]
        assert not hits(scene, place, ends, np.full(2, bay.yaw), bay.width_m / 2, 0.3, 3.0)


@meshed
def test_nothing_stands_where_people_walk_and_on_sites(seed):
    place, scene = city(seed), standing(seed)
    for path in (*place.walks, *place.crossings):
        assert not hits(scene, place, path.line, path.headings, path.width_m, 0.3, 2.2)
    for site in place.sites:
        ends = site.xy + np.array([[-0.5], [0.5]]) * site.length_m * [np.cos(site.yaw), np.sin(site.yaw)]
        assert not hits(scene, place, ends, np.full(2, site.yaw), site.width_m / 2, 0.4, 3.0)


def hits(scene, place: City, line: np.ndarray, yaw: np.ndarray, half_m: float, low_m: float, high_m: float) -> bool:
    """Whether rays along a line, close together in the corridor around and above it, hit anything."""
    aside = np.linspace(-half_m, half_m, 2 + int(2 * half_m / 0.15))
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
    xy = line[:, None, :] + aside[:, None] * normal[:, None, :]
    ground = place.height(xy.reshape(-1, 2)).reshape(xy.shape[:2])
    up = np.linspace(low_m, high_m, 2 + int((high_m - low_m) / 0.2))
    points = np.empty((*xy.shape[:2], len(up), 3))
    points[..., :2], points[..., 2] = xy[:, :, None, :], ground[:, :, None] + up
    start, step = points[:-1].reshape(-1, 3), np.diff(points, axis=0).reshape(-1, 3)
    length = np.linalg.norm(step, axis=1)
    hit = scene.run(start.astype(np.float32), (step / length[:, None]).astype(np.float32), output=True)
    return bool(((hit["primID"] >= 0) & (hit["tfar"] < length)).any())


@meshed
def test_the_city_is_built_and_green(seed):
    mesh = city(seed).mesh()
    assert 300_000 < len(mesh.faces) < 750_000
    assert np.isfinite(mesh.vertices).all() and ((mesh.reflectance > 0) & (mesh.reflectance <= 1)).all()
    counts = np.bincount(mesh.label, minlength=32)
    assert counts[MANMADE] > 50_000 and counts[VEGETATION] > 50_000
    scene = caster(mesh)
    rng = np.random.default_rng(seed)
    seen = np.zeros(32)
    for lane in rng.choice([lane for lane in city(seed).lanes if lane.junction < 0], 10):
        spot = lane.point(lane.length_m / 2)
        eye = np.float32([*spot, city(seed).height(spot[None])[0] + 1.84])
        turns, rise = np.meshgrid(np.arange(0, 2 * np.pi, 0.01), np.radians(np.linspace(-30.67, 10.67, 32)))
        rays = np.stack([np.cos(rise) * np.cos(turns), np.cos(rise) * np.sin(turns), np.sin(rise)], axis=-1)
        hit = scene.run(np.tile(eye, (rays.size // 3, 1)), rays.reshape(-1, 3).astype(np.float32), output=True)
        seen += np.bincount(mesh.label[hit["primID"][(hit["primID"] >= 0) & (hit["tfar"] < 80)]], minlength=32)
    seen /= seen.sum()
    assert 0.25 < seen[ROAD] < 0.65
    assert 0.10 < seen[MANMADE] < 0.40
    assert 0.03 < seen[VEGETATION] < 0.25
    assert 0.03 < seen[SIDEWALK] < 0.25


@pytest.mark.parametrize("plant", [broad_tree, slim_tree, conifer])
def test_beams_pass_through_crowns_in_part(plant):
    rng = np.random.default_rng(1)
    tree = plant(rng, 300, 0.23, 1.8)
    top = tree.vertices[:, 2].max()
    targets = np.stack([np.zeros(4000), rng.uniform(-0.5, 0.5, 4000), rng.uniform(0.5, 0.8, 4000) * top], axis=1)
    starts = np.stack([np.full(4000, -20.0), targets[:, 1], targets[:, 2]], axis=1)
    hit = caster(tree).run(starts.astype(np.float32), np.tile(np.float32([1, 0, 0]), (4000, 1)), output=True)
    share = (hit["primID"] >= 0).mean()
    assert 0.3 < share < 0.98
    depth = hit["tfar"][hit["primID"] >= 0]
    assert depth.std() > 0.2  # not a shell


def test_bushes_stand_on_the_ground():
    shrub = bush(np.random.default_rng(2), 100, 0.15)
    assert 0.4 < shrub.vertices[:, 2].max() < 3.0 and shrub.vertices[:, 2].min() < 0
