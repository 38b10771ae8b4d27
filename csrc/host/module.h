// One function a file of this module, which adds what the file has to offer.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace geopt::host {

void bind_tables(pybind11::module_& m);
void bind_submission(pybind11::module_& m);
void bind_detection(pybind11::module_& m);
void bind_tracking(pybind11::module_& m);
void bind_segmentation(pybind11::module_& m);
void bind_waymo_detection(pybind11::module_& m);
void bind_waymo_files(pybind11::module_& m);
void bind_range_image(pybind11::module_& m);
void bind_waymo_frames(pybind11::module_& m);
void bind_waymo_matrix(pybind11::module_& m);

}  // namespace geopt::host
