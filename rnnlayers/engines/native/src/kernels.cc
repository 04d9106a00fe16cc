// The kernels for one target; compiled once for each.
#include "kernels.h"

#include <utility>

#include "layer.h"
#include "layer_norm.h"

namespace rnnlayers {
namespace RNN_TARGET {
namespace {

// Calls body with the run of the layer's cell.
template <class Body>
auto with_run(const Layer& l, const Body& body) {
  switch (l.cell) {
    case CellKind::elman_tanh: return body(Run<Elman<Tanh>>(l));
    case CellKind::elman_relu: return body(Run<Elman<Relu>>(l));
    case CellKind::elman_sigmoid: return body(Run<Elman<Sigmoid>>(l));
    case CellKind::gru: return body(Run<GRU>(l));
    case CellKind::gru_reset_before: return body(Run<GRUResetBefore>(l));
    case CellKind::coupled_lstm: return body(Run<LSTMFamily<true, false>>(l));
    case CellKind::peephole_lstm: return body(Run<LSTMFamily<false, true>>(l));
    case CellKind::projected_lstm: return body(Run<LSTMFamily<false, false, true>>(l));
    case CellKind::projected_peephole_lstm: return body(Run<LSTMFamily<false, true, true>>(l));
    case CellKind::layer_norm_lstm: return body(Run<LayerNormLSTM>(l));
    case CellKind::lstm: break;
  }
  return body(Run<LSTMFamily<false, false>>(l));
}

int64_t kept_size(const Layer& l, bool has_outputs) {
  return with_run(l, [&](const auto& run) { return run.kept_size(has_outputs); });
}

void forward(const Layer& l, const Results& to) {
  with_run(l, [&](const auto& run) { run.forward(to); });
}

void backward(const Layer& l, const float* outputs, const float* kept, const Upstream& upstream,
              const Gradients& to) {
  with_run(l, [&](const auto& run) { run.backward(outputs, kept, upstream, to); });
}

#define STRING(name) #name
#define NAME_OF(target) STRING(target)

}  // namespace

extern const Kernels kernels;
const Kernels kernels{NAME_OF(RNN_TARGET), kept_size, forward, backward};

}  // namespace RNN_TARGET
}  // namespace rnnlayers
