#include "tests/batches.h"

#include <limits>

namespace geopt::test {
namespace {

using Points = std::vector<float>;

Points random_points(uint64_t seed, int64_t count, float scale, float origin = 0) {
  Random random(seed);
  Points xyz;
  for (int64_t i = 0; i < 3 * count; ++i) xyz.push_back(origin + random.between(-scale, scale));
  return xyz;
}

// On whole numbers: ties everywhere.
Points grid(int64_t side, float origin) {
  Points xyz;
  for (int64_t x = 0; x < side; ++x)
    for (int64_t y = 0; y < side; ++y)
      for (int64_t z = 0; z < side; ++z)
        for (const int64_t i : {x, y, z}) xyz.push_back(origin + static_cast<float>(i - side / 2));
  return xyz;
}

// Dense near the sensor and thin far away, on a ground plane: as a turning lidar sees it.
Points rings(uint64_t seed, int64_t count) {
  Random random(seed);
  Points xyz;
  for (int64_t i = 0; i < count; ++i) {
    const float range = 1.5f / random.between(0.03f, 0.6f), along = random.between(-1, 1);
    for (const float p : {range * along, range * (1 - along * along), random.between(-0.02f, 0.02f)}) xyz.push_back(p);
  }
  return xyz;
}

Points on_a_line(int64_t count, float x, float y, float z) {
  Points xyz;
  for (int64_t i = 0; i < count; ++i)
    for (const float step : {x, y, z}) xyz.push_back(static_cast<float>(i) * step);
  return xyz;
}

Points twice(Points xyz) {
  const Points again = xyz;
  xyz.insert(xyz.end(), again.begin(), again.end());
  return xyz;
}

Points with_broken_and_stray(Points xyz) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const float odd[] = {nan, infinity, -infinity, 3e38f, -1e25f, 1e-40f, -0.0f};
  for (size_t i = 0, next = 5; next < xyz.size(); ++i, next += 17) xyz[next] = odd[i % 7];
  return xyz;
}

Batch make_batch(const std::string& name, const std::vector<Points>& clouds) {
  Points xyz;
  std::vector<int64_t> offsets{0};
  for (const Points& cloud : clouds) {
    xyz.insert(xyz.end(), cloud.begin(), cloud.end());
    offsets.push_back(static_cast<int64_t>(xyz.size()) / 3);
  }
  return {name, Buffer<float>::of(xyz), Buffer<int64_t>::of(offsets)};
}

}  // namespace

std::vector<Batch> make_batches() {
  std::vector<Batch> batches;
  const auto add = [&](const std::string& name, const std::vector<Points>& clouds) {
    batches.push_back(make_batch(name, clouds));
  };
  add("no cloud", {});
  add("empty cloud", {{}});
  add("one point", {{0.3f, -2, 1.1f}});
  add("all equal", {Points(150, 1.25f)});
  add("line", {on_a_line(50, 0.5f, 0, 0), on_a_line(40, 0.6f, -0.2f, 0.7f)});
  add("grid", {grid(7, 0), grid(4, 0.5f)});
  add("far grid", {grid(6, 1e5f)});
  add("broken and stray", {with_broken_and_stray(random_points(1, 200, 20)), with_broken_and_stray(rings(2, 90))});
  add("nothing finite", {Points(30, std::numeric_limits<float>::quiet_NaN()), random_points(3, 20, 3)});
  add("duplicates", {twice(twice(random_points(4, 60, 10)))});
  add("empty between", {{}, random_points(5, 70, 8), {}, {}, random_points(6, 33, 8), {}});
  for (const int64_t size : {2, 3, 15, 16, 17, 63, 64, 65, 127, 128, 129, 257})  // at the seams of leaves and blocks
    add(std::to_string(size) + " points", {random_points(size, size, 6)});
  add("scales", {random_points(7, 100, 1e-4f), random_points(8, 100, 1e4f), random_points(9, 60, 1e17f)});
  add("rings", {rings(10, 600), rings(11, 250)});
  add("large", {rings(12, 21000), random_points(13, 9000, 40), grid(14, -0.25f)});
  add("several chunks", {rings(15, 60000), random_points(16, 10000, 40)});  // in a sort, too
  return batches;
}

}  // namespace geopt::test
