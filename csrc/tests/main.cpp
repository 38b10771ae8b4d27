// Runs every CPU kernel without torch, at every level of instructions that the processor has, with one thread and
// several. Prints a digest of the results of each; they must be the same in every way to run, and on every processor.
// `kernels digests` prints these alone, `kernels threads` uses several threads at each level and compares no more.
#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "common/simd.h"
#include "tests/batches.h"
#include "tests/threads.h"

namespace geopt::test {
namespace {

std::string case_name;
int64_t checks = 0, failures = 0;
unsigned char byte = 0;

Digests run_kernels(const std::vector<Batch>& batches, const std::string& way, bool check_results) {
  Digests digests;
  for (const Batch& batch : batches) {
    set_case(batch.name + ", " + way);
    test_voxels(batch, check_results, digests);
    if (batch.is_huge()) continue;
    test_searches(batch, check_results, digests);
    test_sampling(batch, check_results, digests);
    test_segments(batch, check_results, digests);
    test_boxes(batch, check_results, digests);
  }
  return digests;
}

void print(const Digests& digests) {
  for (const auto& [name, digest] : digests.all()) std::printf("digest %016" PRIx64 " %s\n", digest, name.c_str());
}

// What every processor can do, and nothing is compared: enough to compare processors, emulated ones too.
void run_for_digests() {
  choose_simd_level("base");
  print(run_kernels(make_batches(), "base", false));
}

// At every level, with each of these numbers of threads; the results of the first way are compared with brute force.
void run_all(const std::vector<int>& numbers_of_threads, bool check_results) {
  const std::vector<Batch> batches = make_batches();
  Digests first;
  for (const char* const level : {"base", "avx2", "avx512"}) {
    if (choose_simd_level(level) != nullptr) continue;  // the processor lacks it
    for (const int threads : numbers_of_threads) {
      const std::string way = std::string(level) + ", " + std::to_string(threads) + " thread(s)";
      const bool is_first = first.all().empty();
      set_num_threads(threads);
      set_filling(static_cast<unsigned char>(byte + 0x51));
      const Digests digests = run_kernels(batches, way, check_results && is_first);
      if (is_first) first = digests;
      for (const auto& [name, digest] : digests.all()) {
        set_case(name + ", " + way + " beside the first way");
        CHECK(digest == first.all().at(name));
      }
      std::printf("ran %s\n", way.c_str());
    }
  }
  print(first);
}

}  // namespace

bool check(bool holds, const char* what, const char* file, int line) {
  ++checks;
  if (holds) return true;
  ++failures;
  if (failures <= 40) std::printf("%s:%d: %s: does not hold: %s\n", file, line, case_name.c_str(), what);
  return false;
}

void set_case(const std::string& name) { case_name = name; }
int64_t num_checks() { return checks; }
int64_t num_failures() { return failures; }
void set_filling(unsigned char value) { byte = value; }
unsigned char filling() { return byte; }

}  // namespace geopt::test

int main(int count, char** arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string what = count > 1 ? arguments[1] : "everything";
  if (what == "digests") {
    geopt::test::run_for_digests();
  } else if (what == "threads") {
    geopt::test::run_all({3}, false);
  } else {
    geopt::test::run_all({1, 2, 3}, true);
    geopt::test::test_host();
  }
  std::printf("%" PRId64 " checks, %" PRId64 " failed\n", geopt::test::num_checks(), geopt::test::num_failures());
  return geopt::test::num_failures() == 0 ? 0 : 1;
}
