// The cells: a step forward and a step back, as equations on vectors of units.
//
// z are the kept vectors of a row. Before a step they hold what the inputs and the biases add;
// `forward` adds the product with the state and leaves the gates in them; `backward` reads the
// gates and writes dz, the gradients of what went into the gates. Masked rows keep their states.
#pragma once

#include <type_traits>

#include "kernels.h"
#include "panels.h"

namespace rnnlayers {
namespace RNN_TARGET {

// The recurrent weights as a step needs them.
struct StepWeights {
  Panels state, second;            // for the way forward; `second` may be a projection
  Panels state_back, second_back;  // and for the way back
  const float* peepholes[3];       // padded with zeros
  const float* scales;             // of layer normalization: vectors of units, padded with zeros
  int64_t scales_stride;
  float beta;  // of JANET

  vf scale(int number, int64_t block) const {
    return load(scales + number * scales_stride + block * V);
  }
};

// One step of some rows on the way forward.
struct Step {
  int64_t rows;
  const Units& units;
  Blocks blocks;  // those to compute: another thread may compute the others
  const StepWeights& weights;
  bool keep;          // whether the gates are read later
  const bool* valid;  // of each row, or null
  float* z;
  int64_t stride;  // of the states' rows
  const float* h_dropped;
  const float* h;
  float* h_next;
  int64_t c_stride;
  const float* c;
  float* c_next;
  float* spare;     // as h
  int64_t outputs;  // size of h

  bool is_valid(int64_t row) const { return valid == nullptr || valid[row]; }
  vf h_at(int64_t row, int64_t block) const { return load(h + row * stride + block * V); }
  vf c_at(int64_t row, int64_t block) const { return load(c + row * c_stride + block * V); }
  float* z_at(int64_t row, int64_t block) const {
    return z + row * units.row() + block * units.kept * V;
  }
  Rows left(const float* of, int64_t size) const { return {of, stride, size}; }

  // Hands z + rows times a matrix to finish(row, block, vectors), for the columns C.
  template <class C, class Finish>
  void multiply(const float* of, int64_t size, const Panels& w, const Finish& finish) const {
    step_product<C>(rows, left(of, size), w, z, units, blocks, finish);
  }

  // Calls body(row, block) for all units.
  template <class Body>
  void each(const Body& body) const {
    for (int64_t row = 0; row < rows; ++row) {
      for (int64_t block = blocks.first; block < blocks.last; ++block) body(row, block);
    }
  }

  void set_h(int64_t row, int64_t block, vf next) const {
    store(h_next + row * stride + block * V, is_valid(row) ? next : h_at(row, block));
  }
  void set_c(int64_t row, int64_t block, vf next) const {
    store(c_next + row * c_stride + block * V, is_valid(row) ? next : c_at(row, block));
  }
};

// The same step on the way back.
struct StepBack {
  int64_t rows;
  const Units& units;
  Blocks blocks;  // as of `Step`; all of them where a product follows
  const StepWeights& weights;
  const bool* valid;
  const float* z;  // the gates
  float* dz;
  int64_t stride;
  const float* h;  // before the step, where `reads_h`
  int64_t c_stride;
  const float* c;
  const float* c_next;
  float* dh;  // of the new state, then of the state before
  float* dc;
  const float* dropout;  // as h, or null
  float* spare;          // as h
  int64_t outputs;       // size of h
  float* d_projected;    // where dh is kept for the gradient of the projection, (rows, stride)
  float* sums;           // the gradients of `scales` so far, of each row for itself

  bool is_valid(int64_t row) const { return valid == nullptr || valid[row]; }
  const float* z_at(int64_t row, int64_t block) const {
    return z + row * units.row() + block * units.kept * V;
  }
  float* dz_at(int64_t row, int64_t block) const { return dz + (z_at(row, block) - z); }
  vf h_at(int64_t row, int64_t block) const { return load(h + row * stride + block * V); }
  vf c_at(int64_t row, int64_t block) const { return load(c + row * c_stride + block * V); }
  vf c_next_at(int64_t row, int64_t block) const {
    return load(c_next + row * c_stride + block * V);
  }
  float* dh_at(int64_t row, int64_t block) const { return dh + row * stride + block * V; }
  float* dc_at(int64_t row, int64_t block) const { return dc + row * stride + block * V; }
  vf dropout_at(int64_t row, int64_t block) const {
    return dropout == nullptr ? all(1.0f) : load(dropout + row * stride + block * V);
  }

  // Calls body(row, block) for the units of valid rows, and sets dz of the others to zero.
  template <class Body>
  void each(const Body& body) const {
    for (int64_t row = 0; row < rows; ++row) {
      if (is_valid(row)) {
        for (int64_t block = blocks.first; block < blocks.last; ++block) body(row, block);
      } else {
        const int64_t count = (blocks.last - blocks.first) * units.kept * V;
        std::memset(dz_at(row, blocks.first), 0, sizeof(float) * count);
      }
    }
  }

  // to = rows times the transposed matrix.
  void multiply(const Rows& a, const Panels& w, float* to) const {
    product<4>(
        rows, a, w, [](int64_t) { return [](int64_t, int) { return vf{}; }; },
        [&](int64_t panel) {
          return [=](int64_t row, const vf* sums) {
            for (int n = 0; n < 4; ++n) store(to + row * stride + (panel * 4 + n) * V, sums[n]);
          };
        });
  }

  // dh += dropout * (dz U^T), for the columns C of dz.
  template <class C>
  void add_product(const Panels& w) const {
    product<4>(
        rows, Rows::of<C>(dz, units), w, [](int64_t) { return [](int64_t, int) { return vf{}; }; },
        [&](int64_t panel) {
          return [=](int64_t row, const vf* sums) {
            for (int n = 0; n < 4; ++n) {
              float* to = dh_at(row, panel * 4 + n);
              // In two branches, so that each rounds alike in tiles of any height.
              if (dropout == nullptr) {
                store(to, load(to) + sums[n]);
              } else {
                store(to, load(to) + dropout_at(row, panel * 4 + n) * sums[n]);
              }
            }
          };
        });
  }
};

struct Tanh {
  static vf of(vf z) { return tanh(z); }
  static vf slope(vf y) { return 1.0f - y * y; }  // at the point where the function is y
};

struct Sigmoid {
  static vf of(vf z) { return sigmoid(z); }
  static vf slope(vf y) { return y * (1.0f - y); }
};

struct Relu {
  static vf of(vf z) { return relu(z); }
  static vf slope(vf y) { return y > 0.0f ? all(1.0f) : vf{}; }
};

// What most cells have in common.
struct Defaults {
  static constexpr bool recurrent = true;   // whether a step multiplies the state by U at all
  static constexpr bool second = false;     // whether it does so a second time
  static constexpr bool projects = false;   // whether it multiplies by a projection
  static constexpr bool h_is_state = true;  // whether the next step sees h
  static constexpr bool reads_h = false;    // whether `backward` reads the state before the step
  static constexpr int bias_rows = 1;
  static constexpr int peepholes = 0;
  static constexpr int scales = 0;  // vectors of units that scale and shift
  using second_state = Plain;
};

// How many gates the recurrent kernel has: all that a product with the state makes.
template <class C>
constexpr int state_gates() {
  if (!C::recurrent) return 0;
  int last = 0;
  for (int gate : C::state::gate) last = gate > last ? gate : last;
  for (int gate : C::second_state::gate) last = C::second && gate > last ? gate : last;
  return last + 1;
}

// h = activation(W x + b + U h_prev)
template <class Activation>
struct Elman : Defaults {
  using inputs = Columns<0, 0>;
  using state = inputs;
  static constexpr int gates = 1, kept = 1, states = 1;

  static void forward(const Step& s) {
    s.multiply<state>(s.h_dropped, s.outputs, s.weights.state,
                      [&](int64_t row, int64_t block, const vf* z) {
                        const vf h = Activation::of(z[0]);
                        if (s.keep) store(s.z_at(row, block), h);
                        s.set_h(row, block, h);
                      });
  }

  static void backward(const StepBack& s) {
    s.each([&](int64_t row, int64_t block) {
      const vf h = load(s.z_at(row, block));
      store(s.dz_at(row, block), load(s.dh_at(row, block)) * Activation::slope(h));
      store(s.dh_at(row, block), vf{});
    });
    s.add_product<state>(s.weights.state_back);
  }
};

// i, f, o = sigmoid(W x + b + U h_prev), g = tanh(...), c = f c_prev + i g, h = o tanh(c).
// With peepholes, i and f also see p c_prev, and o sees p c. With a projection P, h = P (o
// tanh(c)).
enum class Forget { GATE, COUPLED, NEVER };  // f is a gate, 1 - i, or 1

template <Forget Forgets, bool Peepholes = false, bool Projects = false>
struct LSTMFamily : Defaults {
  static constexpr bool has_f = Forgets == Forget::GATE, coupled = Forgets == Forget::COUPLED;
  using inputs = std::conditional_t<has_f, Columns<0, 0, 1, 2, 3>, Columns<0, 0, 1, 2>>;
  using state = inputs;
  static constexpr int gates = has_f ? 4 : 3, kept = gates, states = 2;
  static constexpr int peepholes = Peepholes ? 3 : 0;
  static constexpr bool projects = Projects;
  static constexpr int I = 0, F = 1, G = gates - 2, O = gates - 1;  // i, f, g, o or i, g, o

  static vf forget(vf i, vf gate) { return has_f ? gate : coupled ? 1.0f - i : all(1.0f); }

  static vf peephole(const StepWeights& w, int number, int64_t block) {
    return load(w.peepholes[number] + block * V);
  }

  static void forward(const Step& s) {
    s.multiply<state>(s.h_dropped, s.outputs, s.weights.state,
                      [&](int64_t row, int64_t block, const vf* z) {
                        const vf c_prev = s.c_at(row, block);
                        vf z_i = z[I], z_f = z[F], z_o = z[O];
                        if constexpr (Peepholes) {
                          z_i += peephole(s.weights, 0, block) * c_prev;
                          z_f += peephole(s.weights, 1, block) * c_prev;
                        }
                        const vf i = sigmoid(z_i), g = tanh(z[G]);
                        const vf f = forget(i, sigmoid(z_f));
                        const vf c = f * c_prev + rounded(i * g);
                        if constexpr (Peepholes) z_o += peephole(s.weights, 2, block) * c;
                        const vf o = sigmoid(z_o);
                        if (s.keep) {
                          float* kept = s.z_at(row, block);
                          store(kept + I * V, i);
                          if constexpr (has_f) store(kept + F * V, f);
                          store(kept + G * V, g);
                          store(kept + O * V, o);
                        }
                        s.set_c(row, block, c);
                        if constexpr (Projects) {
                          store(s.spare + row * s.stride + block * V, o * tanh(c));
                        } else {
                          s.set_h(row, block, o * tanh(c));
                        }
                      });
    if constexpr (Projects) {
      product<4>(
          s.rows, s.left(s.spare, s.units.count), s.weights.second,
          [](int64_t) { return [](int64_t, int) { return vf{}; }; },
          [&](int64_t panel) {
            return [&s, panel](int64_t row, const vf* sums) {
              for (int n = 0; n < 4; ++n) s.set_h(row, panel * 4 + n, sums[n]);
            };
          });
    }
  }

  // o tanh(c) of a block of units, which a projection multiplies.
  static vf shown(const float* kept, const float* c_next) {
    return load(kept + O * V) * tanh(load(c_next));
  }

  static void backward(const StepBack& s) {
    const float* d_shown = s.dh;
    if constexpr (Projects) {
      for (int64_t row = 0; row < s.rows; ++row) {
        const size_t bytes = sizeof(float) * s.stride;
        float* to = s.d_projected + row * s.stride;
        if (s.is_valid(row)) {
          std::memcpy(to, s.dh + row * s.stride, bytes);
        } else {
          std::memset(to, 0, bytes);
        }
      }
      s.multiply(Rows{s.dh, s.stride, s.outputs}, s.weights.second_back, s.spare);
      d_shown = s.spare;
    }
    s.each([&](int64_t row, int64_t block) {
      const float* kept = s.z_at(row, block);
      float* dz = s.dz_at(row, block);
      const vf i = load(kept + I * V), g = load(kept + G * V), o = load(kept + O * V);
      const vf f = forget(i, load(kept + F * V));
      const vf c_prev = s.c_at(row, block), shown = tanh(s.c_next_at(row, block));
      const vf dh = load(d_shown + row * s.stride + block * V);
      const vf dz_o = dh * shown * Sigmoid::slope(o);
      vf dc = load(s.dc_at(row, block)) + dh * o * Tanh::slope(shown);
      if constexpr (Peepholes) dc += dz_o * peephole(s.weights, 2, block);
      const vf dz_i = dc * (coupled ? g - c_prev : g) * Sigmoid::slope(i);
      const vf dz_f = dc * c_prev * Sigmoid::slope(f);
      store(dz + I * V, dz_i);
      if constexpr (has_f) store(dz + F * V, dz_f);
      store(dz + G * V, dc * i * Tanh::slope(g));
      store(dz + O * V, dz_o);
      dc *= f;
      if constexpr (Peepholes) {
        dc += dz_i * peephole(s.weights, 0, block) + dz_f * peephole(s.weights, 1, block);
      }
      store(s.dc_at(row, block), dc);
      if constexpr (!Projects) store(s.dh_at(row, block), vf{});
    });
    for (int64_t row = 0; Projects && row < s.rows; ++row) {
      if (s.is_valid(row)) std::memset(s.dh_at(row, 0), 0, sizeof(float) * s.stride);
    }
    s.add_product<state>(s.weights.state_back);
  }
};

// z, r = sigmoid(W x + b + U h_prev + d), n = tanh(W x + b + r u) with u = U h_prev + d,
// h = z h_prev + (1 - z) n. Kept are n, z, r, u.
struct GRU : Defaults {
  using inputs = Columns<0, 2, 0, 1>;
  using state = Columns<1, 0, 1, 2>;
  static constexpr int gates = 3, kept = 4, states = 1, bias_rows = 2;
  static constexpr bool reads_h = true;

  static void forward(const Step& s) {
    s.multiply<state>(s.h_dropped, s.outputs, s.weights.state,
                      [&](int64_t row, int64_t block, const vf* sums) {
                        float* kept = s.z_at(row, block);
                        const vf z = sigmoid(sums[0]), r = sigmoid(sums[1]), u = sums[2];
                        const vf n = tanh(load(kept) + r * u);
                        if (s.keep) {
                          store(kept, n);
                          store(kept + V, z);
                          store(kept + 2 * V, r);
                          store(kept + 3 * V, u);
                        }
                        s.set_h(row, block, n + z * (s.h_at(row, block) - n));
                      });
  }

  static void backward(const StepBack& s) {
    s.each([&](int64_t row, int64_t block) {
      const float* kept = s.z_at(row, block);
      float* dz = s.dz_at(row, block);
      const vf n = load(kept), z = load(kept + V), r = load(kept + 2 * V), u = load(kept + 3 * V);
      const vf dh = load(s.dh_at(row, block));
      const vf dn = dh * (1.0f - z) * Tanh::slope(n);
      store(dz, dn);
      store(dz + V, dh * (s.h_at(row, block) - n) * Sigmoid::slope(z));
      store(dz + 2 * V, dn * u * Sigmoid::slope(r));
      store(dz + 3 * V, dn * r);
      store(s.dh_at(row, block), dh * z);
    });
    s.add_product<state>(s.weights.state_back);
  }
};

// As GRU, but n = tanh(W x + b + U (r h_prev)). The minimal gated unit has one gate f, which resets
// and, as 1 - f, updates. Kept are z, r, n, r h_prev, or f, n, f h_prev.
template <bool Minimal>
struct ResetBefore : Defaults {
  using inputs = std::conditional_t<Minimal, Columns<0, 0, 1>, Columns<0, 0, 1, 2>>;
  using state = std::conditional_t<Minimal, Columns<0, 0>, Columns<0, 0, 1>>;
  using second_state = std::conditional_t<Minimal, Columns<1, 1>, Columns<2, 2>>;
  static constexpr int R = Minimal ? 0 : 1, N = R + 1, second_operand = R + 2;
  static constexpr int gates = N + 1, kept = gates + 1, states = 1;
  static constexpr bool reads_h = true, second = true;

  static vf update(const float* kept) { return Minimal ? 1.0f - load(kept) : load(kept); }

  static void forward(const Step& s) {
    float* r_h = s.spare;
    s.multiply<state>(s.h_dropped, s.outputs, s.weights.state,
                      [&](int64_t row, int64_t block, const vf* sums) {
                        float* kept = s.z_at(row, block);
                        const vf r = sigmoid(sums[R]);
                        const int64_t at = row * s.stride + block * V;
                        const vf product = r * load(s.h_dropped + at);
                        store(r_h + at, product);
                        if constexpr (!Minimal) store(kept, sigmoid(sums[0]));
                        store(kept + R * V, r);
                        store(kept + second_operand * V, product);
                      });
    s.multiply<second_state>(r_h, s.units.count, s.weights.second,
                             [&](int64_t row, int64_t block, const vf* sums) {
                               float* kept = s.z_at(row, block);
                               const vf n = tanh(sums[0]), z = update(kept);
                               store(kept + N * V, n);
                               s.set_h(row, block, n + z * (s.h_at(row, block) - n));
                             });
  }

  static void backward(const StepBack& s) {
    s.each([&](int64_t row, int64_t block) {
      const float* kept = s.z_at(row, block);
      float* dz = s.dz_at(row, block);
      const vf dh = load(s.dh_at(row, block)), z = update(kept), n = load(kept + N * V);
      const vf d_z = dh * (s.h_at(row, block) - n);
      store(dz, Minimal ? -d_z : d_z * Sigmoid::slope(z));  // of f, what the reset adds to below
      store(dz + N * V, dh * (1.0f - z) * Tanh::slope(n));
      store(s.dh_at(row, block), dh * z);
    });
    float* d_r_h = s.spare;
    s.multiply(Rows::of<second_state>(s.dz, s.units), s.weights.second_back, d_r_h);
    s.each([&](int64_t row, int64_t block) {
      float* dz = s.dz_at(row, block);
      const vf r = load(s.z_at(row, block) + R * V), dropout = s.dropout_at(row, block);
      const vf d = load(d_r_h + row * s.stride + block * V) * dropout;
      vf d_r = d * s.h_at(row, block);
      if constexpr (Minimal) d_r += load(dz);
      store(dz + R * V, d_r * Sigmoid::slope(r));
      store(s.dh_at(row, block), load(s.dh_at(row, block)) + d * r);
    });
    s.add_product<state>(s.weights.state_back);
  }
};

}  // namespace RNN_TARGET
}  // namespace rnnlayers
