// Working memory that is kept from one call to the next.
//
// The system hands out fresh pages and zeroes them, which takes longer than a short sequence does.
#pragma once

#include <cstdint>

namespace rnnlayers {

// Aligned memory, handed out from the front. Its constructor throws `std::bad_alloc`.
class Memory {
 public:
  explicit Memory(int64_t floats);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  float* take(int64_t floats) {
    float* taken = next_;
    next_ += floats;
    return taken;
  }
  float* at(int64_t offset) const { return data_ + offset; }

 private:
  float* data_;
  float* next_;
  int64_t bytes_;
};

// Asks the system for large pages where a large array will be written for the first time.
void prefer_large_pages(float* data, int64_t floats);

}  // namespace rnnlayers
