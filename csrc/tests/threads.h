#pragma once

namespace geopt::test {

// Of loops that start later.
void set_num_threads(int count);

}  // namespace geopt::test
