// Hot loops of the evaluators: NumPy in, NumPy out, no torch, the GIL released while they run.
#include "host/module.h"

PYBIND11_MODULE(_host, m) {
  m.doc() = "Compiled loops of geopt.evaluation.";
  geopt::host::bind_tables(m);
  geopt::host::bind_submission(m);
  geopt::host::bind_detection(m);
  geopt::host::bind_tracking(m);
  geopt::host::bind_segmentation(m);
  geopt::host::bind_waymo_detection(m);
  geopt::host::bind_waymo_files(m);
  geopt::host::bind_range_image(m);
  geopt::host::bind_waymo_frames(m);
  geopt::host::bind_waymo_matrix(m);
}
