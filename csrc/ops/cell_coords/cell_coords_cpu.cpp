#include "ops/cell_coords/cell_coords.h"

#include <vector>

#include "common/divisor.h"
#include "common/parallel.h"

namespace geopt {

void cell_coords_cpu(const int64_t* keys, int64_t n, const KeyLayout& layout, int32_t* coords) {
  // A table of more slots than cells would cost more than it saves.
  const int64_t num_slots = layout.divisor[0], tabled = num_slots <= n ? num_slots : 0;
  std::vector<int32_t> table(4 * tabled);  // keys of the first token are its slots
  for (int64_t slot = 0; slot < tabled; ++slot) cell_of_key(layout, slot, &table[4 * slot]);
  const Divisor slots(num_slots), tokens_x(layout.tokens[0]), tokens_y(layout.tokens[1]), tokens_z(layout.tokens[2]);
  const uint32_t* const per_token = layout.span[0];
  parallel_for(0, n, 8192, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      int64_t key = keys[i];
      int32_t* const out = coords + 4 * i;
      if (tabled == 0) {
        cell_of_key(layout, key, out);
        continue;
      }
      const int32_t* const offset = &table[4 * slots.split(key)];
      out[3] = static_cast<int32_t>(tokens_z.split(key) * per_token[2]) + offset[3];
      out[2] = static_cast<int32_t>(tokens_y.split(key) * per_token[1]) + offset[2];
      out[1] = static_cast<int32_t>(tokens_x.split(key) * per_token[0]) + offset[1];
      out[0] = static_cast<int32_t>(key);
    }
  });
}

}  // namespace geopt
