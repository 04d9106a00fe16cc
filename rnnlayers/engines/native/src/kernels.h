// A recurrent layer as plain arrays: what the kernels compute, without TensorFlow.
#pragma once

#include <cstdint>

namespace rnnlayers {

class Pool;

enum class CellKind {
  elman_tanh,
  elman_relu,
  elman_sigmoid,
  lstm,
  gru,
  gru_reset_before,
  coupled_lstm,
  original_lstm,
  peephole_lstm,
  projected_lstm,
  projected_peephole_lstm,
  layer_norm_lstm,
  minimal_gated,
  ugrnn,
  li_gru,
  janet,
  light_recurrent,
  star,
  atr,
  sgrn,
  nbrc,
  cfn,
  ran,
  min_gru,
  min_lstm,
  trnn,
  qrnn,
  sru,
};
constexpr int CELL_KINDS = 28;

// What scales and shifts in layer normalization.
enum Norm { NORM_OF_KERNEL, NORM_OF_STATE, NORM_OF_CELL, SHIFT_OF_CELL, NORMS };

// What a step multiplies with, row by row; what is null is absent.
struct Weights {
  const float* kernel;            // (features, gates * units)
  const float* recurrent_kernel;  // (outputs, units times the gates that see the state), or null
  const float* bias;              // (gates * units), or two rows of it
  const float* peepholes[3];      // (units) each
  const float* projection;        // (units, outputs)
  const float* norms[NORMS];      // two of (gates * units), two of (units)
  float beta;                     // of JANET
};

struct Layer {
  CellKind cell;
  int64_t batch, time, features, units;
  int64_t outputs;      // size of h: that of `units`, unless the cell projects it
  const float* inputs;  // that of row b at step t begins at b * input_row + t * input_step
  int64_t input_row, input_step;
  const bool* mask;  // false at steps to skip, or null
  int64_t mask_row, mask_step;
  const float* dropout;  // (batch, outputs): what the recurrent dropout multiplies h with, or null
  const float*
      states[2];  // before the first step: h (batch, outputs), c (batch, units); null: zeros
  Weights weights;
  bool reverse;      // whether the last step is computed first
  int64_t truncate;  // the gradient stops every so many steps; 0: never
  int64_t remat;     // states are kept every so many steps; 0: gates are kept at all steps
  int64_t output_row, output_step;
  int threads;
  Pool* pool;
};

struct Results {
  float* outputs;    // of all steps, or null
  float* states[2];  // after the last step
  float* kept;       // what `backward` needs, `kept_size` floats, or null
};

struct Upstream {        // gradients of the results
  const float* outputs;  // null if there are none
  const float* states[2];
};

struct Gradients {
  float* inputs;
  float* states[2];  // null: not wanted
  float* kernel;
  float* recurrent_kernel;  // null if there is none
  float* bias;              // null if there is none
  float* peepholes[3];
  float* projection;
  float* norms[NORMS];
};

// One compiled copy of the kernels. They throw `std::bad_alloc`, and nothing else.
struct Kernels {
  const char* target;
  int64_t (*kept_size)(const Layer&, bool has_outputs);
  void (*forward)(const Layer&, const Results&);
  // `outputs` are those of `forward`, or null if it had none.
  void (*backward)(const Layer&, const float* outputs, const float* kept, const Upstream&,
                   const Gradients&);
};

// The fastest that this processor can run, or the one that RNNLAYERS_NATIVE_TARGET names.
const Kernels& best_kernels();

}  // namespace rnnlayers
