// Cells that mix the state before with a candidate, after at most one product with the state.
#pragma once

#include "cells.h"

namespace rnnlayers {
namespace RNN_TARGET {

// A cell of one state, from its equations on the kept vectors z of some units:
// `next(z, h_prev, weights)` returns h, and leaves in z what `back` reads;
// `back(z, h_prev, dh, dz)` writes dz, zeros to begin with, and returns what of dh reaches h_prev
// without a product.
// Where `state` is void there is no product.
template <class Equations>
struct Mixed : Defaults {
  static constexpr bool recurrent = !std::is_void_v<typename Equations::state>;
  using inputs = typename Equations::inputs;
  using state = std::conditional_t<recurrent, typename Equations::state, Plain>;
  static constexpr int gates = Equations::gates, kept = Equations::kept, states = 1;
  static constexpr bool reads_h = true;

  static void forward(const Step& s) {
    const auto finish = [&](int64_t row, int64_t block, const vf* sums) {
      float* at = s.z_at(row, block);
      vf z[kept];
      for (int n = 0; n < kept; ++n) z[n] = load(at + n * V);
      for (int n = 0; recurrent && n < state::count; ++n) z[state::first + n] = sums[n];
      const vf h = Equations::next(z, s.h_at(row, block), s.weights);
      for (int n = 0; s.keep && n < kept; ++n) store(at + n * V, z[n]);
      s.set_h(row, block, h);
    };
    if constexpr (recurrent) {
      s.multiply<state>(s.h_dropped, s.outputs, s.weights.state, finish);
    } else {
      s.each([&](int64_t row, int64_t block) { finish(row, block, nullptr); });
    }
  }

  static void backward(const StepBack& s) {
    s.each([&](int64_t row, int64_t block) {
      vf z[kept], dz[kept] = {};
      for (int n = 0; n < kept; ++n) z[n] = load(s.z_at(row, block) + n * V);
      const vf dh = load(s.dh_at(row, block));
      store(s.dh_at(row, block), Equations::back(z, s.h_at(row, block), dh, dz));
      for (int n = 0; n < kept; ++n) store(s.dz_at(row, block) + n * V, dz[n]);
    });
    if constexpr (recurrent) s.add_product<state>(s.weights.state_back);
  }
};

// g = sigmoid(W x + b + U h_prev), n = activation(W x + b + U h_prev), h = g h_prev + (1 - g) n:
// the update gate network, and with relu the light GRU. Kept are g, n.
template <class Activation>
struct UpdateGate {
  using inputs = Columns<0, 0, 1>;
  using state = inputs;
  static constexpr int gates = 2, kept = 2;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf g = z[0] = sigmoid(z[0]), n = z[1] = Activation::of(z[1]);
    return n + g * (h_prev - n);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf g = z[0], n = z[1];
    dz[0] = dh * (h_prev - n) * Sigmoid::slope(g);
    dz[1] = dh * (1.0f - g) * Activation::slope(n);
    return dh * g;
  }
};

// s = W x + b + U h_prev, g = tanh(W x + b + U h_prev),
// h = sigmoid(s) h_prev + (1 - sigmoid(s - beta)) g. Kept are both gates and g.
struct JANET {
  using inputs = Columns<0, 0, 1>;
  using state = inputs;
  static constexpr int gates = 2, kept = 3;

  static vf next(vf* z, vf h_prev, const StepWeights& weights) {
    const vf keeps = sigmoid(z[0]), forgets = sigmoid(z[0] - weights.beta), g = tanh(z[1]);
    z[0] = keeps, z[1] = g, z[2] = forgets;
    return keeps * h_prev + rounded((1.0f - forgets) * g);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf keeps = z[0], g = z[1], forgets = z[2];
    dz[0] = dh * (h_prev * Sigmoid::slope(keeps) - g * Sigmoid::slope(forgets));
    dz[1] = dh * (1.0f - forgets) * Tanh::slope(g);
    return dh * keeps;
  }
};

// f = sigmoid(W x + b + U h_prev), n = tanh(W x + b), h = (1 - f) h_prev + f n. Kept are f, n.
struct LightRecurrent {
  using inputs = Columns<0, 0, 1>;
  using state = Columns<0, 0>;
  static constexpr int gates = 2, kept = 2;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf f = z[0] = sigmoid(z[0]), n = z[1] = tanh(z[1]);
    return h_prev + f * (n - h_prev);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf f = z[0], n = z[1];
    dz[0] = dh * (n - h_prev) * Sigmoid::slope(f);
    dz[1] = dh * f * Tanh::slope(n);
    return dh * (1.0f - f);
  }
};

// n = tanh(W x + b), k = sigmoid(W x + b + U h_prev), h = tanh((1 - k) h_prev + k n). Kept are n,
// k, h.
struct STAR {
  using inputs = Columns<0, 0, 1>;
  using state = Columns<1, 0>;
  static constexpr int gates = 2, kept = 3;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf n = z[0] = tanh(z[0]), k = z[1] = sigmoid(z[1]);
    return z[2] = tanh(h_prev + k * (n - h_prev));
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf n = z[0], k = z[1], d = dh * Tanh::slope(z[2]);
    dz[0] = d * k * Tanh::slope(n);
    dz[1] = d * (n - h_prev) * Sigmoid::slope(k);
    return d * (1.0f - k);
  }
};

// p = W x + b, q = U h_prev, i = sigmoid(p + q), f = sigmoid(p - q), h = i p + f h_prev. Kept are
// p, i, f.
struct ATR {
  using inputs = Columns<0, 0>;
  using state = Columns<1, 0>;
  static constexpr int gates = 1, kept = 3;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf p = z[0], i = sigmoid(p + z[1]), f = sigmoid(p - z[1]);
    z[1] = i, z[2] = f;
    return i * p + rounded(f * h_prev);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf p = z[0], i = z[1], f = z[2];
    const vf d_sum = dh * p * Sigmoid::slope(i), d_difference = dh * h_prev * Sigmoid::slope(f);
    dz[0] = dh * i + d_sum + d_difference;
    dz[1] = d_sum - d_difference;
    return dh * f;
  }
};

// s = W x + b, f = sigmoid(s + U h_prev), h = tanh((1 - f) s + f h_prev). Kept are s, f, h.
struct SGRN {
  using inputs = Columns<0, 0>;
  using state = Columns<1, 0>;
  static constexpr int gates = 1, kept = 3;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf s = z[0], f = z[1] = sigmoid(s + z[1]);
    return z[2] = tanh(s + f * (h_prev - s));
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf s = z[0], f = z[1], d = dh * Tanh::slope(z[2]);
    dz[1] = d * (h_prev - s) * Sigmoid::slope(f);
    dz[0] = d * (1.0f - f) + dz[1];
    return d * f;
  }
};

// a = 1 + t, t = tanh(W x + b + U h_prev), c = sigmoid(W x + b + U h_prev),
// n = tanh(W x + b + a h_prev), h = c h_prev + (1 - c) n. Kept are t, c, n.
struct NBRC {
  using inputs = Columns<0, 0, 1, 2>;
  using state = Columns<0, 0, 1>;
  static constexpr int gates = 3, kept = 3;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf t = z[0] = tanh(z[0]), c = z[1] = sigmoid(z[1]);
    const vf n = z[2] = tanh(z[2] + (1.0f + t) * h_prev);
    return n + c * (h_prev - n);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf t = z[0], c = z[1], n = z[2];
    dz[2] = dh * (1.0f - c) * Tanh::slope(n);
    dz[0] = dz[2] * h_prev * Tanh::slope(t);
    dz[1] = dh * (h_prev - n) * Sigmoid::slope(c);
    return dh * c + dz[2] * (1.0f + t);
  }
};

// t, n = sigmoid(W x + b + U h_prev), c = tanh(W x + b), h = t tanh(h_prev) + n c. Kept are t, n,
// c.
struct CFN {
  using inputs = Columns<0, 0, 1, 2>;
  using state = Columns<0, 0, 1>;
  static constexpr int gates = 3, kept = 3;

  static vf next(vf* z, vf h_prev, const StepWeights&) {
    const vf t = z[0] = sigmoid(z[0]), n = z[1] = sigmoid(z[1]), c = z[2] = tanh(z[2]);
    return t * tanh(h_prev) + rounded(n * c);
  }

  static vf back(const vf* z, vf h_prev, vf dh, vf* dz) {
    const vf t = z[0], n = z[1], c = z[2], before = tanh(h_prev);
    dz[0] = dh * before * Sigmoid::slope(t);
    dz[1] = dh * c * Sigmoid::slope(n);
    dz[2] = dh * n * Tanh::slope(c);
    return dh * t * Tanh::slope(before);
  }
};

// i, f = sigmoid(W x + b + U h_prev), g = W x + b, c = f c_prev + i g, h = tanh(c). Kept are i, f,
// g.
struct RAN : Defaults {
  using inputs = Columns<0, 0, 1, 2>;
  using state = Columns<0, 0, 1>;
  static constexpr int gates = 3, kept = 3, states = 2;

  static void forward(const Step& s) {
    s.multiply<state>(s.h_dropped, s.outputs, s.weights.state,
                      [&](int64_t row, int64_t block, const vf* sums) {
                        float* kept = s.z_at(row, block);
                        const vf i = sigmoid(sums[0]), f = sigmoid(sums[1]);
                        const vf c = f * s.c_at(row, block) + rounded(i * load(kept + 2 * V));
                        if (s.keep) {
                          store(kept, i);
                          store(kept + V, f);
                        }
                        s.set_c(row, block, c);
                        s.set_h(row, block, tanh(c));
                      });
  }

  static void backward(const StepBack& s) {
    s.each([&](int64_t row, int64_t block) {
      const float* kept = s.z_at(row, block);
      float* dz = s.dz_at(row, block);
      const vf i = load(kept), f = load(kept + V), g = load(kept + 2 * V);
      const vf h = tanh(s.c_next_at(row, block));
      const vf dc = load(s.dc_at(row, block)) + load(s.dh_at(row, block)) * Tanh::slope(h);
      store(dz, dc * g * Sigmoid::slope(i));
      store(dz + V, dc * s.c_at(row, block) * Sigmoid::slope(f));
      store(dz + 2 * V, dc * i);
      store(s.dc_at(row, block), dc * f);
      store(s.dh_at(row, block), vf{});
    });
    s.add_product<state>(s.weights.state_back);
  }
};

}  // namespace RNN_TARGET
}  // namespace rnnlayers
