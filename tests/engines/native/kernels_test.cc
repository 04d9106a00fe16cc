// The kernels against plain loops in double precision, written from the equations of the cells.
//
// The gradients are compared along random directions with central differences of the plain loops.
// `make test-native` builds this program with sanitizers, for each target.
#include "kernels.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "pool.h"

using namespace rnnlayers;
using Array = std::vector<double>;

namespace {

constexpr float BETA = 0.5f;  // of JANET

std::mt19937 random_numbers(7);

double draw() { return std::normal_distribution<double>()(random_numbers); }

struct Case {
  CellKind cell;
  int64_t batch, time, features, units;
  bool reverse = false, masked = false, dropout = false, bias = true, outputs = true;
  bool time_major = false;
  int64_t truncate = 0, remat = 0;
  int threads = 1;
  bool starts_at_zero = false;  // the states before the first step are absent
};

bool has_projection(CellKind cell) {
  return cell == CellKind::projected_lstm || cell == CellKind::projected_peephole_lstm;
}
bool has_peepholes(CellKind cell) {
  return cell == CellKind::peephole_lstm || cell == CellKind::projected_peephole_lstm;
}
bool has_relu(CellKind cell) { return cell == CellKind::elman_relu || cell == CellKind::li_gru; }
bool has_norms(CellKind cell) { return cell == CellKind::layer_norm_lstm; }
bool is_lstm(CellKind cell) {
  return cell == CellKind::lstm || has_norms(cell) || cell == CellKind::coupled_lstm ||
         cell == CellKind::original_lstm || has_peepholes(cell) || has_projection(cell);
}
// Whether the output of a cell is no state, but made of its state c.
bool reads_c(CellKind cell) { return cell == CellKind::qrnn || cell == CellKind::sru; }
bool has_two_states(CellKind cell) {
  return is_lstm(cell) || cell == CellKind::ran || reads_c(cell);
}
int gates_of(CellKind cell) {
  switch (cell) {
    case CellKind::elman_tanh:
    case CellKind::elman_relu:
    case CellKind::elman_sigmoid:
    case CellKind::atr:
    case CellKind::sgrn: return 1;
    case CellKind::minimal_gated:
    case CellKind::ugrnn:
    case CellKind::li_gru:
    case CellKind::janet:
    case CellKind::light_recurrent:
    case CellKind::star:
    case CellKind::min_gru:
    case CellKind::trnn: return 2;
    case CellKind::gru:
    case CellKind::gru_reset_before:
    case CellKind::coupled_lstm:
    case CellKind::original_lstm:
    case CellKind::nbrc:
    case CellKind::cfn:
    case CellKind::ran:
    case CellKind::min_lstm:
    case CellKind::qrnn: return 3;
    default: return 4;
  }
}
// Of these, how many see the state.
int state_gates_of(CellKind cell) {
  switch (cell) {
    case CellKind::light_recurrent:
    case CellKind::star: return 1;
    case CellKind::nbrc:
    case CellKind::cfn:
    case CellKind::ran: return 2;
    case CellKind::min_gru:
    case CellKind::min_lstm:
    case CellKind::trnn:
    case CellKind::qrnn:
    case CellKind::sru: return 0;
    default: return gates_of(cell);
  }
}
// The size of h, now smaller and now larger than that of c.
int64_t size_of_h(const Case& c) { return has_projection(c.cell) ? c.units / 2 + 5 : c.units; }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double positive(double x) { return x < 0 ? sigmoid(x) : x + 0.5; }

// All that is differentiated, in this order: inputs, two states, kernel, recurrent kernel, bias,
// three peepholes, projection, three gains and a shift.
struct Numbers {
  std::vector<Array> all;
};

struct Problem {
  Case c;
  Numbers numbers;
  std::vector<char> mask;
  Array dropout;
  Array d_outputs, d_states[2];

  explicit Problem(const Case& c) : c(c) {
    const int64_t B = c.batch, T = c.time, D = c.features, U = c.units, G = gates_of(c.cell);
    const int64_t H = size_of_h(c), S = state_gates_of(c.cell);
    const bool peepholes = has_peepholes(c.cell);
    const int64_t norms = has_norms(c.cell);
    const int64_t biases = c.bias ? G * U * (c.cell == CellKind::gru ? 2 : 1) : 0;
    const int64_t sizes[] = {B * T * D,
                             B * H,
                             has_two_states(c.cell) ? B * U : 0,
                             D * G * U,
                             H * S * U,
                             biases,
                             peepholes ? U : 0,
                             peepholes ? U : 0,
                             peepholes ? U : 0,
                             has_projection(c.cell) ? U * H : 0,
                             norms * G * U,
                             norms * G * U,
                             norms * U,
                             norms * U};
    const double scales[] = {
        1, 1, 1, 1 / std::sqrt(D), 1 / std::sqrt(H), 1, 1, 1, 1, 1 / std::sqrt(U), 1, 1, 1, 1};
    for (int n = 0; n < 14; ++n) {
      numbers.all.emplace_back(sizes[n]);
      // Rounded to floats, so that both sides begin with the same numbers.
      const bool is_zero = c.starts_at_zero && (n == 1 || n == 2);
      for (double& x : numbers.all.back()) x = is_zero ? 0 : static_cast<float>(scales[n] * draw());
    }
    for (int64_t n = 0; n < B * T; ++n) mask.push_back(!c.masked || random_numbers() % 3 != 0);
    for (int64_t t = 0; c.masked && B > 2 && t < T; ++t) mask[2 * T + t] = 0;  // an empty row
    for (int64_t n = 0; n < B * H; ++n) {
      dropout.push_back(c.dropout ? (random_numbers() % 3 ? 1.5 : 0) : 1);
    }
    for (int64_t n = 0; n < B * T * H; ++n) {
      d_outputs.push_back(c.outputs ? static_cast<float>(draw()) : 0);
    }
    for (int s = 0; s < 2; ++s) {
      for (int64_t n = 0; n < B * (s ? U : H); ++n) {
        d_states[s].push_back(static_cast<float>(draw()));
      }
    }
  }

  int64_t at(int64_t b, int64_t t, int64_t size) const {
    return (c.time_major ? t * c.batch + b : b * c.time + t) * size;
  }
};

struct Outcome {
  Array outputs, states[2];
};

// Subtracts the mean and divides by the standard deviation.
void normalize(Array& row) {
  double mean = 0, variance = 1e-5;
  for (double x : row) mean += x / row.size();
  for (double x : row) variance += (x - mean) * (x - mean) / row.size();
  for (double& x : row) x = (x - mean) / std::sqrt(variance);
}

// The layer by plain loops. The gradient stops where `truncate` says: there, the states are those
// of `stopped`, an outcome of all steps, if it is given.
Outcome reference(const Problem& p, const Numbers& in, std::vector<Array>* history = nullptr,
                  const std::vector<Array>* stopped = nullptr) {
  const Case& c = p.c;
  const int64_t B = c.batch, T = c.time, D = c.features, U = c.units, G = gates_of(c.cell);
  const int64_t H = size_of_h(c), S = state_gates_of(c.cell);
  const Array &x = in.all[0], &W = in.all[3], &R = in.all[4], &bias = in.all[5], &P = in.all[9];
  Array h = in.all[1], s = in.all[2];
  Outcome out;
  out.outputs.assign(B * T * H, 0);
  for (int64_t i = 0; i < T; ++i) {
    const int64_t t = c.reverse ? T - 1 - i : i;
    if (stopped && c.truncate && i && i % c.truncate == 0) {
      if (!reads_c(c.cell)) h = (*stopped)[2 * i];  // else it is no state, and masked steps show it
      s = (*stopped)[2 * i + 1];
    }
    if (history) {
      history->push_back(h);
      history->push_back(s);
    }
    Array h_next = h, s_next = s;
    for (int64_t b = 0; b < B; ++b) {
      if (!p.mask[b * T + t]) continue;
      Array hd(H), from_x(G * U), from_h(S * U), shown(U);
      for (int64_t u = 0; u < H; ++u) hd[u] = h[b * H + u] * p.dropout[b * H + u];
      for (int64_t k = 0; k < G * U; ++k) {
        from_x[k] = bias.empty() || has_norms(c.cell) ? 0 : bias[k];
        if (c.cell == CellKind::gru && !bias.empty()) from_h[k] = bias[G * U + k];
        for (int64_t d = 0; d < D; ++d) from_x[k] += x[p.at(b, t, D) + d] * W[d * G * U + k];
      }
      for (int64_t k = 0; k < S * U; ++k) {
        for (int64_t u = 0; u < H; ++u) from_h[k] += hd[u] * R[u * S * U + k];
      }
      if (has_norms(c.cell)) {
        normalize(from_x);
        normalize(from_h);
        for (int64_t k = 0; k < G * U; ++k) {
          from_x[k] = from_x[k] * in.all[10][k] + (bias.empty() ? 0 : bias[k]);
          from_h[k] *= in.all[11][k];
        }
      }
      auto z = [&](int64_t gate, int64_t u) {
        return from_x[gate * U + u] + (gate < S ? from_h[gate * U + u] : 0);
      };
      for (int64_t u = 0; u < U; ++u) {
        double& new_h = shown[u];
        const double h_prev = is_lstm(c.cell) ? 0 : h[b * U + u];
        auto mix = [&](double gate, double n) { return gate * h_prev + (1 - gate) * n; };
        // What a product with the state after a reset by this gate adds to n.
        auto reset_by = [&](int64_t gate, int64_t n) {
          double sum = from_x[n * U + u];
          for (int64_t v = 0; v < U; ++v) {
            sum += sigmoid(z(gate, v)) * hd[v] * R[v * S * U + n * U + u];
          }
          return sum;
        };
        switch (c.cell) {
          case CellKind::elman_tanh: new_h = std::tanh(z(0, u)); break;
          case CellKind::elman_relu: new_h = std::fmax(z(0, u), 0); break;
          case CellKind::elman_sigmoid: new_h = sigmoid(z(0, u)); break;
          case CellKind::gru: {
            const double n = std::tanh(from_x[2 * U + u] + sigmoid(z(1, u)) * from_h[2 * U + u]);
            new_h = mix(sigmoid(z(0, u)), n);
            break;
          }
          case CellKind::gru_reset_before:
            new_h = mix(sigmoid(z(0, u)), std::tanh(reset_by(1, 2)));
            break;
          case CellKind::minimal_gated:
            new_h = mix(1 - sigmoid(z(0, u)), std::tanh(reset_by(0, 1)));
            break;
          case CellKind::ugrnn: new_h = mix(sigmoid(z(0, u)), std::tanh(z(1, u))); break;
          case CellKind::li_gru: new_h = mix(sigmoid(z(0, u)), std::fmax(z(1, u), 0)); break;
          case CellKind::janet:
            new_h = sigmoid(z(0, u)) * h_prev + (1 - sigmoid(z(0, u) - BETA)) * std::tanh(z(1, u));
            break;
          case CellKind::light_recurrent:
            new_h = mix(1 - sigmoid(z(0, u)), std::tanh(from_x[U + u]));
            break;
          case CellKind::star: {
            const double k = sigmoid(from_x[U + u] + from_h[u]);
            new_h = std::tanh(mix(1 - k, std::tanh(from_x[u])));
            break;
          }
          case CellKind::atr:
            new_h = sigmoid(z(0, u)) * from_x[u] + sigmoid(from_x[u] - from_h[u]) * h_prev;
            break;
          case CellKind::sgrn: new_h = std::tanh(mix(sigmoid(z(0, u)), from_x[u])); break;
          case CellKind::nbrc: {
            const double a = 1 + std::tanh(z(0, u));
            new_h = mix(sigmoid(z(1, u)), std::tanh(from_x[2 * U + u] + a * h_prev));
            break;
          }
          case CellKind::cfn:
            new_h = sigmoid(z(0, u)) * std::tanh(h_prev) +
                    sigmoid(z(1, u)) * std::tanh(from_x[2 * U + u]);
            break;
          case CellKind::ran: {
            double& cell = s_next[b * U + u];
            cell = sigmoid(z(0, u)) * from_x[2 * U + u] + sigmoid(z(1, u)) * s[b * U + u];
            new_h = std::tanh(cell);
            break;
          }
          case CellKind::min_gru: new_h = mix(1 - sigmoid(z(0, u)), positive(z(1, u))); break;
          case CellKind::min_lstm: {
            const double f = sigmoid(z(0, u)), i = sigmoid(z(1, u));
            new_h = f / (f + i) * h_prev + i / (f + i) * positive(z(2, u));
            break;
          }
          case CellKind::trnn: new_h = mix(sigmoid(z(1, u)), z(0, u)); break;
          case CellKind::qrnn: {
            double& cell = s_next[b * U + u];
            const double f = sigmoid(z(1, u));
            cell = f * s[b * U + u] + (1 - f) * std::tanh(z(0, u));
            new_h = sigmoid(z(2, u)) * cell;
            break;
          }
          case CellKind::sru: {
            double& cell = s_next[b * U + u];
            const double f = sigmoid(z(0, u)), r = sigmoid(z(1, u));
            cell = f * s[b * U + u] + (1 - f) * z(2, u);
            new_h = r * std::tanh(cell) + (1 - r) * z(3, u);
            break;
          }
          default: {
            const bool coupled = c.cell == CellKind::coupled_lstm;
            const bool peep = has_peepholes(c.cell);
            const double c_prev = s[b * U + u];
            const double p_i = peep ? in.all[6][u] : 0, p_f = peep ? in.all[7][u] : 0;
            const double gate_i = sigmoid(z(0, u) + p_i * c_prev);
            double gate_f = coupled ? 1 - gate_i : sigmoid(z(1, u) + p_f * c_prev);
            if (c.cell == CellKind::original_lstm) gate_f = 1;
            const double cell = gate_f * c_prev + gate_i * std::tanh(z(G - 2, u));
            const double gate_o = sigmoid(z(G - 1, u) + (peep ? in.all[8][u] * cell : 0));
            s_next[b * U + u] = cell;
            new_h = gate_o * (has_norms(c.cell) ? 1 : std::tanh(cell));
          }
        }
      }
      if (has_norms(c.cell)) {
        Array cells(s_next.begin() + b * U, s_next.begin() + (b + 1) * U);
        normalize(cells);
        for (int64_t u = 0; u < U; ++u) {
          shown[u] *= std::tanh(cells[u] * in.all[12][u] + in.all[13][u]);
        }
      }
      for (int64_t n = 0; n < H; ++n) {
        double& new_h = h_next[b * H + n] = 0;
        for (int64_t u = 0; P.size() && u < U; ++u) new_h += shown[u] * P[u * H + n];
        if (P.empty()) new_h = shown[n];
      }
    }
    h = h_next;
    s = s_next;
    for (int64_t b = 0; b < B; ++b) {
      for (int64_t u = 0; u < H; ++u) out.outputs[p.at(b, t, H) + u] = h[b * H + u];
    }
  }
  out.states[0] = h;
  out.states[1] = s;
  return out;
}

double dot(const Array& a, const Array& b) {
  double sum = 0;
  for (size_t n = 0; n < a.size(); ++n) sum += a[n] * b[n];
  return sum;
}

double loss(const Problem& p, const Numbers& in, const std::vector<Array>& stopped) {
  const Outcome out = reference(p, in, nullptr, &stopped);
  return dot(out.outputs, p.d_outputs) + dot(out.states[0], p.d_states[0]) +
         dot(out.states[1], p.d_states[1]);
}

std::vector<float> floats(const Array& from) { return {from.begin(), from.end()}; }

struct Computed {
  std::vector<float> outputs, states[2];
  std::vector<std::vector<float>> gradients;
};

Computed compute(const Problem& p, int threads) {
  const Case& c = p.c;
  std::vector<std::vector<float>> in;
  for (const Array& a : p.numbers.all) in.push_back(floats(a));
  // What is masked must not matter, even if it is not a number.
  for (int64_t b = 0; b < c.batch; ++b) {
    for (int64_t t = 0; t < c.time; ++t) {
      for (int64_t d = 0; !p.mask[b * c.time + t] && d < c.features; ++d) {
        in[0][p.at(b, t, c.features) + d] = NAN;
      }
    }
  }
  const std::vector<float> dropout = floats(p.dropout);
  auto pointer = [](std::vector<float>& of) { return of.empty() ? nullptr : of.data(); };
  Layer l{};
  l.cell = c.cell;
  l.batch = c.batch, l.time = c.time, l.features = c.features, l.units = c.units;
  l.outputs = size_of_h(c);
  l.inputs = in[0].data();
  l.input_row = c.time_major ? c.features : c.time * c.features;
  l.input_step = c.time_major ? c.batch * c.features : c.features;
  l.output_row = c.time_major ? l.outputs : c.time * l.outputs;
  l.output_step = c.time_major ? c.batch * l.outputs : l.outputs;
  l.mask = c.masked ? reinterpret_cast<const bool*>(p.mask.data()) : nullptr;
  l.mask_row = c.time, l.mask_step = 1;
  l.dropout = c.dropout ? dropout.data() : nullptr;
  if (!c.starts_at_zero) l.states[0] = in[1].data(), l.states[1] = pointer(in[2]);
  l.weights = {in[3].data(),
               pointer(in[4]),
               pointer(in[5]),
               {pointer(in[6]), pointer(in[7]), pointer(in[8])},
               pointer(in[9]),
               {pointer(in[10]), pointer(in[11]), pointer(in[12]), pointer(in[13])},
               BETA};
  l.reverse = c.reverse, l.truncate = c.truncate, l.remat = c.remat;
  l.threads = threads, l.pool = &Pool::shared();

  const Kernels& kernels = best_kernels();
  Computed out;
  out.outputs.resize(c.outputs ? p.d_outputs.size() : 0);
  for (int s = 0; s < 2; ++s) out.states[s].resize(in[1 + s].size());
  // Nothing is read before it is written.
  std::vector<float> kept(kernels.kept_size(l, c.outputs), NAN);
  float* aligned = static_cast<float*>(std::aligned_alloc(64, (kept.size() * 4 / 64 + 1) * 64));
  std::copy(kept.begin(), kept.end(), aligned);
  Results plain{pointer(out.outputs), {out.states[0].data(), pointer(out.states[1])}, nullptr};
  kernels.forward(l, plain);
  const Computed without = out;
  plain.kept = aligned;
  kernels.forward(l, plain);
  if (without.outputs != out.outputs || without.states[0] != out.states[0]) {
    std::printf("what is kept changes the results\n");
    std::exit(1);
  }
  std::vector<float> d_outputs = floats(p.d_outputs);
  std::vector<float> d_states[2] = {floats(p.d_states[0]), floats(p.d_states[1])};
  for (const Array& a : p.numbers.all) out.gradients.emplace_back(a.size(), NAN);
  auto& g = out.gradients;
  kernels.backward(
      l, pointer(out.outputs), aligned,
      {c.outputs ? d_outputs.data() : nullptr, {d_states[0].data(), d_states[1].data()}},
      {g[0].data(),
       {c.starts_at_zero ? nullptr : g[1].data(), c.starts_at_zero ? nullptr : pointer(g[2])},
       g[3].data(),
       pointer(g[4]),
       pointer(g[5]),
       {pointer(g[6]), pointer(g[7]), pointer(g[8])},
       pointer(g[9]),
       {pointer(g[10]), pointer(g[11]), pointer(g[12]), pointer(g[13])}});
  std::free(aligned);
  return out;
}

int failures = 0;

void expect(bool holds, const Case& c, const char* what, double error) {
  if (holds) return;
  ++failures;
  std::printf(
      "cell %d batch %ld time %ld features %ld units %ld reverse %d masked %d dropout %d "
      "bias %d outputs %d truncate %ld remat %ld: %s, error %g\n",
      static_cast<int>(c.cell), static_cast<long>(c.batch), static_cast<long>(c.time),
      static_cast<long>(c.features), static_cast<long>(c.units), c.reverse, c.masked, c.dropout,
      c.bias, c.outputs, static_cast<long>(c.truncate), static_cast<long>(c.remat), what, error);
}

double largest_difference(const std::vector<float>& a, const Array& b) {
  double largest = 0;
  for (size_t n = 0; n < a.size(); ++n) {
    const double difference = std::fabs(a[n] - b[n]) / (1 + std::fabs(b[n]));
    if (!(difference <= largest)) largest = std::isnan(difference) ? INFINITY : difference;
  }
  return largest;
}

void check(const Case& c) {
  const Problem p(c);
  const Computed got = compute(p, c.threads);
  std::vector<Array> history;
  const Outcome expected = reference(p, p.numbers, &history);
  const double near = 1e-5;
  double error = largest_difference(got.outputs, expected.outputs);
  expect(error < near, c, "outputs", error);
  for (int s = 0; s < (has_two_states(c.cell) ? 2 : 1); ++s) {
    error = largest_difference(got.states[s], expected.states[s]);
    expect(error < near, c, "final states", error);
  }
  for (size_t n = 0; n < p.numbers.all.size(); ++n) {
    const size_t size = p.numbers.all[n].size();
    if (size == 0 || has_relu(c.cell)) continue;  // not smooth
    if (c.starts_at_zero && (n == 1 || n == 2)) continue;
    Array direction(size);
    double length = 0, numbers = 0;
    for (double& x : direction) {
      x = draw();
      length += x * x;
    }
    const double step = 1e-4 / std::sqrt(length);
    Numbers there = p.numbers, back = p.numbers;
    for (size_t k = 0; k < size; ++k) {
      there.all[n][k] += step * direction[k];
      back.all[n][k] -= step * direction[k];
      numbers += got.gradients[n][k] * direction[k];
    }
    const double slope = (loss(p, there, history) - loss(p, back, history)) / (2 * step);
    double scale = 0;
    for (float d : got.gradients[n]) scale += static_cast<double>(d) * d;
    scale = std::sqrt(scale) + 1e-3 * std::sqrt(length);
    const std::string what = "gradient " + std::to_string(n);
    error = std::fabs(slope - numbers);
    // Layer normalization of a few units divides by what may be small, at each of many steps.
    const double relative = has_norms(c.cell) ? 1e-3 : 1e-4;
    expect(error < relative * scale + 1e-6, c, what.c_str(), error / scale);
  }
  const Computed again = compute(p, 4);
  bool same = again.outputs == got.outputs && again.states[0] == got.states[0];
  for (size_t n = 0; n < got.gradients.size(); ++n) {
    if (c.starts_at_zero && (n == 1 || n == 2)) continue;
    same = same && again.gradients[n] == got.gradients[n];
  }
  expect(same, c, "other numbers on four threads", 0);
}

void check_pool() {
  // Eight callers at once, each with tasks that call the pool again.
  std::vector<std::thread> callers;
  std::vector<int64_t> sums(8);
  for (int n = 0; n < 8; ++n) {
    callers.emplace_back([n, &sums] {
      for (int round = 0; round < 50; ++round) {
        std::vector<int64_t> parts(20);
        Pool::shared().run(
            20, 4,
            [](void* context, int64_t k) {
              int64_t inner[3] = {};
              Pool::shared().run(
                  3, 2, [](void* of, int64_t i) { static_cast<int64_t*>(of)[i] = i + 1; }, inner);
              (*static_cast<std::vector<int64_t>*>(context))[k] =
                  k * (inner[0] + inner[1] + inner[2]);
            },
            &parts);
        for (int64_t part : parts) sums[n] += part;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (int64_t sum : sums) {
    if (sum != 50 * 6 * 190) {
      ++failures;
      std::printf("the pool computed %ld\n", static_cast<long>(sum));
    }
  }
}

// A child that is forked off has none of the threads, and gets a pool of its own.
void check_fork() {
#if !defined(__SANITIZE_THREAD__)  // which ends children that start threads
  const pid_t child = fork();
  if (child == 0) {
    int64_t numbers[8] = {}, sum = 0;
    Pool::shared().run(
        8, 4, [](void* of, int64_t k) { static_cast<int64_t*>(of)[k] = k; }, numbers);
    for (int64_t number : numbers) sum += number;
    _exit(sum != 28);
  }
  int status = -1;
  waitpid(child, &status, 0);
  if (status != 0) {
    ++failures;
    std::printf("the pool of a forked child ended with %d\n", status);
  }
#endif
}

}  // namespace

int main(int count, char**) {
  std::printf("%s kernels\n", best_kernels().target);
  check_pool();
  check_fork();
  const bool quick = count > 1;
  for (int kind = 0; kind < CELL_KINDS; ++kind) {
    const CellKind cell = static_cast<CellKind>(kind);
    for (int64_t units = 1; units <= 67; units += quick ? 11 : (units < 20 ? 1 : 7)) {
      // The product with one feature, once normalized, has no gradient but rounding errors.
      const int64_t fewest = has_norms(cell) ? 3 : 1;
      Case c{cell, 1 + units % 5, 1 + units % 4, fewest + units * 5 % 19, units};
      c.reverse = units % 2, c.masked = units % 3 == 0, c.dropout = units % 4 == 1;
      c.bias = units % 5 != 2, c.outputs = units % 7 != 3, c.time_major = units % 2 == 0;
      check(c);
    }
    check({cell, 7, 9, 5, 18, false, true, true, true, true, false, 3, 0});
    check({cell, 7, 9, 5, 18, true, true, true, true, false, false, 0, 4});
    check({cell, 3, 10, 5, 18, true, true, true, true, true, true, 4, 2});
    check({cell, 9, 7, 67, 35, true, false, false, true, true});
    check({cell, 40, 4, 3, 33, false, true, false, true, true});
    check({cell, 1, 60, 3, 5, false, false, false, true, true});
    // Kernels that are read as they lie.
    check({cell, 1, 1, 9, 32, false, false, false, true, true});
    check({cell, 2, 2, 3, 48, true, true, true, true, true, true});
    check({cell, 1, 3, 21, 64, true, false, true, false, false});
    // Zeros before the first step.
    for (int64_t remat : {0, 2}) {
      Case c{cell, 4, 5, 3, 17, remat > 0, true, true, true, remat > 0};
      c.remat = remat, c.starts_at_zero = true;
      check(c);
    }
    // Columns that threads share.
    const int64_t large[] = {0, 1450, 1030, 840, 736};
    if (!quick) check({cell, 2, 3, 5, large[gates_of(cell)], true, true, true, true, true});
    // Units that threads share in all steps.
    if (state_gates_of(cell) == 0) {
      check({cell, 1, 1100, 9, 130, true, true, false, true, true, false, 30, 0, 3});
      check({cell, 1, 1100, 9, 130, false, true, false, true, false, true, 0, 550, 3});
    }
    if (!quick) check({cell, 33, 12, 65, 130, false, true, true, true, true, false, 0, 0, 3});
  }
  std::printf(failures ? "%d failures\n" : "all is well\n", failures);
  return failures != 0;
}
