#include "memory.h"

#include <mutex>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace rnnlayers {
namespace {

constexpr int64_t ALIGNMENT = 64;
constexpr int64_t LARGE_PAGE = 2 << 20;

// What precedes the memory that is handed out.
struct Header {
  int64_t bytes;  // all, with the header
};

// Blocks that no call uses now. A lock that another thread holds is not waited for, so a process
// that was forked off meanwhile allocates for itself.
constexpr int BLOCKS = 32;
constexpr int64_t MOST_BYTES = int64_t{512} << 20;
std::mutex mutex;
Header* idle[BLOCKS];
int count = 0;
int64_t idle_bytes = 0;

Header* remove(int n) {
  Header* block = idle[n];
  idle[n] = idle[--count];
  idle_bytes -= block->bytes;
  return block;
}

void release(Header* block) { ::operator delete(block, std::align_val_t{ALIGNMENT}); }

// Asks the system for large pages, which are fewer to hand out.
void prefer_large_pages(void* block, int64_t bytes) {
#if defined(__linux__)
  const uintptr_t begin = reinterpret_cast<uintptr_t>(block);
  const uintptr_t first = (begin + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
  const uintptr_t last = (begin + bytes) / LARGE_PAGE * LARGE_PAGE;
  // A wish: whether it is granted does not matter.
  if (last > first) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  static_cast<void>(block);
  static_cast<void>(bytes);
#endif
}

}  // namespace

float* take_memory(int64_t floats) {
  const int64_t bytes = ALIGNMENT + floats * static_cast<int64_t>(sizeof(float));
  Header* block = nullptr;
  if (std::unique_lock<std::mutex> lock(mutex, std::try_to_lock); lock) {
    int best = -1;
    for (int n = 0; n < count; ++n) {
      const int64_t has = idle[n]->bytes;
      if (has < bytes || has > 4 * bytes + LARGE_PAGE) continue;
      if (best < 0 || has < idle[best]->bytes) best = n;
    }
    if (best >= 0) block = remove(best);
  }
  if (block == nullptr) {
    block = static_cast<Header*>(::operator new(bytes, std::align_val_t{ALIGNMENT}));
    if (bytes >= 4 * LARGE_PAGE) prefer_large_pages(block, bytes);
    block->bytes = bytes;
  }
  return reinterpret_cast<float*>(reinterpret_cast<char*>(block) + ALIGNMENT);
}

void give_back(float* memory) {
  Header* block = reinterpret_cast<Header*>(reinterpret_cast<char*>(memory) - ALIGNMENT);
  if (std::unique_lock<std::mutex> lock(mutex, std::try_to_lock); lock) {
    // Blocks of sizes that are not in use any more must not stay for ever.
    while (count == BLOCKS || (count > 0 && idle_bytes + block->bytes > MOST_BYTES)) {
      release(remove(0));
    }
    if (block->bytes <= MOST_BYTES) {
      idle[count++] = block;
      idle_bytes += block->bytes;
      return;
    }
  }
  release(block);
}

}  // namespace rnnlayers
