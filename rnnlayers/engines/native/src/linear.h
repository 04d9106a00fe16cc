// Cells whose state is linear in the state before it, and in which no product follows the inputs'.
#pragma once

#include "mixed.h"

namespace rnnlayers {
namespace RNN_TARGET {

// A cell whose output is no state, from its equations on the kept vectors z of some units:
// `next(z, c_prev)` returns c, and leaves in z what `back` reads; `read(z, c)` returns h;
// `back(z, c_prev, c, dh, dc, dz)` writes dz, adds to dc what comes from h, and returns the
// gradient of c_prev.
template <class Equations>
struct Pooled : Defaults {
  using inputs = typename Equations::inputs;
  using state = Plain;
  static constexpr int gates = Equations::gates, kept = gates, states = 2;
  static constexpr bool recurrent = false, h_is_state = false;

  static void forward(const Step& s) {
    s.each([&](int64_t row, int64_t block) {
      float* at = s.z_at(row, block);
      vf z[kept];
      for (int n = 0; n < kept; ++n) z[n] = load(at + n * V);
      const vf c = Equations::next(z, s.c_at(row, block));
      for (int n = 0; s.keep && n < kept; ++n) store(at + n * V, z[n]);
      s.set_c(row, block, c);
      s.set_h(row, block, Equations::read(z, c));
    });
  }

  static void backward(const StepBack& s) {
    s.each([&](int64_t row, int64_t block) {
      vf z[kept], dz[kept];
      for (int n = 0; n < kept; ++n) z[n] = load(s.z_at(row, block) + n * V);
      const vf d = Equations::back(z, s.c_at(row, block), s.c_next_at(row, block),
                                   load(s.dh_at(row, block)), load(s.dc_at(row, block)), dz);
      for (int n = 0; n < kept; ++n) store(s.dz_at(row, block) + n * V, dz[n]);
      store(s.dc_at(row, block), d);
      store(s.dh_at(row, block), vf{});
    });
  }
};

// g(v) = v + 0.5 for v >= 0, sigmoid(v) below.
struct Positive {
  static vf of(vf z) { return z < 0.0f ? sigmoid(z) : z + 0.5f; }
  static vf slope(vf y) { return y < 0.5f ? y * (1.0f - y) : all(1.0f); }
};

// z = sigmoid(W x + b), n = g(W x + b), h = (1 - z) h_prev + z n. Kept are z, n.
struct MinGRU {
  using inputs = Columns<0, 0, 1>;
  using state = void;
  static constexpr int gates = 2, kept = 2;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf gate = z[0] = sigmoid(z[0]), n = z[1] = Positive::of(z[1]);
    return h_prev + gate * (n - h_prev);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf gate = z[0], n = z[1];
    dz[0] = dh * (n - h_prev) * Sigmoid::slope(gate);
    dz[1] = dh * gate * Positive::slope(n);
    return dh * (1.0f - gate);
  }
};

// f, i = sigmoid(W x + b), n = g(W x + b), h = (f h_prev + i n) / (f + i). Kept are f, i, n.
struct MinLSTM {
  using inputs = Columns<0, 0, 1, 2>;
  using state = void;
  static constexpr int gates = 3, kept = 3;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf f = z[0] = sigmoid(z[0]), i = z[1] = sigmoid(z[1]), n = z[2] = Positive::of(z[2]);
    return h_prev + i / (f + i) * (n - h_prev);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf f = z[0], i = z[1], n = z[2], share = 1.0f / (f + i);
    const vf d = dh * (n - h_prev) * (i * share) * (f * share);  // shares, since 1 / f may overflow
    dz[0] = -d * (1.0f - f);
    dz[1] = d * (1.0f - i);
    dz[2] = dh * i * share * Positive::slope(n);
    return dh * f * share;
  }
};

// n = W x, f = sigmoid(W x + b), h = f h_prev + (1 - f) n. Kept are n, f.
struct TRNN {
  using inputs = Columns<0, 0, 1>;
  using state = void;
  static constexpr int gates = 2, kept = 2;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf n = z[0], f = z[1] = sigmoid(z[1]);
    return n + f * (h_prev - n);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf n = z[0], f = z[1];
    dz[0] = dh * (1.0f - f);
    dz[1] = dh * (h_prev - n) * Sigmoid::slope(f);
    return dh * f;
  }
};

// n = tanh(W x + b), f, o = sigmoid(W x + b), c = f c_prev + (1 - f) n, h = o c. Kept are n, f, o.
struct QRNN {
  using inputs = Columns<0, 0, 1, 2>;
  static constexpr int gates = 3;

  static vf next(vf* z, vf c_prev) {
    const vf n = z[0] = tanh(z[0]), f = z[1] = sigmoid(z[1]);
    z[2] = sigmoid(z[2]);
    return n + f * (c_prev - n);
  }

  static vf read(const vf* z, vf c) { return z[2] * c; }

  static vf back(const vf* z, vf c_prev, vf c, vf dh, vf dc, vf* dz) {
    const vf n = z[0], f = z[1], o = z[2];
    dc += dh * o;
    dz[0] = dc * (1.0f - f) * Tanh::slope(n);
    dz[1] = dc * (c_prev - n) * Sigmoid::slope(f);
    dz[2] = dh * c * Sigmoid::slope(o);
    return dc * f;
  }
};

// f, r = sigmoid(W x + b), n, s = W x, c = f c_prev + (1 - f) n, h = r tanh(c) + (1 - r) s. Kept
// are f, r, n, s.
struct SRU {
  using inputs = Columns<0, 0, 1, 2, 3>;
  static constexpr int gates = 4;

  static vf next(vf* z, vf c_prev) {
    const vf f = z[0] = sigmoid(z[0]), n = z[2];
    z[1] = sigmoid(z[1]);
    return n + f * (c_prev - n);
  }

  static vf read(const vf* z, vf c) { return z[3] + z[1] * (tanh(c) - z[3]); }

  static vf back(const vf* z, vf c_prev, vf c, vf dh, vf dc, vf* dz) {
    const vf f = z[0], r = z[1], n = z[2], s = z[3], shown = tanh(c);
    dc += dh * r * Tanh::slope(shown);
    dz[0] = dc * (c_prev - n) * Sigmoid::slope(f);
    dz[1] = dh * (shown - s) * Sigmoid::slope(r);
    dz[2] = dc * (1.0f - f);
    dz[3] = dh * (1.0f - r);
    return dc * f;
  }
};

}  // namespace RNN_TARGET
}  // namespace rnnlayers
