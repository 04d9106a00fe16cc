// Two TensorFlow operators: a recurrent layer, and its gradients. A tensor that is absent is empty.
#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"
#include "memory.h"
#include "pool.h"
#include "tf_api.h"

namespace rnnlayers {
namespace {

// From this length on, states are kept about every so many steps only.
constexpr int64_t LONG = 2000, SPAN = 125;

// How many gates the kernel has, the recurrent kernel, or 0 if there is none, and the bias, and how
// many states there are, counting an output that is none. The gates with a bias begin with
// `first_bias`.
struct CellEntry {
  const char* name;
  CellKind kind;
  int gates, state_gates, bias_gates, states;
  int bias_rows = 1, first_bias = 0, peepholes = 0;
  bool projects = false, normalizes = false;
};

constexpr CellEntry CELLS[] = {
    {"elman_tanh", CellKind::elman_tanh, 1, 1, 1, 1},
    {"elman_relu", CellKind::elman_relu, 1, 1, 1, 1},
    {"elman_sigmoid", CellKind::elman_sigmoid, 1, 1, 1, 1},
    {"lstm", CellKind::lstm, 4, 4, 4, 2},
    {"gru", CellKind::gru, 3, 3, 3, 1, 2},
    {"gru_reset_before", CellKind::gru_reset_before, 3, 3, 3, 1},
    {"coupled_lstm", CellKind::coupled_lstm, 3, 3, 3, 2},
    {"original_lstm", CellKind::original_lstm, 3, 3, 3, 2},
    {"peephole_lstm", CellKind::peephole_lstm, 4, 4, 4, 2, 1, 0, 3},
    {"projected_lstm", CellKind::projected_lstm, 4, 4, 4, 2, 1, 0, 0, true},
    {"projected_peephole_lstm", CellKind::projected_peephole_lstm, 4, 4, 4, 2, 1, 0, 3, true},
    {"layer_norm_lstm", CellKind::layer_norm_lstm, 4, 4, 4, 2, 1, 0, 0, false, true},
    {"minimal_gated", CellKind::minimal_gated, 2, 2, 2, 1},
    {"ugrnn", CellKind::ugrnn, 2, 2, 2, 1},
    {"li_gru", CellKind::li_gru, 2, 2, 2, 1},
    {"janet", CellKind::janet, 2, 2, 2, 1},
    {"light_recurrent", CellKind::light_recurrent, 2, 1, 2, 1},
    {"star", CellKind::star, 2, 1, 2, 1},
    {"atr", CellKind::atr, 1, 1, 1, 1},
    {"sgrn", CellKind::sgrn, 1, 1, 1, 1},
    {"nbrc", CellKind::nbrc, 3, 2, 3, 1},
    {"cfn", CellKind::cfn, 3, 2, 2, 1},
    {"ran", CellKind::ran, 3, 2, 3, 2},
    {"min_gru", CellKind::min_gru, 2, 0, 2, 1},
    {"min_lstm", CellKind::min_lstm, 3, 0, 3, 1},
    {"trnn", CellKind::trnn, 2, 0, 1, 1, 1, 1},
    {"qrnn", CellKind::qrnn, 3, 0, 3, 2},
    {"sru", CellKind::sru, 4, 0, 2, 2},
};

// The inputs of both operators, by number; those from OUTPUTS on are of the gradient's alone.
enum Input {
  INPUTS,
  MASK,
  DROPOUT,
  H,
  C,
  KERNEL,
  RECURRENT_KERNEL,
  BIAS,
  PEEPHOLE_I,
  PEEPHOLE_F,
  PEEPHOLE_O,
  PROJECTION,
  KERNEL_GAIN,
  RECURRENT_GAIN,
  STATE_GAIN,
  STATE_SHIFT,
  OUTPUTS,
  KEPT,
  D_OUTPUTS,
  D_H,
  D_C,
  INPUT_COUNT
};
constexpr const char* INPUT_NAMES[] = {
    "inputs",      "mask",           "dropout",          "h",
    "c",           "kernel",         "recurrent_kernel", "bias",
    "peephole_i",  "peephole_f",     "peephole_o",       "projection_kernel",
    "kernel_gain", "recurrent_gain", "state_gain",       "state_shift",
    "outputs",     "kept",           "d_outputs",        "d_h",
    "d_c"};
constexpr const char* RESULT_NAMES[] = {"results", "h_last", "c_last", "kept_for_gradients"};
constexpr const char* GRADIENT_NAMES[] = {"g_inputs",
                                          "g_h",
                                          "g_c",
                                          "g_kernel",
                                          "g_recurrent_kernel",
                                          "g_bias",
                                          "g_peephole_i",
                                          "g_peephole_f",
                                          "g_peephole_o",
                                          "g_projection_kernel",
                                          "g_kernel_gain",
                                          "g_recurrent_gain",
                                          "g_state_gain",
                                          "g_state_shift"};

class Status {
 public:
  Status() : status_(TF_NewStatus()) {}
  ~Status() { TF_DeleteStatus(status_); }
  Status(const Status&) = delete;
  Status& operator=(const Status&) = delete;
  operator TSL_Status*() { return status_; }
  void check() {
    if (TF_GetCode(status_) != TF_OK) throw std::runtime_error(TF_Message(status_));
  }

 private:
  TSL_Status* status_;
};

struct DeleteTensor {
  void operator()(TF_Tensor* tensor) const { TF_DeleteTensor(tensor); }
};
using Tensor = std::unique_ptr<TF_Tensor, DeleteTensor>;

std::string words(const int64_t* shape, int64_t rank) {
  std::string text = "(";
  for (int64_t n = 0; n < rank; ++n) text += (n ? ", " : "") + std::to_string(shape[n]);
  return text + ")";
}

// The attributes of an operator.
struct Settings {
  CellEntry cell = CELLS[0];
  bool time_major = false, reverse = false, return_sequences = false, keep = false;
  int64_t truncate = 0, remat = 0, threads = 1;
  float beta = 0.0f;  // of JANET
};

// One call of an operator.
class Call {
 public:
  Call(TF_OpKernelContext* context, const Settings& settings, int inputs)
      : context_(context), settings_(settings) {
    for (int n = 0; n < inputs; ++n) {
      Status status;
      TF_Tensor* tensor = nullptr;
      TF_GetInput(context, n, &tensor, status);
      status.check();
      tensors_[n].reset(tensor);
    }
    read_layer();
  }

  void forward() {
    const Kernels& kernels = best_kernels();
    const int64_t B = layer_.batch, T = layer_.time, U = layer_.units, size = layer_.outputs;
    const bool sequences = settings_.return_sequences;
    float* outputs =
        sequences ? allocate(0, {settings_.time_major ? T : B, settings_.time_major ? B : T, size})
                  : allocate(0, {0});
    float* h = allocate(1, {B, size});
    float* c = settings_.cell.states == 2 ? allocate(2, {B, U}) : allocate(2, {0});
    const int64_t count = settings_.keep ? kernels.kept_size(layer_, sequences) : 0;
    float* kept = allocate(3, {count});
    kernels.forward(layer_, {sequences ? outputs : nullptr, {h, c}, count ? kept : nullptr});
  }

  void backward() {
    const int64_t B = layer_.batch, D = layer_.features, U = layer_.units, size = layer_.outputs;
    const CellEntry& cell = settings_.cell;
    const bool two = cell.states == 2, sequences = settings_.return_sequences;
    expect(D_H, {B, size});
    if (two) expect(D_C, {B, U});
    for (Input n : {OUTPUTS, D_OUTPUTS}) {
      if (sequences) expect_count(n, B * layer_.time * size);
    }
    expect_count(KEPT, best_kernels().kept_size(layer_, sequences));
    Gradients to{};
    to.inputs = allocate(0, {TF_Dim(tensor(INPUTS), 0), TF_Dim(tensor(INPUTS), 1), D});
    to.states[0] = is_absent(H) ? (allocate(1, {0}), nullptr) : allocate(1, {B, size});
    to.states[1] = is_absent(C) ? (allocate(2, {0}), nullptr) : allocate(2, {B, U});
    to.kernel = allocate(3, {D, cell.gates * U});
    to.recurrent_kernel =
        cell.state_gates ? allocate(4, {size, cell.state_gates * U}) : (allocate(4, {0}), nullptr);
    float* d_bias = data(BIAS) == nullptr ? (allocate(5, {0}), nullptr)
                    : cell.bias_rows == 2 ? allocate(5, {2, cell.bias_gates * U})
                                          : allocate(5, {cell.bias_gates * U});
    std::vector<float> d_wide_bias(wide_bias_.size());
    to.bias = wide_bias_.empty() ? d_bias : d_wide_bias.data();
    for (int n = 0; n < 3; ++n) {
      to.peepholes[n] = cell.peepholes ? allocate(6 + n, {U}) : allocate(6 + n, {0});
    }
    to.projection = cell.projects ? allocate(9, {U, size}) : allocate(9, {0});
    for (int n = 0; n < NORMS; ++n) {
      to.norms[n] = cell.normalizes ? allocate(10 + n, {norm_size(n)}) : allocate(10 + n, {0});
    }
    best_kernels().backward(layer_, sequences ? data(OUTPUTS) : nullptr, data(KEPT),
                            {sequences ? data(D_OUTPUTS) : nullptr, {data(D_H), data(D_C)}}, to);
    if (to.bias != d_bias) std::copy_n(to.bias + cell.first_bias * U, cell.bias_gates * U, d_bias);
  }

 private:
  TF_OpKernelContext* context_;
  const Settings& settings_;
  Tensor tensors_[INPUT_COUNT], allocated_[14];
  Layer layer_{};
  std::vector<float> wide_bias_;  // with zeros for the gates that have none, if there are such

  const TF_Tensor* tensor(Input n) const { return tensors_[n].get(); }

  int64_t norm_size(int n) const {
    return layer_.units * (n == NORM_OF_KERNEL || n == NORM_OF_STATE ? settings_.cell.gates : 1);
  }

  bool is_absent(Input n) const { return TF_NumDims(tensor(n)) == 1 && TF_Dim(tensor(n), 0) == 0; }

  // Null for an empty tensor.
  const float* data(Input n) const {
    if (TF_TensorElementCount(tensor(n)) == 0) return nullptr;
    return static_cast<const float*>(TF_TensorData(tensor(n)));
  }

  // An output; a large one in memory that is kept from call to call.
  float* allocate(int number, std::initializer_list<int64_t> shape) {
    constexpr size_t LARGE = 1 << 17;  // TensorFlow would take fresh pages each time
    const int rank = static_cast<int>(shape.size());
    size_t bytes = sizeof(float);
    for (int64_t size : shape) bytes *= size;
    Status status;
    if (bytes < LARGE) {
      allocated_[number].reset(
          TF_AllocateOutput(context_, number, TF_FLOAT, shape.begin(), rank, bytes, status));
    } else {
      auto give = [](void* data, size_t, void*) { give_back(static_cast<float*>(data)); };
      float* memory = take_memory(bytes / sizeof(float));
      allocated_[number].reset(
          TF_NewTensor(TF_FLOAT, shape.begin(), rank, memory, bytes, give, nullptr));
      TF_SetOutput(context_, number, allocated_[number].get(), status);
    }
    status.check();
    return static_cast<float*>(TF_TensorData(allocated_[number].get()));
  }

  [[noreturn]] void refuse(Input n, const std::string& expected) const {
    int64_t shape[8] = {};
    const int rank = TF_NumDims(tensor(n));
    for (int axis = 0; axis < rank && axis < 8; ++axis) shape[axis] = TF_Dim(tensor(n), axis);
    throw std::invalid_argument("`" + std::string(INPUT_NAMES[n]) + "` must be " + expected +
                                "; received shape " + words(shape, rank) + ".");
  }

  void expect(Input n, std::initializer_list<int64_t> shape) const {
    bool fits = TF_NumDims(tensor(n)) == static_cast<int>(shape.size());
    int axis = 0;
    for (int64_t size : shape) fits = fits && TF_Dim(tensor(n), axis++) == size;
    if (!fits) refuse(n, "of shape " + words(shape.begin(), shape.size()));
  }

  void expect_count(Input n, int64_t count) const {
    if (TF_TensorElementCount(tensor(n)) != count) {
      refuse(n, "of " + std::to_string(count) + " numbers");
    }
  }

  void read_layer() {
    Layer& l = layer_;
    const CellEntry& cell = settings_.cell;
    if (TF_NumDims(tensor(INPUTS)) != 3) refuse(INPUTS, "a sequence of three dimensions");
    const int64_t first = TF_Dim(tensor(INPUTS), 0), second = TF_Dim(tensor(INPUTS), 1);
    const bool time_major = settings_.time_major;
    l.cell = cell.kind;
    l.time = time_major ? first : second;
    l.batch = time_major ? second : first;
    l.features = TF_Dim(tensor(INPUTS), 2);
    // The weight whose first dimension is that of the units, or whose second has all gates.
    const Input of_units = cell.projects      ? PROJECTION
                           : cell.state_gates ? RECURRENT_KERNEL
                                              : KERNEL;
    if (TF_NumDims(tensor(of_units)) != 2 || TF_TensorElementCount(tensor(of_units)) < 1) {
      refuse(of_units, "a matrix");
    }
    const int64_t B = l.batch, D = l.features;
    const int64_t U = l.units =
        of_units == KERNEL ? TF_Dim(tensor(KERNEL), 1) / cell.gates : TF_Dim(tensor(of_units), 0);
    const int64_t size = l.outputs = cell.projects ? TF_Dim(tensor(of_units), 1) : U;
    if (cell.state_gates) expect(RECURRENT_KERNEL, {size, cell.state_gates * U});
    expect(KERNEL, {D, cell.gates * U});
    // Absent states are zeros.
    if (!is_absent(H)) expect(H, {B, size});
    if (!is_absent(C)) expect(C, {B, cell.states == 2 ? U : 0});
    l.weights.bias = data(BIAS);
    if (l.weights.bias != nullptr) {
      expect_count(BIAS, cell.bias_rows * cell.bias_gates * U);
      if (cell.bias_gates < cell.gates) {
        wide_bias_.assign(cell.gates * U, 0.0f);
        std::copy_n(l.weights.bias, cell.bias_gates * U, wide_bias_.data() + cell.first_bias * U);
        l.weights.bias = wide_bias_.data();
      }
    }
    for (Input n : {PEEPHOLE_I, PEEPHOLE_F, PEEPHOLE_O}) {
      if (cell.peepholes) expect(n, {U});
      l.weights.peepholes[n - PEEPHOLE_I] = data(n);
    }
    for (int n = 0; n < NORMS; ++n) {
      const Input gain = static_cast<Input>(KERNEL_GAIN + n);
      if (cell.normalizes) expect(gain, {norm_size(n)});
      l.weights.norms[n] = data(gain);
    }
    if (TF_TensorElementCount(tensor(DROPOUT)) != 0) expect(DROPOUT, {B, size});
    l.inputs = static_cast<const float*>(TF_TensorData(tensor(INPUTS)));
    l.input_row = time_major ? D : l.time * D;
    l.input_step = time_major ? B * D : D;
    l.output_row = time_major ? size : l.time * size;
    l.output_step = time_major ? B * size : size;
    l.dropout = data(DROPOUT);
    l.states[0] = data(H);
    l.states[1] = data(C);
    l.weights.kernel = data(KERNEL);
    l.weights.recurrent_kernel = data(RECURRENT_KERNEL);
    l.weights.projection = data(PROJECTION);
    l.weights.beta = settings_.beta;
    l.reverse = settings_.reverse;
    l.truncate = settings_.truncate;
    l.remat = settings_.remat;
    // Where no product depends on the state, making gates again would be half of the work.
    if (l.remat < 0) l.remat = l.time < LONG || !cell.state_gates ? 0 : equal_spans(l.time);
    l.threads = static_cast<int>(settings_.threads);
    l.pool = &Pool::shared();
    read_mask();
  }

  // The mask is (time, batch, 1), or (time, 1, 1) for all rows alike.
  void read_mask() {
    const TF_Tensor* mask = tensor(MASK);
    if (is_absent(MASK)) return;
    const int64_t rows = TF_NumDims(mask) == 3 ? TF_Dim(mask, 1) : 0;
    if (TF_NumDims(mask) != 3 || TF_Dim(mask, 0) != layer_.time || TF_Dim(mask, 2) != 1 ||
        (rows != 1 && rows != layer_.batch)) {
      const int64_t shape[] = {layer_.time, layer_.batch, 1};
      refuse(MASK, "of shape " + words(shape, 3));
    }
    layer_.mask = static_cast<const bool*>(TF_TensorData(mask));
    layer_.mask_step = rows;
    layer_.mask_row = rows == 1 ? 0 : 1;
  }

  static int64_t equal_spans(int64_t time) {
    const int64_t spans = (time + SPAN - 1) / SPAN;
    return (time + spans - 1) / spans;
  }
};

void* create(TF_OpKernelConstruction* construction) {
  auto settings = std::make_unique<Settings>();
  try {
    Status status;
    char cell[64] = {};
    TF_OpKernelConstruction_GetAttrString(construction, "cell", cell, sizeof(cell) - 1, status);
    status.check();
    bool found = false;
    for (const CellEntry& entry : CELLS) {
      if (std::strcmp(entry.name, cell) == 0) {
        settings->cell = entry;
        found = true;
      }
    }
    if (!found) throw std::invalid_argument("`cell` is unknown; received " + std::string(cell));
    auto read_bool = [&](const char* name, bool& to) {
      unsigned char value = 0;
      TF_OpKernelConstruction_GetAttrBool(construction, name, &value, status);
      status.check();
      to = value != 0;
    };
    auto read_int = [&](const char* name, int64_t& to) {
      TF_OpKernelConstruction_GetAttrInt64(construction, name, &to, status);
      status.check();
    };
    read_bool("time_major", settings->time_major);
    read_bool("reverse", settings->reverse);
    read_bool("return_sequences", settings->return_sequences);
    read_bool("keep", settings->keep);
    read_int("truncate", settings->truncate);
    read_int("remat", settings->remat);
    read_int("threads", settings->threads);
    TF_OpKernelConstruction_GetAttrFloat(construction, "beta", &settings->beta, status);
    status.check();
  } catch (const std::exception& error) {
    Status failed;
    TF_SetStatus(failed, TF_INVALID_ARGUMENT, error.what());
    TF_OpKernelConstruction_Failure(construction, failed);
    return nullptr;
  }
  return settings.release();
}

template <void (Call::*Compute)(), int Inputs>
void compute(void* settings, TF_OpKernelContext* context) {
  Status failed;
  try {
    Call call(context, *static_cast<Settings*>(settings), Inputs);
    (call.*Compute)();
    return;
  } catch (const std::bad_alloc&) {
    TF_SetStatus(failed, TF_RESOURCE_EXHAUSTED, "There is no memory for a recurrent layer.");
  } catch (const std::exception& error) {
    TF_SetStatus(failed, TF_INVALID_ARGUMENT, error.what());
  }
  TF_OpKernelContext_Failure(context, failed);
}

void destroy(void* settings) { delete static_cast<Settings*>(settings); }

// Python sets the shapes, which follow from the cell.
void leave_shapes_open(TF_ShapeInferenceContext* context, TSL_Status* status) {
  TF_ShapeInferenceContextSetUnknownShape(context, status);
}

template <size_t Results>
void register_op(const char* name, int inputs, const char* const (&results)[Results],
                 void (*compute)(void*, TF_OpKernelContext*)) {
  Status status;
  TF_OpDefinitionBuilder* op = TF_NewOpDefinitionBuilder(name);
  for (int n = 0; n < inputs; ++n) {
    const std::string type = n == MASK ? ": bool" : ": float";
    TF_OpDefinitionBuilderAddInput(op, (INPUT_NAMES[n] + type).c_str());
  }
  for (const char* result : results) {
    TF_OpDefinitionBuilderAddOutput(op, (std::string(result) + ": float").c_str());
  }
  for (const char* attribute :
       {"cell: string", "time_major: bool", "reverse: bool", "return_sequences: bool", "keep: bool",
        "truncate: int", "remat: int", "threads: int", "beta: float"}) {
    TF_OpDefinitionBuilderAddAttr(op, attribute);
  }
  TF_OpDefinitionBuilderSetShapeInferenceFunction(op, leave_shapes_open);
  TF_RegisterOpDefinition(op, status);
  status.check();
  TF_RegisterKernelBuilder(name, TF_NewKernelBuilder(name, "CPU", create, compute, destroy),
                           status);
  status.check();
}

}  // namespace
}  // namespace rnnlayers

// TensorFlow calls nothing when it loads a library, so its operators register themselves.
static const bool registered = [] {
  using namespace rnnlayers;
  register_op("RnnlayersLayer", OUTPUTS, RESULT_NAMES, compute<&Call::forward, OUTPUTS>);
  register_op("RnnlayersLayerGradients", INPUT_COUNT, GRADIENT_NAMES,
              compute<&Call::backward, INPUT_COUNT>);
  return true;
}();

// For the Python side: the name of the kernels that are in use.
extern "C" __attribute__((visibility("default"))) const char* rnnlayers_native_target() {
  return rnnlayers::best_kernels().target;
}
