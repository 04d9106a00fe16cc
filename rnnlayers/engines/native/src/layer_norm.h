// The LSTM with layer normalization.
#pragma once

#include <cmath>

#include "cells.h"

namespace rnnlayers {
namespace RNN_TARGET {

// The mean of a row, and one over its standard deviation. The row has `vectors` vectors for each
// block of units, and blocks begin `step` floats apart.
struct Moments {
  static constexpr float EPSILON = 1e-5f;  // is added to the variance
  float mean, scale;

  Moments(const float* row, int vectors, int64_t step, const Units& units) {
    const float count = static_cast<float>(vectors * units.count);
    mean = sum(row, vectors, step, units, [](vf x) { return x; }) / count;
    const float squares =
        sum(row, vectors, step, units, [this](vf x) { return (x - mean) * (x - mean); });
    scale = 1.0f / std::sqrt(squares / count + EPSILON);
  }

  vf normalize(vf x) const { return (x - mean) * scale; }

  // The gradient of a vector of the row from that of its normalized value y, given the means of all
  // d_y and of all d_y y.
  vf back(vf d_y, vf y, float mean_d, float mean_dy) const {
    return scale * (d_y - mean_d - y * mean_dy);
  }

  static float add_up(vf x) {
    float sum = 0.0f;
    for (int v = 0; v < V; ++v) sum += x[v];
    return sum;
  }

 private:
  template <class Of>
  static float sum(const float* row, int vectors, int64_t step, const Units& units, const Of& of) {
    vf sums = {};
    for (int64_t block = 0; block < units.blocks; ++block) {
      const int64_t count = units.in_block(block);
      for (int n = 0; n < vectors; ++n) {
        vf x = of(load(row + block * step + n * V));
        for (int64_t v = count; v < V; ++v) x[v] = 0.0f;
        sums += x;
      }
    }
    return add_up(sums);
  }
};

// i, f, o = sigmoid(...), g = tanh(...) of N(W x) gain + b + N(U h_prev) gain,
// c = f c_prev + i g, h = o tanh(N(c) gain + shift). Kept are W x and U h_prev.
struct LayerNormLSTM : Defaults {
  using inputs = Columns<0, 0, 1, 2, 3>;
  using state = Columns<4, 0, 1, 2, 3>;
  static constexpr int gates = 4, kept = 8, states = 2, scales = 14;
  static constexpr int I = 0, F = 1, G = 2, O = 3;
  // The numbers of the vectors that scale and shift.
  static constexpr int KERNEL_GAIN = 0, RECURRENT_GAIN = 4, BIAS = 8, STATE_GAIN = 12,
                       STATE_SHIFT = 13;

  // What is normalized in a step of a row.
  struct Row {
    const float* z;
    const StepWeights& weights;
    Moments x, u;

    Row(const float* z, const StepWeights& weights, const Units& units)
        : z(z), weights(weights), x(z, 4, kept * V, units), u(z + 4 * V, 4, kept * V, units) {}
    vf of_x(int64_t block, int gate) const {
      return x.normalize(load(z + (block * kept + gate) * V));
    }
    vf of_u(int64_t block, int gate) const {
      return u.normalize(load(z + (block * kept + 4 + gate) * V));
    }
    // What goes into the function of a gate.
    vf into(int64_t block, int gate) const {
      return of_x(block, gate) * weights.scale(KERNEL_GAIN + gate, block) +
             weights.scale(BIAS + gate, block) +
             of_u(block, gate) * weights.scale(RECURRENT_GAIN + gate, block);
    }
  };

  static vf shown(const StepWeights& w, int64_t block, vf y) {
    return tanh(y * w.scale(STATE_GAIN, block) + w.scale(STATE_SHIFT, block));
  }

  static void forward(const Step& s) {
    s.multiply<state>(s.h_dropped, s.outputs, s.weights.state,
                      [&](int64_t row, int64_t block, const vf* sums) {
                        for (int n = 0; n < 4; ++n)
                          store(s.z_at(row, block) + (4 + n) * V, sums[n]);
                      });
    for (int64_t row = 0; row < s.rows; ++row) {
      const Row of(s.z_at(row, 0), s.weights, s.units);
      float* o = s.spare + row * s.stride;
      for (int64_t block = 0; block < s.units.blocks; ++block) {
        const vf i = sigmoid(of.into(block, I)), f = sigmoid(of.into(block, F));
        s.set_c(row, block, f * s.c_at(row, block) + i * tanh(of.into(block, G)));
        store(o + block * V, sigmoid(of.into(block, O)));
      }
      const float* c = s.c_next + row * s.c_stride;
      const Moments of_c(c, 1, V, s.units);
      for (int64_t block = 0; block < s.units.blocks; ++block) {
        const vf y = of_c.normalize(load(c + block * V));
        s.set_h(row, block, load(o + block * V) * shown(s.weights, block, y));
      }
    }
  }

  static void backward(const StepBack& s) {
    for (int64_t row = 0; row < s.rows; ++row) {
      if (s.is_valid(row)) {
        row_back(s, row);
      } else {
        std::memset(s.dz_at(row, 0), 0, sizeof(float) * s.units.row());
      }
    }
    s.add_product<state>(s.weights.state_back);
  }

  static void row_back(const StepBack& s, int64_t row) {
    const int64_t blocks = s.units.blocks;
    const Row of(s.z_at(row, 0), s.weights, s.units);
    const Moments of_c(s.c_next + row * s.c_stride, 1, V, s.units);
    auto add = [&](int number, int64_t block, vf d) {
      float* to = s.sums + ((row * scales + number) * blocks + block) * V;
      store(to, load(to) + d);
    };
    // Of o and of the normalized state, which is kept in `spare`.
    float* d_normalized = s.spare + row * s.stride;
    vf sum = {}, sum_y = {};
    for (int64_t block = 0; block < blocks; ++block) {
      const vf y = of_c.normalize(s.c_next_at(row, block)), o = sigmoid(of.into(block, O));
      const vf h = shown(s.weights, block, y), dh = load(s.dh_at(row, block));
      const vf d_shown = dh * o * Tanh::slope(h);
      const vf d = d_shown * s.weights.scale(STATE_GAIN, block);
      add(STATE_GAIN, block, d_shown * y);
      add(STATE_SHIFT, block, d_shown);
      store(d_normalized + block * V, d);
      store(s.dz_at(row, block) + O * V, dh * h * Sigmoid::slope(o));
      store(s.dh_at(row, block), vf{});
      sum += d;
      sum_y += d * y;
    }
    const float units = static_cast<float>(s.units.count);
    const float mean_c = Moments::add_up(sum) / units, mean_c_y = Moments::add_up(sum_y) / units;
    // Of what goes into the gates.
    vf sum_x = {}, sum_x_y = {}, sum_u = {}, sum_u_y = {};
    for (int64_t block = 0; block < blocks; ++block) {
      const vf y = of_c.normalize(s.c_next_at(row, block));
      const vf i = sigmoid(of.into(block, I)), f = sigmoid(of.into(block, F));
      const vf g = tanh(of.into(block, G));
      const vf dc = load(s.dc_at(row, block)) +
                    of_c.back(load(d_normalized + block * V), y, mean_c, mean_c_y);
      float* dz = s.dz_at(row, block);
      store(dz + I * V, dc * g * Sigmoid::slope(i));
      store(dz + F * V, dc * s.c_at(row, block) * Sigmoid::slope(f));
      store(dz + G * V, dc * i * Tanh::slope(g));
      store(s.dc_at(row, block), dc * f);
      for (int gate = 0; gate < 4; ++gate) {
        const vf d = load(dz + gate * V), x = of.of_x(block, gate), u = of.of_u(block, gate);
        add(KERNEL_GAIN + gate, block, d * x);
        add(RECURRENT_GAIN + gate, block, d * u);
        add(BIAS + gate, block, d);
        const vf d_x = d * s.weights.scale(KERNEL_GAIN + gate, block);
        const vf d_u = d * s.weights.scale(RECURRENT_GAIN + gate, block);
        sum_x += d_x;
        sum_x_y += d_x * x;
        sum_u += d_u;
        sum_u_y += d_u * u;
      }
    }
    const float count = 4.0f * units;
    const float mean_x = Moments::add_up(sum_x) / count,
                mean_x_y = Moments::add_up(sum_x_y) / count;
    const float mean_u = Moments::add_up(sum_u) / count,
                mean_u_y = Moments::add_up(sum_u_y) / count;
    for (int64_t block = 0; block < blocks; ++block) {
      float* dz = s.dz_at(row, block);
      for (int gate = 0; gate < 4; ++gate) {
        const vf d = load(dz + gate * V);
        const vf d_x = d * s.weights.scale(KERNEL_GAIN + gate, block);
        const vf d_u = d * s.weights.scale(RECURRENT_GAIN + gate, block);
        store(dz + gate * V, of.x.back(d_x, of.of_x(block, gate), mean_x, mean_x_y));
        store(dz + (4 + gate) * V, of.u.back(d_u, of.of_u(block, gate), mean_u, mean_u_y));
      }
    }
  }
};

}  // namespace RNN_TARGET
}  // namespace rnnlayers
