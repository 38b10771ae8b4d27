// Normals and curvature by the Point Cloud Library. geopt/bench/pcl.py compiles this against the PCL of the system, which
// has no wheel and takes its clouds and trees as C++ templates.
#include <pcl/features/normal_3d_omp.h>

#include <cstdint>

namespace {
struct Work {
    pcl::PointCloud<pcl::PointXYZ>::Ptr cloud{new pcl::PointCloud<pcl::PointXYZ>};
    pcl::PointCloud<pcl::Normal> normals;
};
}  // namespace

extern "C" {

// A cloud as a user of PCL holds it, from xyz (n, 3).
Work* geopt_pcl_new(const float* xyz, int64_t n) {
    auto* work = new Work;
    work->cloud->reserve(n);
    for (int64_t i = 0; i < n; ++i) work->cloud->emplace_back(xyz[3 * i], xyz[3 * i + 1], xyz[3 * i + 2]);
    return work;
}

void geopt_pcl_delete(Work* work) { delete work; }

// The tree is built and every point asked, into a new cloud of normals. This is what is timed.
void geopt_pcl_estimate(Work* work, int k, int threads) {
    pcl::NormalEstimationOMP<pcl::PointXYZ, pcl::Normal> estimation(threads);
    pcl::PointCloud<pcl::Normal> normals;
    estimation.setInputCloud(work->cloud);
    estimation.setKSearch(k);
    estimation.compute(normals);
    work->normals.swap(normals);
}

// The last estimate, as (n, 4): normal and curvature (surface variation).
void geopt_pcl_read(const Work* work, float* out) {
    for (const pcl::Normal& normal : work->normals) {
        *out++ = normal.normal_x;
        *out++ = normal.normal_y;
        *out++ = normal.normal_z;
        *out++ = normal.curvature;
    }
}
}
