// farthest_point_sample beside its definition.
#include <limits>

#include "common/distance.h"
#include "ops/farthest_point_sample/farthest_point_sample.h"
#include "tests/batches.h"

namespace geopt::test {
namespace {

int64_t num_finite(const Batch& batch, int64_t cloud) {
  int64_t count = 0;
  for (int64_t row = batch.offsets[cloud]; row < batch.offsets[cloud + 1]; ++row)
    count += is_finite_point(batch.xyz.data() + 3 * row);
  return count;
}

// Every pick is the farthest from all before it, the lower row of equal ones.
bool is_farthest_first(const Batch& batch, int64_t cloud, const int64_t* picks, int64_t num_samples) {
  const int64_t first = batch.offsets[cloud], last = batch.offsets[cloud + 1];
  std::vector<float> nearest(last - first);
  for (int64_t row = first; row < last; ++row)
    nearest[row - first] = is_finite_point(batch.xyz.data() + 3 * row) ? std::numeric_limits<float>::infinity() : -1;
  for (int64_t i = 0; i < num_samples; ++i) {
    int64_t expected = first;
    for (int64_t row = first; row < last; ++row)
      if (nearest[row - first] > nearest[expected - first]) expected = row;
    if (picks[i] != expected) return false;
    const float* const pick = batch.xyz.data() + 3 * expected;
    for (int64_t row = first; row < last; ++row) {
      const float* const p = batch.xyz.data() + 3 * row;
      const float distance = squared_length(p[0] - pick[0], p[1] - pick[1], p[2] - pick[2]);
      if (distance < nearest[row - first]) nearest[row - first] = distance;
    }
    nearest[expected - first] = -1;
  }
  return true;
}

}  // namespace

void test_sampling(const Batch& batch, bool check_results, Digests& digests) {
  for (const int64_t num_samples : {1, 4, 60}) {
    Buffer<int64_t> picks(batch.num_clouds() * num_samples);
    const int64_t failed = farthest_point_sample_cpu(
        batch.xyz.data(), batch.offsets.data(), batch.num_clouds(), num_samples, 0, picks.data());
    digests.add("farthest_point_sample", &failed, 1);
    if (failed < 0) digests.add("farthest_point_sample", picks);
    if (!check_results) continue;
    int64_t expected = -1;
    for (int64_t cloud = batch.num_clouds() - 1; cloud >= 0; --cloud)
      if (num_finite(batch, cloud) < num_samples) expected = cloud;
    CHECK(failed == expected);
    for (int64_t cloud = 0; failed < 0 && cloud < batch.num_clouds(); ++cloud)
      CHECK(is_farthest_first(batch, cloud, picks.data() + cloud * num_samples, num_samples));
  }
}

}  // namespace geopt::test
