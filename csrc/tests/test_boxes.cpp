// points_in_boxes, box_iou and nms beside one pair after the other.
#include <algorithm>
#include <numeric>
#include <vector>

#include "common/distance.h"
#include "ops/box_iou/box_iou.h"
#include "ops/nms/nms.h"
#include "ops/points_in_boxes/points_in_boxes.h"
#include "tests/batches.h"

namespace geopt::test {
namespace {

constexpr int64_t kColumns = 9;  // with a velocity that nobody reads

// A box at every `step`-th point; sizes of 0 and below, broken and far ones among them.
template <class T>
Buffer<T> boxes_at(const Batch& batch, int64_t step, int64_t columns) {
  const int64_t count = (batch.num_points() + step - 1) / step;
  Buffer<T> boxes(count * columns);
  for (int64_t i = 0; i < count; ++i) {
    const float* const p = batch.xyz.data() + 3 * step * i;
    T* const box = boxes.data() + columns * i;
    for (int a = 0; a < 3; ++a) {
      box[a] = p[a];
      box[3 + a] = static_cast<T>((i * (7 + a)) % 13) / 2 - T(0.5);
    }
    box[6] = static_cast<T>(i % 9) * (i % 5 == 0 ? T(1.5707963267948966) : T(0.37));
  }
  return boxes;
}

void test_points_in_boxes(const Batch& batch, bool compare, Digests& digests) {
  const int64_t n = batch.num_points();
  const Buffer<double> boxes = boxes_at<double>(batch, 1, 7);
  Buffer<int64_t> rows(n);
  const int64_t* const ends = batch.offsets.data();
  points_in_boxes_cpu(batch.xyz.data(), n, ends, boxes.data(), n, ends, batch.num_clouds(), rows.data());
  digests.add("points_in_boxes", rows);
  for (int64_t cloud = 0; compare && cloud < batch.num_clouds(); ++cloud)
    for (int64_t row = ends[cloud]; row < ends[cloud + 1]; ++row) {
      const float* const p = batch.xyz.data() + 3 * row;
      int64_t expected = -1;
      for (int64_t b = ends[cloud + 1] - 1; b >= ends[cloud]; --b)
        if (is_finite_point(p) && in_box(make_box(boxes.data() + 7 * b), p)) expected = b;
      CHECK(rows[row] == expected);
    }
}

template <class T>
void test_box_iou(const Batch& batch, bool volume, bool compare, Digests& digests) {
  const int64_t step = std::max<int64_t>(1, batch.num_points() / 300);
  const Buffer<T> a = boxes_at<T>(batch, step, kColumns), b = boxes_at<T>(batch, 2 * step, 7);
  const int64_t n = a.size() / kColumns, m = b.size() / 7;
  Buffer<T> iou(n * m);
  box_iou_cpu<T>(a.data(), n, kColumns, b.data(), m, 7, volume, iou.data());
  digests.add("box_iou", iou);
  for (int64_t i = 0; compare && i < n; ++i)
    for (int64_t j = 0; j < m; ++j) {
      const TurnedBox one = make_turned_box(a.data() + kColumns * i, volume);
      const TurnedBox other = make_turned_box(b.data() + 7 * j, volume);
      const T expected = static_cast<T>(box_iou(one, other)), got = iou[i * m + j];
      CHECK(got == expected || (std::isnan(got) && std::isnan(expected)));
      CHECK(!(got < 0) && !(got > 1));
    }
}

template <class T>
void test_nms(const Batch& batch, const NmsRule& rule, bool compare, Digests& digests) {
  const int64_t step = std::max<int64_t>(1, batch.num_points() / 2000);
  const Buffer<T> boxes = boxes_at<T>(batch, step, kColumns);
  const int64_t n = boxes.size() / kColumns, num_runs = std::min<int64_t>(n, 3);
  Buffer<int64_t> order(n), first(n);
  std::iota(order.data(), order.data() + n, int64_t{0});
  for (int64_t i = 0; i < n; ++i) std::swap(order[i], order[(i * 48271) % n]);
  for (int64_t i = 0; i < n; ++i) {
    const bool begins = i == 0 || num_runs * i / n != num_runs * (i - 1) / n;
    first[i] = begins ? i : first[i - 1];
  }
  Buffer<bool> kept(n);
  nms_cpu<T>(boxes.data(), n, kColumns, order.data(), first.data(), rule, kept.data());
  digests.add("nms", kept);
  if (!compare) return;
  std::vector<TurnedBox> turned;
  for (const int64_t row : order) turned.push_back(make_turned_box(boxes.data() + kColumns * row, rule.volume));
  std::vector<bool> expected(n, false);
  for (int64_t i = 0, count = 0; i < n; ++i) {
    if (first[i] == i) count = 0;
    bool is_kept = rule.max_kept < 0 || count < rule.max_kept;
    for (int64_t j = first[i]; is_kept && j < i; ++j)
      is_kept = !(expected[j] && suppresses(turned[j], turned[i], rule.iou_threshold));
    expected[i] = is_kept;
    count += is_kept;
  }
  CHECK(std::equal(expected.begin(), expected.end(), kept.begin()));
}

}  // namespace

void test_boxes(const Batch& batch, bool check_results, Digests& digests) {
  const bool compare = check_results && batch.is_small();
  if (batch.is_small()) test_points_in_boxes(batch, compare, digests);
  for (const bool volume : {false, true}) {
    test_box_iou<double>(batch, volume, compare, digests);
    test_box_iou<float>(batch, volume, compare, digests);
    test_nms<double>(batch, {0.1, -1, volume}, compare, digests);
    test_nms<float>(batch, {0.0, 7, volume}, compare, digests);
  }
}

}  // namespace geopt::test
