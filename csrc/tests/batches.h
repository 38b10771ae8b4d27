// Clouds that every kernel must survive, and what is tested on them.
#pragma once

#include <string>
#include <vector>

#include "tests/check.h"

namespace geopt::test {

struct Batch {
  std::string name;
  Buffer<float> xyz;        // (n, 3)
  Buffer<int64_t> offsets;  // (num_clouds + 1)

  int64_t num_points() const { return xyz.size() / 3; }
  int64_t num_clouds() const { return offsets.size() - 1; }
  // Small enough to compare every point with every other.
  bool is_small() const { return num_points() <= 1000; }
  // So large that sanitizers would take minutes for searches among its points.
  bool is_huge() const { return num_points() > 40000; }
};

std::vector<Batch> make_batches();

// Each runs kernels on a batch and adds the bits of what they give to the digests; with `check_results` it compares
// with brute force, where the batch is small.
void test_searches(const Batch& batch, bool check_results, Digests& digests);
void test_sampling(const Batch& batch, bool check_results, Digests& digests);
void test_voxels(const Batch& batch, bool check_results, Digests& digests);
void test_segments(const Batch& batch, bool check_results, Digests& digests);
void test_boxes(const Batch& batch, bool check_results, Digests& digests);

// Readers of files and texts, whole and damaged.
void test_host();

}  // namespace geopt::test
