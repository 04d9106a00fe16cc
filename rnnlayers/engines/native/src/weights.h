// The weights of a layer as its steps need them.
#pragma once

#include "cells.h"
#include "memory.h"
#include "pool.h"

namespace rnnlayers {
namespace RNN_TARGET {

template <class Body>
void each_task(const Layer& l, int64_t tasks, const Body& body) {
  l.pool->run(
      tasks, l.threads, [](void* context, int64_t n) { (*static_cast<const Body*>(context))(n); },
      const_cast<Body*>(&body));
}

// Calls body(number, vector) for each vector of units that scales or shifts, in the order of the
// cell; `norms` and `bias` have one vector or one for each gate.
template <class Float, class Body>
void each_scale(Float* const* norms, Float* bias, int64_t units, const Body& body) {
  struct Group {
    Float* first;
    int count;
  };
  int number = 0;
  for (const Group& group :
       {Group{norms[NORM_OF_KERNEL], 4}, Group{norms[NORM_OF_STATE], 4}, Group{bias, 4},
        Group{norms[NORM_OF_CELL], 1}, Group{norms[SHIFT_OF_CELL], 1}}) {
    for (int n = 0; n < group.count; ++n, ++number) {
      if (group.first != nullptr) body(number, group.first + n * units);
    }
  }
}

// Weights as products need them. Those of a few steps stay as they lie; others are packed.
template <class C>
struct PackedWeights {
  Panels inputs, inputs_back;
  StepWeights steps;
  float* bias;
  Memory memory;

  PackedWeights(const Layer& l, const Units& units, bool forward, bool back)
      : memory(size(l, units, forward, back)) {
    const int64_t U = l.units, D = l.features, H = l.outputs, width = C::gates * U;
    const int64_t state_width = state_gates<C>() * U;
    const float* recurrent = l.weights.recurrent_kernel;
    const Units of_outputs(H, 1, 4);
    steps.beta = l.weights.beta;
    bias = memory.take(units.row());
    std::memset(bias, 0, sizeof(float) * units.row());
    if (l.weights.bias != nullptr && C::scales == 0) {
      add_bias<typename C::inputs>(units, l.weights.bias);
      if (C::bias_rows == 2) add_bias<typename C::state>(units, l.weights.bias + width);
    }
    for (int n = 0; n < C::peepholes; ++n) {
      float* padded = memory.take(units.blocks * V);
      std::memset(padded, 0, sizeof(float) * units.blocks * V);
      std::memcpy(padded, l.weights.peepholes[n], sizeof(float) * U);
      steps.peepholes[n] = padded;
    }
    if (C::scales > 0) pack_scales(l, units);
    if (forward && stay(l)) {
      inputs = steps.state = {nullptr, 0, D, l.weights.kernel, width};
      steps.state.depth = H;
      steps.state.plain = recurrent;
      steps.state.width = state_width;
      if (C::second) steps.second = {nullptr, 0, U, recurrent, state_width};
      if (C::projects) {
        steps.second = pack_all<Plain>(l, l.weights.projection, U, H, of_outputs);
      }
    } else if (forward) {
      inputs = pack_all<typename C::inputs>(l, l.weights.kernel, D, width, units);
      if (C::recurrent) {
        steps.state = pack_all<typename C::state>(l, recurrent, H, state_width, units);
      }
      if (C::second) {
        steps.second = pack_all<typename C::second_state>(l, recurrent, U, state_width, units);
      }
      if (C::projects) {
        steps.second = pack_all<Plain>(l, l.weights.projection, U, H, of_outputs);
      }
    }
    if (back) {
      inputs_back = pack_back<typename C::inputs>(l, l.weights.kernel, D, width, units);
      if (C::recurrent) {
        steps.state_back = pack_back<typename C::state>(l, recurrent, H, state_width, units);
      }
      if (C::second) {
        steps.second_back =
            pack_back<typename C::second_state>(l, recurrent, U, state_width, units);
      }
      if (C::projects) {
        steps.second_back = pack_back<Plain>(l, l.weights.projection, U, H, of_outputs);
      }
    }
  }

 private:
  // Packing takes as long as a few products with a row.
  static bool stay(const Layer& l) { return l.batch * l.time <= 4 && l.units % V == 0; }

  static int64_t size(const Layer& l, const Units& units, bool forward, bool back) {
    const int64_t D = l.features, U = l.units, H = l.outputs;
    const int64_t of_state = C::recurrent ? H : 0;
    const int64_t second = C::second ? U : 0, wide_u = round_up(U, 4 * V);
    const int64_t wide = round_up(units.blocks, 4) * 4 * V;  // of all gates
    const int64_t wide_h = round_up(H, 4 * V);
    int64_t floats = units.row() + (C::peepholes + C::scales) * units.blocks * V;
    if (forward && !stay(l)) floats += (D + of_state + second) * wide;
    if (forward && C::projects) floats += U * wide_h;
    if (back) {
      floats += (round_up(D, 4 * V) + (C::recurrent ? wide_h : 0) + (second ? wide_u : 0)) * wide;
      floats += C::projects ? wide_u * wide_h : 0;
    }
    return floats;
  }

  template <class Columns>
  void add_bias(const Units& units, const float* from) {
    for (int64_t block = 0; block < units.blocks; ++block) {
      for (int g = 0; g < Columns::count; ++g) {
        float* to = bias + (block * units.kept + Columns::first + g) * V;
        for (int64_t v = 0; v < units.in_block(block); ++v) {
          to[v] += from[Columns::gate[g] * units.count + block * V + v];
        }
      }
    }
  }

  // The vectors that scale and shift, each padded with zeros.
  void pack_scales(const Layer& l, const Units& units) {
    steps.scales_stride = units.blocks * V;
    float* to = memory.take(C::scales * steps.scales_stride);
    steps.scales = to;
    std::memset(to, 0, sizeof(float) * C::scales * steps.scales_stride);
    each_scale<const float>(
        l.weights.norms, l.weights.bias, l.units, [&](int n, const float* from) {
          std::memcpy(to + n * steps.scales_stride, from, sizeof(float) * l.units);
        });
  }

  template <class Columns>
  Panels pack_all(const Layer& l, const float* kernel, int64_t depth, int64_t width,
                  const Units& units) {
    const int64_t count = units.blocks / Columns::blocks;
    const Panels to{memory.take(count * depth * Columns::vectors * V), count, depth};
    each_panel(l, to, [&](int64_t p) { pack<Columns>(kernel, width, units, to, p); });
    return to;
  }

  // Small weights are packed before another thread would have come to help.
  template <class Body>
  static void each_panel(const Layer& l, const Panels& w, const Body& body) {
    constexpr int64_t WORTH_A_THREAD = 1 << 18;
    if (w.count * w.depth * 4 * V >= WORTH_A_THREAD) return each_task(l, w.count, body);
    for (int64_t panel = 0; panel < w.count; ++panel) body(panel);
  }

  template <class Columns>
  Panels pack_back(const Layer& l, const float* kernel, int64_t rows, int64_t width,
                   const Units& units) {
    const int64_t count = (rows + 4 * V - 1) / (4 * V), depth = units.blocks * Columns::count * V;
    const Panels to{memory.take(count * depth * 4 * V), count, depth};
    each_panel(l, to,
               [&](int64_t p) { pack_transposed<Columns>(kernel, rows, width, units, to, p); });
    return to;
  }
};

}  // namespace RNN_TARGET
}  // namespace rnnlayers
