#include "ops/nms/nms.h"

#include <algorithm>
#include <vector>

#include "common/parallel.h"

namespace geopt {
namespace {

constexpr int64_t kChunk = 1024;   // candidates that are compared with what is kept so far at once
constexpr int64_t kMaxCells = 64;  // a box over more cells than that is kept in a list apart

// Cells of a square grid that the outline of a box may touch.
struct Cover {
  int64_t from_x, to_x, from_y, to_y;
  bool wide;  // over too many of them
};

Cover cover_of(const TurnedBox& box, double cell) {
  const double c = fabs(box.cosine), s = fabs(box.sine), room = 1 + 1e-9;
  const double along_x = (box.half_length * c + box.half_width * s) * room + fabs(box.x) * 1e-15;
  const double along_y = (box.half_length * s + box.half_width * c) * room + fabs(box.y) * 1e-15;
  const double farthest = fabs(box.x) + along_x + fabs(box.y) + along_y;
  if (!(farthest < 1e15 * cell)) return {0, 0, 0, 0, true};  // cell numbers must fit their type
  const auto number = [&](double along) { return static_cast<int64_t>(floor(along / cell)); };
  const Cover cover{
      number(box.x - along_x), number(box.x + along_x), number(box.y - along_y), number(box.y + along_y), false};
  const int64_t nx = cover.to_x - cover.from_x + 1, ny = cover.to_y - cover.from_y + 1;
  if (nx > kMaxCells || ny > kMaxCells || nx * ny > kMaxCells) return {0, 0, 0, 0, true};
  return cover;
}

// What is kept of one run, in a hashed grid. Each bucket is a chain, newest first.
class KeptBoxes {
 public:
  KeptBoxes(int64_t most, double iou_threshold) : iou_threshold_(iou_threshold) {
    int bits = 4;
    while (bits < 30 && (int64_t{1} << bits) < 2 * most) ++bits;
    shift_ = 64 - bits;
    heads_.assign(size_t{1} << bits, -1);
  }

  int64_t size() const { return static_cast<int64_t>(boxes_.size()); }

  void add(const TurnedBox& box, const Cover& cover) {
    const auto number = static_cast<int32_t>(boxes_.size());
    boxes_.push_back(box);
    if (cover.wide) return wide_.push_back(number);
    for (int64_t x = cover.from_x; x <= cover.to_x; ++x)
      for (int64_t y = cover.from_y; y <= cover.to_y; ++y) {
        int32_t& head = heads_[bucket(x, y)];
        links_.push_back({number, head});
        head = static_cast<int32_t>(links_.size()) - 1;
      }
  }

  // Whether one of the boxes that were added as number `from` or later takes this one away.
  bool suppress(const TurnedBox& box, const Cover& cover, int64_t from) const {
    if (cover.wide) return any(box, from);
    for (auto number = wide_.rbegin(); number != wide_.rend() && *number >= from; ++number)
      if (suppresses(boxes_[*number], box, iou_threshold_)) return true;
    for (int64_t x = cover.from_x; x <= cover.to_x; ++x)
      for (int64_t y = cover.from_y; y <= cover.to_y; ++y)
        for (int32_t link = heads_[bucket(x, y)]; link >= 0 && links_[link].number >= from; link = links_[link].next)
          if (suppresses(boxes_[links_[link].number], box, iou_threshold_)) return true;
    return false;
  }

 private:
  struct Link {
    int32_t number, next;
  };

  size_t bucket(int64_t x, int64_t y) const {
    const uint64_t from_x = static_cast<uint64_t>(x) * 0x9e3779b97f4a7c15u;
    const uint64_t mixed = from_x + static_cast<uint64_t>(y) * 0xc2b2ae3d27d4eb4fu;
    return (mixed ^ (mixed >> 29)) * 0x9e3779b97f4a7c15u >> shift_;
  }

  bool any(const TurnedBox& box, int64_t from) const {
    for (int64_t number = from; number < size(); ++number)
      if (suppresses(boxes_[number], box, iou_threshold_)) return true;
    return false;
  }

  double iou_threshold_;
  int shift_;
  std::vector<TurnedBox> boxes_;
  std::vector<Link> links_;
  std::vector<int32_t> heads_, wide_;
};

// A side as long as a box of middle size is across.
double cell_size(const TurnedBox* boxes, int64_t n) {
  std::vector<double> reaches;
  for (int64_t i = 0; i < n; ++i)
    if (boxes[i].reach > 0) reaches.push_back(boxes[i].reach);
  if (reaches.empty()) return 1;
  const auto middle = reaches.begin() + reaches.size() / 2;
  std::nth_element(reaches.begin(), middle, reaches.end());
  return 2 * *middle;
}

void keep_of_run(const TurnedBox* boxes, int64_t n, const NmsRule& rule, bool* kept) {
  KeptBoxes so_far(n, rule.iou_threshold);
  const double cell = cell_size(boxes, n);
  std::vector<Cover> covers(n);
  parallel_for(0, n, 4096, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) covers[i] = cover_of(boxes[i], cell);
  });
  std::fill(kept, kept + n, false);
  const int64_t chunk = num_threads() > 1 ? kChunk : n;
  int64_t num_kept = 0;
  for (int64_t begin = 0; begin < n; begin += chunk) {
    const int64_t end = std::min(n, begin + chunk), before = so_far.size();
    const auto has_area = [&](int64_t i) { return boxes[i].measure > 0; };  // the others overlap nothing
    parallel_for(begin, end, 64, [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i)
        kept[i] = !(before > 0 && has_area(i) && so_far.suppress(boxes[i], covers[i], 0));
    });
    for (int64_t i = begin; i < end; ++i) {
      if (!kept[i]) continue;
      kept[i] = num_kept != rule.max_kept && !(has_area(i) && so_far.suppress(boxes[i], covers[i], before));
      if (!kept[i]) continue;
      if (has_area(i)) so_far.add(boxes[i], covers[i]);
      ++num_kept;
    }
    if (num_kept == rule.max_kept) return;
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
