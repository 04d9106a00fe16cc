// The choice between the compiled copies of the kernels.
#include <cstdlib>
#include <cstring>

#include "kernels.h"

namespace rnnlayers {

namespace baseline {
extern const Kernels kernels;
}
#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kernels;
}
namespace avx512 {
extern const Kernels kernels;
}
#endif

namespace {

const Kernels& choose() {
  const char* asked = std::getenv("RNNLAYERS_NATIVE_TARGET");
  auto may_be = [asked](const Kernels& k) {
    return asked == nullptr || *asked == '\0' || std::strcmp(asked, k.target) == 0;
  };
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (has_avx512 && may_be(avx512::kernels)) return avx512::kernels;
  if (has_avx2 && may_be(avx2::kernels)) return avx2::kernels;
#else
  static_cast<void>(may_be);
#endif
  return baseline::kernels;
}

}  // namespace

const Kernels& best_kernels() {
  static const Kernels& chosen = choose();
  return chosen;
}

}  // namespace rnnlayers
