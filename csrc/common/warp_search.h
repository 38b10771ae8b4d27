// The nearest candidates of the queries of a warp.
#pragma once

#include "common/warp_walk.h"

namespace geopt::warp {

// Puts the smaller one first.
GEOPT_HD void order(Candidate& a, Candidate& b) {
  const Candidate low = b < a ? b : a;
  b = b < a ? a : b;
  a = low;
}

// Candidates of one lane, K of them, a power of two. Loops have fixed ends, so that they stay in registers. (g++ 12
// sees pairs past the end in what it makes of them for K = 4; AddressSanitizer sees none.)
#if defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"
#endif
template <int K>
struct Few {
  Candidate c[K];

  // Sorts what rises and then falls.
  GEOPT_HD_MEMBER void merge() {
    GEOPT_UNROLL
    for (int step = K / 2; step > 0; step /= 2) exchange(step, K);
  }

  GEOPT_HD_MEMBER void sort() {
    GEOPT_UNROLL
    for (int width = 2; width <= K; width *= 2) {
      GEOPT_UNROLL
      for (int step = width / 2; step > 0; step /= 2) exchange(step, width);
    }
  }

  // The K smallest of both; both are sorted.
  GEOPT_HD_MEMBER void take(const Few& other) {
    GEOPT_UNROLL
    for (int i = 0; i < K; ++i) c[i] = other.c[K - 1 - i] < c[i] ? other.c[K - 1 - i] : c[i];
    merge();
  }

 private:
  // Orders pairs that lie `step` apart, so that every other block of `width` rises and those between fall.
  GEOPT_HD_MEMBER void exchange(int step, int width) {
    GEOPT_UNROLL
    for (int pair = 0; pair < K / 2; ++pair) {
      const int low = pair / step * step + pair, high = low + step;
      if ((low & width) == 0) order(c[low], c[high]);
      else order(c[high], c[low]);
    }
  }
};

#if defined(__GNUC__) && !defined(__CUDACC__)
#pragma GCC diagnostic pop
#endif

// The k <= K nearest of each query, found in one walk. Candidates below the bound wait in shared memory until a lane
// has enough of them, then all lanes sort theirs into what they keep at once.
template <int K>
class Nearest {
 public:
  static constexpr int kChunk = 8;                // points between two looks at how many wait
  static constexpr int kSlots = K < 16 ? 16 : K;  // a multiple of K and of kChunk
  struct Memory {
    Candidate waiting[kSlots][kWarp + 1];  // one column more, so that rows and columns meet different banks
    Pending pending;
  };

  GEOPT_HD_MEMBER explicit Nearest(Memory& memory) : memory_(memory) {}

  // Finds the `k` nearest from `from` of each lane on, below `limit`.
  GEOPT_HD_MEMBER void find(
      const Tree& tree, const Group& group, int64_t first_leaf, int k, PerLane<Candidate>& from, Candidate limit) {
    queries_.start(group, [&](int lane) { return from[lane] < limit ? limit : 0; });  // 0: all are found
    each_lane([&](int lane) {
      count_[lane] = 0;
      GEOPT_UNROLL
      for (int i = 0; i < K; ++i) best_[lane].c[i] = i < K - k ? 0 : kFarthest;  // so that the k-th is always the last
    });
    if (group.keys.num_rows == 0) return;
    const Point* points = tree.points + kWarp * first_item(group.keys.first_row, group.keys.index, 0);
    Walk walk(tree, group, first_leaf, memory_.pending);
    for (int64_t leaf = first_leaf; leaf >= 0; leaf = walk.next(queries_))
      for (int i = 0; i < kWarp; i += kChunk) {
        look_at(points + kWarp * leaf + i, from);
        const bool found_bound = leaf == first_leaf && i + kChunk == kWarp;
        if (found_bound || lanes_where([&](int lane) { return count_[lane] > kSlots - kChunk; })) keep();
      }
    keep();
  }

  // Ascending, the last k of K; kFarthest where there are fewer.
  GEOPT_HD_MEMBER Few<K>& operator[](int lane) { return best_[lane]; }

 private:
  GEOPT_HD_MEMBER void look_at(const Point* points, PerLane<Candidate>& from) {
    each_lane([&](int lane) {
      const float reach = candidate_distance(queries_.bound[lane]);
      GEOPT_UNROLL
      for (int i = 0; i < kChunk; ++i) {
        const float distance = queries_.distance(lane, points[i]);
        if (!(distance <= reach)) continue;
        const Candidate candidate = make_candidate(distance, points[i].row);
        if (candidate < queries_.bound[lane] && candidate >= from[lane])
          memory_.waiting[count_[lane]++][lane] = candidate;
      }
    });
  }

  GEOPT_HD_MEMBER void keep() {
    for (int first = 0; first < kSlots; first += K) {
      if (!lanes_where([&](int lane) { return count_[lane] > first; })) break;
      each_lane([&](int lane) {
        Few<K> batch;
        GEOPT_UNROLL
        for (int i = 0; i < K; ++i)
          batch.c[i] = first + i < count_[lane] ? memory_.waiting[first + i][lane] : kFarthest;
        batch.sort();
        best_[lane].take(batch);
      });
    }
    each_lane([&](int lane) {
      count_[lane] = 0;
      const Candidate last = best_[lane].c[K - 1];
      if (last < queries_.bound[lane]) queries_.bound[lane] = last;
    });
    queries_.find_reach();
  }

  Memory& memory_;
  Lanes queries_;
  PerLane<int> count_;
  PerLane<Few<K>> best_;
};

// Gives `sink` the k nearest of all queries of a group, K at a time: sink.write(group, first, width, nearest, memory)
// has those from `first` on, `width` of them.
template <int K, class Sink>
struct SearchNearest {
  Tree tree, queries;
  int64_t k;
  Candidate limit;
  Sink sink;
  using Memory = typename Nearest<K>::Memory;

  GEOPT_HD_MEMBER void operator()(int64_t item, Memory& memory) const {
    Group group;
    if (!find_group(tree, queries, item, group)) return;
    const int64_t leaf = nearest_leaf(tree, queries, group);
    Nearest<K> nearest(memory);
    PerLane<Candidate> from;
    each_lane([&](int lane) { from[lane] = 0; });
    for (int64_t first = 0; first < k; first += K) {
      const int width = static_cast<int>(k - first < K ? k - first : K);
      nearest.find(tree, group, leaf, width, from, limit);
      sink.template write<K>(group, first, width, nearest, memory);
      each_lane([&](int lane) { from[lane] = nearest[lane].c[K - 1] + 1; });
    }
  }
};

}  // namespace geopt::warp
