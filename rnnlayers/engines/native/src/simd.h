// Vectors of floats, and the functions of the gates.
//
// The vectors are those of the compiler (GCC and Clang): no intrinsics, so that one source serves
// every processor. Each target lies in a namespace of its own, since code for AVX-512 must never be
// linked in place of the same inline function for an older processor.
#pragma once

#include <cstdint>

#ifndef RNN_TARGET
#error "Compile with -DRNN_TARGET=<name of the target>, see build.py"
#endif

namespace rnnlayers {
namespace RNN_TARGET {

#if defined(__AVX512F__)
constexpr int V = 16;        // floats in a vector
constexpr int MAX_ROWS = 6;  // of a register tile, whose columns are up to four vectors
#elif defined(__AVX__)
constexpr int V = 8;
constexpr int MAX_ROWS = 3;
#elif defined(__aarch64__)
constexpr int V = 4;
constexpr int MAX_ROWS = 6;
#else
constexpr int V = 4;
constexpr int MAX_ROWS = 3;
#endif

typedef float vf __attribute__((vector_size(V * 4)));
typedef int32_t vi __attribute__((vector_size(V * 4)));
typedef float loose_vf __attribute__((vector_size(V * 4), aligned(4), may_alias));

inline vf load(const float* from) { return *reinterpret_cast<const vf*>(from); }
inline void store(float* to, vf x) { *reinterpret_cast<vf*>(to) = x; }
inline vf load_loose(const float* from) { return *reinterpret_cast<const loose_vf*>(from); }
inline void store_loose(float* to, vf x) { *reinterpret_cast<loose_vf*>(to) = x; }
inline vf all(float x) { return x - vf{}; }

// Keeps a product as it is: of a sum of two, a compiler fuses one with the addition, not always the
// same one in a tile of another height.
inline vf rounded(vf x) {
#if defined(__aarch64__)
  asm("" : "+w"(x));
#else
  asm("" : "+x"(x));
#endif
  return x;
}

// The first `count` floats, zeros behind them.
inline vf load_part(const float* from, int64_t count) {
  if (count >= V) return load_loose(from);
  vf x = {};
  for (int64_t v = 0; v < count; ++v) x[v] = from[v];
  return x;
}

inline void store_part(float* to, vf x, int64_t count) {
  if (count >= V) {
    store_loose(to, x);
  } else {
    for (int64_t v = 0; v < count; ++v) to[v] = x[v];
  }
}

inline vf clamp(vf x, float low, float high) {
  x = x < low ? all(low) : x;  // a NaN stays a NaN
  return x > high ? all(high) : x;
}

// e^x = 2^n e^r with |r| <= ln(2) / 2. Returns 2^n and sets e^r - 1. The error of e^x is a relative
// 2e-9 n + 3e-9 besides rounding: n is large only where a gate is all but open or closed.
inline vf split_exp(vf x, vf& expm1_r) {
  constexpr float ROUND = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const vf n_bits = x * 1.44269504f + ROUND;
  const vf n = n_bits - ROUND;
  const vf r = x - n * 0.693147182f;
  vf q = r * 1.395060218e-3f + 8.368953523e-3f;
  q = q * r + 4.166620414e-2f;
  q = q * r + 1.666651831e-1f;
  q = q * r + 5.000000096e-1f;
  expm1_r = q * (r * r) + r;
  return reinterpret_cast<vf>((reinterpret_cast<vi>(n_bits) << 23) + 0x3F800000);
}

inline vf sigmoid(vf x) {
  vf expm1_r;
  const vf power = split_exp(clamp(-x, -87.0f, 88.0f), expm1_r);
  return 1.0f / (1.0f + (power * expm1_r + power));
}

// By e^2x - 1, which has no cancellation at small x.
inline vf tanh(vf x) {
  vf expm1_r;
  const vf power = split_exp(2.0f * clamp(x, -9.02f, 9.02f), expm1_r);
  const vf expm1 = power * expm1_r + (power - 1.0f);
  return expm1 / (expm1 + 2.0f);
}

inline vf relu(vf x) { return x < 0.0f ? vf{} : x; }

}  // namespace RNN_TARGET
}  // namespace rnnlayers
