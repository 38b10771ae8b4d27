// Walks through a warp::Tree: a warp answers the 32 queries of one leaf, a query to a lane, with one walk for all.
#pragma once

#include "common/warp_tree.h"

namespace geopt::warp {

// The queries of one leaf, sorted along the curves of a tree, which may be the tree's own points.
struct Group {
  Cloud queries, keys;
  int64_t item;         // among the leaves of the queries, with gaps
  const Point* points;  // 32
  Box box;              // around them
};

// False where `item` is a gap between clouds.
GEOPT_HD bool find_group(const Tree& tree, const Tree& queries, int64_t item, Group& group) {
  group.queries = cloud_of(queries, item, 0);
  const int64_t leaf = item - first_item(group.queries.first_row, group.queries.index, 0);
  if (leaf >= num_items(group.queries.num_rows, 0)) return false;
  group.keys = cloud_at(tree, group.queries.index);
  group.item = item;
  group.points = queries.points + kWarp * item;
  group.box = queries.boxes[0][item];
  return true;
}

// The leaf to begin at: that of the queries themselves, or else where the 16th of them would be along the curve.
GEOPT_HD int64_t nearest_leaf(const Tree& tree, const Tree& queries, const Group& group) {
  const int64_t leaf = group.item - first_item(group.queries.first_row, group.queries.index, 0);
  if (tree.points == queries.points) return leaf;
  const int64_t last = group.queries.num_rows - 1, middle = kWarp * leaf + kWarp / 2;
  const uint64_t key = queries.keys[group.queries.first_row + (middle < last ? middle : last)];
  const uint64_t* keys = tree.keys + group.keys.first_row;
  int64_t low = 0, high = group.keys.num_rows;
  while (high - low > 1) {
    const int64_t at = (low + high) / 2;
    if (keys[at] <= key) low = at;
    else high = at;
  }
  return low / kWarp;
}

GEOPT_HD float distance_to_box(const float* low, const float* high, const Box& box) {
  return squared_length(
      axis_gap(low[0], high[0], box.lower[0], box.upper[0]), axis_gap(low[1], high[1], box.lower[1], box.upper[1]),
      axis_gap(low[2], high[2], box.lower[2], box.upper[2]));
}

// What every search keeps of its queries, a query to a lane.
struct Lanes {
  PerLane<float> x, y, z;
  PerLane<Candidate> bound;  // candidates at or above it are of no use; 0 for lanes without a query
  uint32_t reach_bits;       // largest distance of the bounds

  // limit_of(lane) is the first bound of a lane that has a query.
  template <class LimitOf>
  GEOPT_HD_MEMBER void start(const Group& group, const LimitOf& limit_of) {
    each_lane([&](int lane) {
      const Point p = group.points[lane];
      x[lane] = p.x, y[lane] = p.y, z[lane] = p.z;
      bound[lane] = p.x == p.x ? limit_of(lane) : 0;
    });
    find_reach();
  }

  GEOPT_HD_MEMBER void find_reach() {
    reach_bits = most_of_lanes([&](int lane) { return static_cast<uint32_t>(bound[lane] >> 32); });
  }

  // Whether a box may hold a candidate for one of them.
  GEOPT_HD_MEMBER bool want(const Box& box) {
    return lanes_where([&](int lane) {
             const float p[3] = {x[lane], y[lane], z[lane]};
             return make_candidate(distance_to_box(p, p, box), box.first_row) < bound[lane];
           }) != 0;
  }

  // Squared distance of a point from the query of a lane: NaN, which is below nothing, unless both are finite.
  GEOPT_HD_MEMBER float distance(int lane, const Point& p) {
    return squared_length(x[lane] - p.x, y[lane] - p.y, z[lane] - p.z);
  }
};

// For each level, what is still to be looked at of the children of the item that the walk is in: the squared distance
// of a child's box from that of the queries, its last five bits cut off for the child's number.
struct Pending {
  uint32_t of_level[kMaxLevels][kWarp];
};
constexpr uint32_t kNothing = 0xffffffffu;  // farther than infinity

// The leaves that may hold a candidate for one of the queries, nearer ones mostly first. What the queries want may
// narrow from one leaf to the next.
class Walk {
 public:
  // Begins at `first_leaf`, whether it is wanted or not. The cloud has keys.
  GEOPT_HD_MEMBER Walk(const Tree& tree, const Group& group, int64_t first_leaf, Pending& pending)
      : tree_(tree), group_(group), first_leaf_(first_leaf), pending_(pending) {
    while (num_items(group.keys.num_rows, top_) > 1) ++top_;
  }

  // -1 after the last one.
  GEOPT_HD_MEMBER int64_t next(Lanes& queries) {
    if (level_ < 0) {
      if (top_ == 0) return -1;
      open(0, top_, queries);
    }
    for (;;) {
      const uint32_t nearest = least_of_lanes([&](int lane) { return pending_.of_level[level_][lane]; });
      if (nearest / kWarp * kWarp > queries.reach_bits) {  // as are all others: back to the parent
        if (level_ == top_) return -1;
        item_ /= kWarp;
        ++level_;
        continue;
      }
      const int child = static_cast<int>(nearest % kWarp);
      each_lane([&](int lane) {
        if (lane == child) pending_.of_level[level_][lane] = kNothing;
      });
      const int64_t below = kWarp * item_ + child;
      if (level_ == 1 && below == first_leaf_) continue;
      if (!queries.want(children(level_)[below])) continue;
      if (level_ == 1) return below;
      open(below, level_ - 1, queries);
    }
  }

 private:
  // Boxes of the items below `level`.
  GEOPT_HD_MEMBER const Box* children(int level) const {
    return tree_.boxes[level - 1] + first_item(group_.keys.first_row, group_.keys.index, level - 1);
  }

  GEOPT_HD_MEMBER void open(int64_t item, int level, Lanes& queries) {
    item_ = item, level_ = level;
    const int64_t count = num_items(group_.keys.num_rows, level - 1);
    each_lane([&](int lane) {
      const int64_t child = kWarp * item_ + lane;
      uint32_t bits = kNothing;
      if (child < count) {
        const float distance = distance_to_box(group_.box.lower, group_.box.upper, children(level_)[child]);
        bits = static_cast<uint32_t>(make_candidate(distance, 0) >> 32);
        bits = bits <= queries.reach_bits ? bits / kWarp * kWarp + lane : kNothing;
      }
      pending_.of_level[level_][lane] = bits;
    });
  }

  const Tree& tree_;
  const Group& group_;
  int64_t first_leaf_;
  Pending& pending_;
  int top_ = 0, level_ = -1;  // leaves have level 0
  int64_t item_ = 0;          // of level_, in the cloud: its children are pending
};

}  // namespace geopt::warp
