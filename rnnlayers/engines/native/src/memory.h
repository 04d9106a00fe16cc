// Working memory that is kept from one call to the next.
//
// The system hands out fresh pages and zeroes them, which takes longer than a short sequence does.
#pragma once

#include <cstdint>

namespace rnnlayers {

// Aligned memory for so many floats, which must be given back. Throws `std::bad_alloc`.
float* take_memory(int64_t floats);
void give_back(float* memory);

// Such memory, handed out from the front.
class Memory {
 public:
  explicit Memory(int64_t floats) : data_(take_memory(floats)), next_(data_) {}
  ~Memory() { give_back(data_); }
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
};

}  // namespace rnnlayers
