#include "memory.h"

#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace rnnlayers {
namespace {

constexpr std::align_val_t ALIGNMENT{64};
constexpr int64_t LARGE_PAGE = 2 << 20;

struct Block {
  float* data;
  int64_t bytes;
};

// Blocks that no call uses now. A lock that another thread holds is not waited for, so a process
// that was forked off meanwhile allocates for itself.
constexpr int BLOCKS = 24;
constexpr int64_t MOST_BYTES = int64_t{128} << 20;
std::mutex mutex;
Block idle[BLOCKS];
int count = 0;
int64_t idle_bytes = 0;

Block remove(int n) {
  const Block block = idle[n];
  idle[n] = idle[--count];
  idle_bytes -= block.bytes;
  return block;
}

}  // namespace

Memory::Memory(int64_t floats) : data_(nullptr), bytes_(floats * sizeof(float)) {
  if (std::unique_lock<std::mutex> lock(mutex, std::try_to_lock); lock) {
    int best = -1;
    for (int n = 0; n < count; ++n) {
      const int64_t bytes = idle[n].bytes;
      if (bytes < bytes_ || bytes > 4 * bytes_ + LARGE_PAGE) continue;
      if (best < 0 || bytes < idle[best].bytes) best = n;
    }
    if (best >= 0) {
      const Block block = remove(best);
      data_ = block.data;
      bytes_ = block.bytes;
    }
  }
  if (data_ == nullptr) data_ = static_cast<float*>(::operator new(bytes_, ALIGNMENT));
  next_ = data_;
}

Memory::~Memory() {
  if (std::unique_lock<std::mutex> lock(mutex, std::try_to_lock); lock) {
    if (count < BLOCKS && idle_bytes + bytes_ <= MOST_BYTES) {
      idle[count++] = {data_, bytes_};
      idle_bytes += bytes_;
      return;
    }
    // Blocks of sizes that are not in use any more must not stay for ever.
    while (count > 0) ::operator delete(remove(0).data, ALIGNMENT);
  }
  ::operator delete(data_, ALIGNMENT);
}

void prefer_large_pages(float* data, int64_t floats) {
#if defined(__linux__)
  const int64_t bytes = floats * static_cast<int64_t>(sizeof(float));
  if (bytes < 4 * LARGE_PAGE) return;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t first = (begin + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
  const uintptr_t last = (begin + bytes) / LARGE_PAGE * LARGE_PAGE;
  madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);  // a wish: no need to check
#else
  static_cast<void>(data);
  static_cast<void>(floats);
#endif
}

}  // namespace rnnlayers
