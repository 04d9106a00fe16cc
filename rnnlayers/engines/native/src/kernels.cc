// The kernels for one target; compiled once for each.
#include "kernels.h"

#include <utility>

#include "layer.h"
#include "layer_norm.h"
#include "linear.h"

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
    case CellKind::gru_reset_before: return body(Run<ResetBefore<false>>(l));
    case CellKind::coupled_lstm: return body(Run<LSTMFamily<Forget::COUPLED>>(l));
    case CellKind::original_lstm: return body(Run<LSTMFamily<Forget::NEVER>>(l));
    case CellKind::peephole_lstm: return body(Run<LSTMFamily<Forget::GATE, true>>(l));
    case CellKind::projected_lstm: return body(Run<LSTMFamily<Forget::GATE, false, true>>(l));
    case CellKind::projected_peephole_lstm:
      return body(Run<LSTMFamily<Forget::GATE, true, true>>(l));
    case CellKind::layer_norm_lstm: return body(Run<LayerNormLSTM>(l));
    case CellKind::minimal_gated: return body(Run<ResetBefore<true>>(l));
    case CellKind::ugrnn: return body(Run<Mixed<UpdateGate<Tanh>>>(l));
    case CellKind::li_gru: return body(Run<Mixed<UpdateGate<Relu>>>(l));
    case CellKind::janet: return body(Run<Mixed<JANET>>(l));
    case CellKind::light_recurrent: return body(Run<Mixed<LightRecurrent>>(l));
    case CellKind::star: return body(Run<Mixed<STAR>>(l));
    case CellKind::atr: return body(Run<Mixed<ATR>>(l));
    case CellKind::sgrn: return body(Run<Mixed<SGRN>>(l));
    case CellKind::nbrc: return body(Run<Mixed<NBRC>>(l));
    case CellKind::cfn: return body(Run<Mixed<CFN>>(l));
    case CellKind::ran: return body(Run<RAN>(l));
    case CellKind::min_gru: return body(Run<Mixed<MinGRU>>(l));
    case CellKind::min_lstm: return body(Run<Mixed<MinLSTM>>(l));
    case CellKind::trnn: return body(Run<Mixed<TRNN>>(l));
    case CellKind::qrnn: return body(Run<Pooled<QRNN>>(l));
    case CellKind::sru: return body(Run<Pooled<SRU>>(l));
    case CellKind::lstm: break;
  }
  return body(Run<LSTMFamily<Forget::GATE>>(l));
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
