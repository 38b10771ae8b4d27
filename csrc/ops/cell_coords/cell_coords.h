// Where the cells of a voxel index lie, from their keys.
#pragma once

#include <cstdint>

#include "common/voxel_key.h"

namespace geopt {

// keys (n) of cells of the last level of `layout`, batch included. Writes coords (n, 4): batch, x, y, z in such cells.
void cell_coords_cpu(const int64_t* keys, int64_t n, const KeyLayout& layout, int32_t* coords);

#ifdef GEOPT_WITH_CUDA
int cell_coords_cuda(const int64_t* keys, int64_t n, const KeyLayout& layout, int32_t* coords, void* stream);
#endif

}  // namespace geopt
