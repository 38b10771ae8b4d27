// A point that may be among the nearest: squared distance and row as one number.
#pragma once

#include <stdint.h>
#include <string.h>

#include "common/macros.h"

namespace geopt {

// Comparing two compares (distance, row).
using Candidate = uint64_t;

GEOPT_HD Candidate make_candidate(float squared_distance, uint32_t row) {
  uint32_t bits;  // floats >= 0 order like their bits
  memcpy(&bits, &squared_distance, sizeof bits);
  return uint64_t{bits} << 32 | row;
}
GEOPT_HD float candidate_distance(Candidate c) {
  const uint32_t bits = static_cast<uint32_t>(c >> 32);
  float distance;
  memcpy(&distance, &bits, sizeof distance);
  return distance;
}
GEOPT_HD uint32_t candidate_row(Candidate c) { return static_cast<uint32_t>(c); }

constexpr uint32_t kNoRow = 0xffffffffu;  // of the padding in the last leaf of a cloud
constexpr Candidate kFarthest = uint64_t{0x7f800000u} << 32 | kNoRow;  // infinity; every real candidate is below it

}  // namespace geopt
