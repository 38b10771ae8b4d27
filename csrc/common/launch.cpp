// What launch.h and the CUDA ops compute on the host, for tests: no GPU is asked.
#include "common/launch.h"

#include <string>

#include "common/tensor.h"

#ifdef GEOPT_WITH_CUDA
#include "ops/box_iou/box_iou.h"
#include "ops/cell_pca/cell_pca.h"
#include "ops/farthest_point_sample/farthest_point_sample.h"
#include "ops/knn/knn.h"
#include "ops/local_pca/local_pca.h"
#include "ops/nms/nms.h"
#include "ops/points_in_boxes/points_in_boxes.h"
#include "ops/segment_reduce/segment_reduce.h"
#include "ops/voxelize/voxelize.h"
#endif

namespace geopt {
namespace {

int64_t launch_blocks(int64_t count, int64_t items_per_block) { return blocks_for(count, items_per_block); }

// n rows, m of whatever else the op counts. Without a GPU what CUB needs is not in it: CUB asks the device.
int64_t workspace_bytes(std::string op, int64_t n, int64_t m) {
#ifdef GEOPT_WITH_CUDA
  if (op == "voxel_index") {  // m clouds of 2^m cells each
    KeyLayout layout{};
    layout.num_levels = 3;
    layout.cells_per_cloud = int64_t{1} << m;
    return voxel_index_cuda_workspace(n, m, layout);
  }
  if (op == "knn") return knn_cuda_workspace(own_neighbors(nullptr, n, nullptr, m));
  if (op == "local_pca") return local_pca_cuda_workspace(n, m, 16);
  if (op == "farthest_point_sample") return farthest_point_sample_cuda_workspace(n, m);
  if (op == "points_in_boxes") return points_in_boxes_cuda_workspace(n);
  if (op == "cell_pca") return cell_pca_cuda_workspace(n);
  if (op == "segment_reduce") return segment_reduce_cuda_workspace(n, m);
  if (op == "box_iou") return box_iou_cuda_workspace(n, m);
  if (op == "nms_kept") return nms_cuda_workspace(n);
#endif
  STD_TORCH_CHECK(false, "workspace_bytes: no such op in this build, got ", op);
  return -1;
}

}  // namespace
}  // namespace geopt

STABLE_TORCH_LIBRARY_FRAGMENT(geopt, m) {
  m.def("launch_blocks(int count, int items_per_block) -> int");
  m.def("workspace_bytes(str op, int n, int m) -> int");
}

STABLE_TORCH_LIBRARY_IMPL(geopt, CompositeExplicitAutograd, m) {
  m.impl("launch_blocks", TORCH_BOX(&geopt::launch_blocks));
  m.impl("workspace_bytes", TORCH_BOX(&geopt::workspace_bytes));
}
