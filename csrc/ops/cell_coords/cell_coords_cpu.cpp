#include "ops/cell_coords/cell_coords.h"

#include <vector>

#include "common/divisor.h"
#include "common/parallel.h"

namespace geopt {
namespace {

// Where (x, y, z) a slot lies in its token, in cells of the last level.
void slot_offset(const KeyLayout& layout, int64_t slot, int32_t offset[3]) {
  int64_t span[3] = {1, 1, 1};  // cells of the last level in one of level l
  for (int a = 0; a < 3; ++a) offset[a] = 0;
  for (int l = layout.num_levels - 1; l > 0; --l)
    for (int a = 2; a >= 0; --a) {
      offset[a] += static_cast<int32_t>(slot % layout.ratio[l][a] * span[a]);
      slot /= layout.ratio[l][a];
      span[a] *= layout.ratio[l][a];
    }
}

}  // namespace

void cell_coords_cpu(const int64_t* keys, int64_t n, const KeyLayout& layout, int32_t* coords) {
  int64_t per_token[3] = {1, 1, 1};
  for (int l = 1; l < layout.num_levels; ++l)
    for (int a = 0; a < 3; ++a) per_token[a] *= layout.ratio[l][a];
  // A table of more slots than cells would cost more than it saves.
  const int64_t num_slots = layout.divisor[0], tabled = num_slots <= n ? num_slots : 0;
  std::vector<int32_t> table(3 * tabled);
  for (int64_t slot = 0; slot < tabled; ++slot) slot_offset(layout, slot, &table[3 * slot]);
  const Divisor slots(num_slots), tokens_x(layout.shape[0] / per_token[0]),
      tokens_y(layout.shape[1] / per_token[1]), tokens_z(layout.shape[2] / per_token[2]);
  parallel_for(0, n, 8192, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      int64_t key = keys[i];
      const int64_t slot = slots.split(key);
      int32_t computed[3];
      if (tabled == 0) slot_offset(layout, slot, computed);
      const int32_t* const offset = tabled == 0 ? computed : &table[3 * slot];
      int32_t* const out = coords + 4 * i;
      out[3] = static_cast<int32_t>(tokens_z.split(key) * per_token[2]) + offset[2];
      out[2] = static_cast<int32_t>(tokens_y.split(key) * per_token[1]) + offset[1];
      out[1] = static_cast<int32_t>(tokens_x.split(key) * per_token[0]) + offset[0];
      out[0] = static_cast<int32_t>(key);
    }
  });
}

}  // namespace geopt
