#include "ops/nms/nms.h"

#include <algorithm>
#include <vector>

#include "common/parallel.h"
#include "ops/box_iou/box_iou_kernel.h"

namespace geopt {
namespace {

constexpr int64_t kBatch = 64;  // boxes that a kept one is compared with at once

// What decides whether two boxes may overlap at all.
struct Place {
  double x, y, reach;
  int32_t number;  // of the box in its run
};

// The boxes of one run that have an area, in a hashed grid by their centres: the others overlap nothing.
class BoxGrid {
 public:
  BoxGrid(const TurnedBox* boxes, int64_t n) {
    std::vector<Place> places;
    std::vector<double> reaches;
    for (int64_t i = 0; i < n; ++i) {
      if (!(boxes[i].measure > 0)) continue;  // not NaN either
      places.push_back({boxes[i].x, boxes[i].y, boxes[i].reach, static_cast<int32_t>(i)});
      reaches.push_back(boxes[i].reach);
    }
    if (places.empty()) return;
    const auto middle = reaches.begin() + reaches.size() / 2;
    std::nth_element(reaches.begin(), middle, reaches.end());
    for (const double reach : reaches)
      if (reach <= 2 * *middle) cell_ = std::max(cell_, reach);

    int bits = 4;
    while (bits < 30 && (int64_t{1} << bits) < n) ++bits;
    const auto large = std::stable_partition(
        places.begin(), places.end(), [&](const Place& place) { return !is_large(place.x, place.y, place.reach); });
    large_.assign(large, places.end());
    places.erase(large, places.end());

    starts_.assign((size_t{1} << bits) + 1, 0);  // a power of two, and the end
    for (const Place& place : places) ++starts_[bucket(number(place.x), number(place.y)) + 1];
    for (size_t b = 1; b < starts_.size(); ++b) starts_[b] += starts_[b - 1];
    std::vector<int32_t> next(starts_.begin(), starts_.end() - 1);
    members_.resize(places.size());
    for (const Place& place : places) members_[next[bucket(number(place.x), number(place.y))]++] = place;
  }

  // Calls visit(begin, end) with lists that together hold every box that may overlap this one; some may come twice.
  template <class Visit>
  void visit_near(const TurnedBox& box, const Visit& visit) const {
    visit(large_.data(), large_.data() + large_.size());
    const Place* const members = members_.data();
    if (is_large(box.x, box.y, box.reach)) return visit(members, members + members_.size());
    const double reach = (box.reach + cell_) * (1 + 1e-9), room_x = reach + fabs(box.x) * 1e-15,
                 room_y = reach + fabs(box.y) * 1e-15;
    const int64_t to_x = number(box.x + room_x), from_y = number(box.y - room_y);
    const int64_t num_y = number(box.y + room_y) - from_y + 1, num_buckets = static_cast<int64_t>(starts_.size()) - 1;
    for (int64_t x = number(box.x - room_x); x <= to_x; ++x) {  // neighbours along y lie in neighbouring buckets
      const int64_t first = bucket(x, from_y), past = std::min(first + num_y, num_buckets);
      visit(members + starts_[first], members + starts_[past]);
      visit(members, members + starts_[first + num_y - past]);  // round the end
    }
  }

 private:
  // More than twice the middle size, or so far away that the number of its cell fits no integer.
  bool is_large(double x, double y, double reach) const { return reach > cell_ || !(fabs(x) + fabs(y) < 1e15 * cell_); }

  int64_t number(double along) const { return static_cast<int64_t>(floor(along / cell_)); }

  int64_t bucket(int64_t x, int64_t y) const {
    const uint64_t mixed = static_cast<uint64_t>(x) * 0x9e3779b97f4a7c15u >> 32;
    return static_cast<int64_t>((mixed + static_cast<uint64_t>(y)) & (starts_.size() - 2));
  }

  double cell_ = 0;  // side of a cell: the largest reach that is not large
  std::vector<int32_t> starts_;
  std::vector<Place> members_, large_;  // those of bucket b are members_[starts_[b]] up to members_[starts_[b + 1]]
};

// Boxes that wait to be compared with a kept one, side by side.
struct Batch {
  double columns[kBoxColumns * kBatch] = {}, iou[kBatch];
  int32_t numbers[kBatch];
  int64_t size = 0;

  void add(const TurnedBox& box, int32_t number) {
    put_column(box, columns + size, kBatch);
    numbers[size++] = number;
  }
};

void keep_of_run(const TurnedBox* boxes, int64_t n, const NmsRule& rule, bool* kept) {
  const auto iou_with_many = GEOPT_LEVEL_IN_USE(iou_with_many);
  const BoxGrid grid(boxes, n);
  Batch batch;
  std::fill(kept, kept + n, true);
  int64_t num_kept = 0;
  for (int64_t i = 0; i < n; ++i) {
    kept[i] = kept[i] && num_kept != rule.max_kept;
    if (!kept[i]) continue;
    ++num_kept;
    const TurnedBox& box = boxes[i];
    if (!(box.measure > 0)) continue;
    const auto compare = [&] {
      iou_with_many(box, batch.columns, kBatch, batch.size, batch.iou);
      for (int64_t k = 0; k < batch.size; ++k)
        if (batch.iou[k] > rule.iou_threshold) kept[batch.numbers[k]] = false;
      batch.size = 0;
    };
    grid.visit_near(box, [&](const Place* begin, const Place* end) {
      for (const Place* other = begin; other < end; ++other) {
        const bool apart = out_of_reach(box.x, box.y, box.reach, other->x, other->y, other->reach);
        if (apart | (other->number <= i) || !kept[other->number]) continue;
        batch.add(boxes[other->number], other->number);
        if (batch.size == kBatch) compare();
      }
    });
    compare();
  }
}

}  // namespace

template <class T>
void nms_cpu(
    const T* boxes, int64_t n, int64_t columns, const int64_t* order, const int64_t* first, const NmsRule& rule,
    bool* kept) {
  std::vector<TurnedBox> turned(n);
  parallel_for(0, n, 2048, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) turned[i] = make_turned_box(boxes + order[i] * columns, rule.volume);
  });
  std::vector<int64_t> begins;
  for (int64_t i = 0; i < n; ++i)
    if (first[i] == i) begins.push_back(i);
  const auto num_runs = static_cast<int64_t>(begins.size());
  begins.push_back(n);
  parallel_for(0, num_runs, 1, [&](int64_t from, int64_t to) {  // a run alone has the threads for itself
    for (int64_t run = from; run < to; ++run)
      keep_of_run(&turned[begins[run]], begins[run + 1] - begins[run], rule, kept + begins[run]);
  });
}

template void nms_cpu<float>(
    const float*, int64_t, int64_t, const int64_t*, const int64_t*, const NmsRule&, bool*);
template void nms_cpu<double>(
    const double*, int64_t, int64_t, const int64_t*, const int64_t*, const NmsRule&, bool*);

}  // namespace geopt
