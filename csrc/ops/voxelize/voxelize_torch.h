// The sort of a voxel index on CUDA tensors, for ops that go on from it.
#pragma once

#include <tuple>

#include "common/tensor.h"
#include "common/voxel_key.h"

namespace geopt {

// order, point_to_token, keys and starts (one level after the other), and on the host the number of cells of each level.
using VoxelIndexTensors = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;

#ifdef GEOPT_WITH_CUDA
// Waits for the GPU once, for the sizes of the results.
VoxelIndexTensors sort_on_cuda(Tensor xyz, Tensor offsets, const KeyLayout& layout);
#endif

}  // namespace geopt
