// A layer: all steps of a cell, forwards and back. Steps are numbered in the order of computation.
//
// Forwards, each task runs all steps of some rows of the batch: it projects the inputs of a few
// steps in one product, and then takes those steps one by one. Back, spans of steps are taken one
// after another. In each, tasks first run its steps for some rows, which makes dz; further tasks
// then compute from dz the gradients of the inputs, by rows, and of the weights, by rows of the
// weights. Where a few rows meet large weights, tasks share the columns of each step instead; where
// no product follows the inputs', those of all steps. No sum is ever cut by tasks, so results do
// not depend on the number of threads.
#pragma once

#include "weights.h"

namespace rnnlayers {
namespace RNN_TARGET {

// Some steps, and where their states and gates are. Row b of step n is row (n - first) * batch + b.
struct Span {
  int64_t first, last;
  const float* h;  // before the first step, (batch, outputs), with this stride; null: zeros
  int64_t h_stride;
  const float* c;
  int64_t c_stride;
  float* gates;    // null: not kept
  float* cells;    // the second state after each step; only with `gates`
  float* history;  // the first state after each step, padded, or null
};

template <class C>
class Run {
 public:
  explicit Run(const Layer& layer)
      : l(layer),
        units(layer.units, C::kept, group()),
        stride(round_up(larger(layer.units, layer.outputs), 4 * V)),
        c_stride(units.blocks * V) {}

  int64_t kept_size(bool has_outputs) const {
    if (l.remat > 0) return spans() * l.batch * state_floats();
    return gates_size(l.time) + cells_size(l.time) + (has_outputs ? 0 : history_size(l.time));
  }

  void forward(const Results& to) const {
    const PackedWeights<C> weights(l, units, true, false);
    const bool keep = to.kept != nullptr && l.remat == 0;
    float* kept = to.kept;
    float* cells = keep ? kept + gates_size(l.time) : nullptr;
    const bool has_history = keep && to.outputs == nullptr && needs_history;
    float* history = has_history ? cells + cells_size(l.time) : nullptr;
    const Span span{0,           l.time,  l.states[0],           l.outputs,
                    l.states[1], l.units, keep ? kept : nullptr, cells,
                    history};
    run(span, weights, to, to.kept != nullptr && l.remat > 0 ? kept : nullptr);
  }

  void backward(const float* outputs, const float* kept, const Upstream& upstream,
                const Gradients& to) const {
    const int64_t B = l.batch, U = l.units, D = l.features, H = l.outputs, width = C::gates * U;
    std::memset(to.kernel, 0, sizeof(float) * D * width);
    if (C::recurrent) {
      std::memset(to.recurrent_kernel, 0, sizeof(float) * H * state_gates<C>() * U);
    }
    if (C::projects) std::memset(to.projection, 0, sizeof(float) * U * H);
    if (to.bias != nullptr) std::memset(to.bias, 0, sizeof(float) * C::bias_rows * width);
    for (int n = 0; n < C::peepholes; ++n) std::memset(to.peepholes[n], 0, sizeof(float) * U);

    const PackedWeights<C> weights(l, units, l.remat > 0, true);
    const int64_t steps = l.remat > 0 ? l.remat : steps_of_span();
    const int64_t remade = l.remat > 0 ? smaller(steps, l.time) : 0;
    const int64_t most = smaller(steps, l.time), projected = C::projects ? history_size(most) : 0;
    const int64_t row_sums = C::scales * c_stride;  // of a row of the batch
    Memory memory(B * row_sums + 2 * B * stride + gates_size(most) + projected +
                  gates_size(remade) + cells_size(remade) + history_size(remade));
    float* sums = memory.take(B * row_sums);
    if (B * row_sums > 0) std::memset(sums, 0, sizeof(float) * B * row_sums);
    float* d_states[2] = {memory.take(B * stride), memory.take(B * stride)};
    float* dz = memory.take(gates_size(most));
    float* d_projected = memory.take(projected);
    float* gates = memory.take(gates_size(remade));
    float* cells = memory.take(cells_size(remade));
    float* history = needs_history ? memory.take(history_size(remade)) : nullptr;
    copy_rows(upstream.states[0], H, d_states[0], stride, H);
    if (C::states == 2) copy_rows(upstream.states[1], U, d_states[1], stride, U);

    for (int64_t last = l.time; last > 0;) {
      const int64_t first = (last - 1) / steps * steps;
      if (l.remat > 0) {
        const float* starts = kept + first / steps * B * state_floats();
        const Span span{first, last, starts, H, starts + B * H, U, gates, cells, history};
        run(span, weights, Results{}, nullptr);
        steps_back(span, weights, upstream.outputs, nullptr, dz, d_projected, d_states, sums);
        gradients(span, weights, nullptr, dz, d_projected, to);
      } else {
        const int64_t row = first * B;
        const float* kept_cells = kept + gates_size(l.time);
        const float* kept_history = kept_cells + cells_size(l.time);
        Span span{first, last, l.states[0], H, l.states[1], U, nullptr, nullptr, nullptr};
        span.gates = const_cast<float*>(kept) + row * units.row();
        if (C::states == 2) span.cells = const_cast<float*>(kept_cells) + row * c_stride;
        if (C::states == 2 && first > 0) {
          span.c = span.cells - B * c_stride;
          span.c_stride = c_stride;
        }
        if (outputs == nullptr) {
          span.history = const_cast<float*>(kept_history) + row * stride;
          if (first > 0) {
            span.h = span.history - B * stride;
            span.h_stride = stride;
          }
        }
        steps_back(span, weights, upstream.outputs, outputs, dz, d_projected, d_states, sums);
        gradients(span, weights, outputs, dz, d_projected, to);
      }
      last = first;
    }
    if (C::scales > 0) add_scales(sums, to);
    if (to.states[0]) copy_rows(d_states[0], stride, to.states[0], H, H);
    if (C::states == 2 && to.states[1]) copy_rows(d_states[1], stride, to.states[1], U, U);
  }

 private:
  const Layer& l;
  const Units units;
  const int64_t stride, c_stride;  // of a row of states, and of the second states that are kept

  static constexpr int group() {
    int largest = C::inputs::blocks;
    if (C::recurrent && C::state::blocks > largest) largest = C::state::blocks;
    if (C::second && C::second_state::blocks > largest) largest = C::second_state::blocks;
    return largest;
  }

  int64_t gates_size(int64_t steps) const { return steps * l.batch * units.row(); }
  int64_t cells_size(int64_t steps) const {
    return C::states == 2 ? steps * l.batch * c_stride : 0;
  }
  // Whether what follows needs the first state of each step.
  static constexpr bool needs_history = C::recurrent || C::reads_h;
  int64_t history_size(int64_t steps) const { return needs_history ? steps * l.batch * stride : 0; }
  int64_t state_floats() const { return l.outputs + (C::states == 2 ? l.units : 0); }
  int64_t spans() const { return (l.time + l.remat - 1) / l.remat; }
  int64_t time_of(int64_t step) const { return l.reverse ? l.time - 1 - step : step; }

  // So many steps that their gates stay in the last cache until all gradients are computed.
  int64_t steps_of_span() const {
    constexpr int64_t CACHE = 4 << 20;
    return larger(1, CACHE / static_cast<int64_t>(sizeof(float)) / larger(1, gates_size(1)));
  }

  bool is_valid(int64_t step, int64_t b) const {
    return l.mask == nullptr || l.mask[b * l.mask_row + time_of(step) * l.mask_step];
  }

  const float* input(int64_t step, int64_t b) const {
    return l.inputs + b * l.input_row + time_of(step) * l.input_step;
  }

  void copy_rows(const float* from, int64_t from_stride, float* to, int64_t to_stride,
                 int64_t count) const {
    for (int64_t b = 0; b < l.batch; ++b) {
      copy_padded(from + b * from_stride, count, to + b * to_stride, to_stride);
    }
  }

  // Row b of states, which are zeros if they are null.
  static const float* row_of(const float* states, int64_t b, int64_t stride) {
    return states == nullptr ? nullptr : states + b * stride;
  }

  static void copy_padded(const float* from, int64_t count, float* to, int64_t padded) {
    if (from == nullptr) count = 0;
    if (count > 0) std::memcpy(to, from, sizeof(float) * count);
    std::memset(to + count, 0, sizeof(float) * (padded - count));
  }

  // On how many tasks to spread the steps for so many multiplications: by rows of the batch, and,
  // where units do not see one another, by units too if the rows are few.
  struct Tasks {
    int64_t rows, units;
    int64_t count() const { return rows * units; }
  };
  Tasks step_tasks(int64_t multiplications) const {
    constexpr int64_t WORTH_A_THREAD = 1 << 20;
    const int64_t most = larger(1, smaller(l.threads, multiplications / WORTH_A_THREAD));
    const int64_t rows = larger(1, smaller(most, l.batch));
    const int64_t groups = units.blocks / group();
    return {rows, C::recurrent ? 1 : larger(1, smaller(most / rows, groups))};
  }

  // The rows of a task, and its blocks of units: whole panels.
  struct Part {
    int64_t begin, end;
    Blocks blocks;
  };
  Part part(const Tasks& tasks, int64_t task) const {
    const int64_t row = task / tasks.units, unit = task % tasks.units;
    const int64_t groups = units.blocks / group();
    return {l.batch * row / tasks.rows,
            l.batch * (row + 1) / tasks.rows,
            {groups * unit / tasks.units * group(), groups * (unit + 1) / tasks.units * group()}};
  }

  // Where the part of a state begins that some blocks have, and how long it is, padded or not.
  struct Slice {
    int64_t first, count, padded;
  };
  Slice slice(const Blocks& blocks, int64_t size, int64_t padded) const {
    if (blocks.first == 0 && blocks.last == units.blocks) return {0, size, padded};
    const int64_t first = blocks.first * V, last = blocks.last * V;
    return {first, larger(0, smaller(last, size) - first), last - first};
  }
  Slice of_h(const Blocks& blocks) const { return slice(blocks, l.outputs, stride); }
  Slice of_c(const Blocks& blocks) const { return slice(blocks, l.units, c_stride); }

  static void copy(const float* from, float* to, const Slice& slice) {
    std::memcpy(to + slice.first, from + slice.first, sizeof(float) * slice.count);
  }
  static void copy_padded(const float* from, float* to, const Slice& slice) {
    const float* begin = from == nullptr ? nullptr : from + slice.first;
    copy_padded(begin, slice.count, to + slice.first, slice.padded);
  }

  // The multiplications of a step with one row, about: functions count as some.
  int64_t step_size() const {
    constexpr int64_t OF_FUNCTIONS = 16;
    return (C::recurrent ? l.outputs : OF_FUNCTIONS) * C::gates * l.units;
  }

  void run(const Span& span, const PackedWeights<C>& weights, const Results& to,
           float* starts) const {
    const int64_t B = l.batch, steps = span.last - span.first;
    if (B == 0) return;
    const int64_t split = column_tasks();
    const int64_t size = step_size() + l.features * C::gates * l.units;
    const Tasks tasks = split > 1 ? Tasks{1, 1} : step_tasks(B * steps * size);
    const int64_t rows = (B + tasks.rows - 1) / tasks.rows;
    const int64_t ahead = larger(1, smaller(steps, 48 / rows));  // steps whose inputs are projected
    const int64_t floats = ahead * rows * (l.features + units.row()) + 4 * V + 6 * rows * stride +
                           round_up(ahead * rows * 2 + rows, V);
    Memory memory(tasks.count() * round_up(floats, V));
    each_task(l, tasks.count(), [&](int64_t task) {
      float* scratch = memory.at(task * round_up(floats, V));
      run_part(span, weights, to, starts, part(tasks, task), ahead, split, scratch);
    });
  }

  // On how many tasks to spread the columns of each step: where a few rows meet weights of
  // megabytes, reading these takes most of the time.
  int64_t column_tasks() const {
    constexpr int64_t WORTH_A_THREAD = 1 << 20;
    const int64_t floats = l.outputs * C::gates * l.units;
    if (!C::recurrent || C::second || C::projects || C::scales || l.batch >= MAX_ROWS) return 1;
    return larger(1, smaller(smaller(l.threads, units.blocks / group()), floats / WORTH_A_THREAD));
  }

  void run_part(const Span& span, const PackedWeights<C>& weights, const Results& to, float* starts,
                const Part& part, int64_t ahead, int64_t split, float* scratch) const {
    const int64_t begin = part.begin, R = part.end - begin, B = l.batch, U = l.units;
    const int64_t D = l.features, S = units.row(), H = l.outputs, groups = units.blocks / group();
    const Slice h_part = of_h(part.blocks), c_part = of_c(part.blocks);
    auto take = [&](int64_t floats) {
      float* taken = scratch;
      scratch += round_up(floats, V);
      return taken;
    };
    float *h = take(R * stride), *h_next = take(R * stride), *dropped = take(R * stride);
    float *spare = take(R * stride), *c = take(R * stride), *dropout = take(R * stride);
    float* z_block = take(span.gates == nullptr ? ahead * R * S : 0);
    float* x = take(ahead * R * D);
    float** z_rows = reinterpret_cast<float**>(take(ahead * R * 2));
    bool* valid = reinterpret_cast<bool*>(take(R));
    for (int64_t r = 0; r < R; ++r) {
      copy_padded(row_of(span.h, begin + r, span.h_stride), H, h + r * stride, stride);
      if (C::states == 2) {
        copy_padded(row_of(span.c, begin + r, span.c_stride), U, c + r * c_stride, c_stride);
      }
      if (l.dropout) copy_padded(l.dropout + (begin + r) * H, H, dropout + r * stride, stride);
    }
    float* c_now = c;
    for (int64_t block = span.first; block < span.last; block += ahead) {
      const int64_t some = smaller(ahead, span.last - block);
      float* z = span.gates ? span.gates + ((block - span.first) * B + begin) * S : z_block;
      const int64_t z_step = (span.gates ? B : R) * S;
      for (int64_t n = 0; n < some; ++n) {
        for (int64_t r = 0; r < R; ++r) {
          z_rows[n * R + r] = z + n * z_step + r * S;
          float* to_x = x + (n * R + r) * D;
          if (is_valid(block + n, begin + r)) {
            std::memcpy(to_x, input(block + n, begin + r), sizeof(float) * D);
          } else {
            std::memset(to_x, 0, sizeof(float) * D);
          }
        }
      }
      for (int64_t n = 0; n < some; ++n) {
        const int64_t step = block + n;
        if (starts && step % l.remat == 0) {
          float* to_h = starts + step / l.remat * B * state_floats();
          float* to_c = to_h + B * H;
          for (int64_t r = 0; r < R; ++r) {
            copy(h + r * stride, to_h + (begin + r) * H, h_part);
            if (C::states == 2) copy(c_now + r * c_stride, to_c + (begin + r) * U, c_part);
          }
        }
        if (l.dropout) {
          for (int64_t k = 0; k < R * stride; k += V) {
            store(dropped + k, load(h + k) * load(dropout + k));
          }
        }
        for (int64_t r = 0; l.mask && r < R; ++r) valid[r] = is_valid(step, begin + r);
        float* c_next = c_now;
        if (span.cells && C::states == 2) {
          c_next = span.cells + ((step - span.first) * B + begin) * c_stride;
        }
        auto compute = [&](int64_t piece) {
          Blocks blocks = part.blocks;
          if (split > 1) {
            blocks = {groups * piece / split * group(), groups * (piece + 1) / split * group()};
          }
          if (n == 0) project(weights, x, some * R, z_rows, blocks);
          C::forward(Step{R, units, blocks, weights.steps, span.gates != nullptr,
                          l.mask ? valid : nullptr, z + n * z_step, stride, l.dropout ? dropped : h,
                          h, h_next, c_stride, c_now, c_next, spare, H});
        };
        if (split > 1) {
          each_task(l, split, compute);
        } else {
          compute(0);
        }
        for (int64_t r = 0; r < R; ++r) {
          const float* row = h_next + r * stride;
          if (to.outputs) {
            float* at = to.outputs + (begin + r) * l.output_row + time_of(step) * l.output_step;
            copy(row, at, h_part);
          }
          if (span.history) {
            copy_padded(row, span.history + ((step - span.first) * B + begin + r) * stride, h_part);
          }
        }
        std::swap(h, h_next);
        c_now = c_next;
      }
    }
    for (int64_t r = 0; r < R; ++r) {
      if (to.states[0]) copy(h + r * stride, to.states[0] + (begin + r) * H, h_part);
      if (to.states[1] && C::states == 2) {
        copy(c_now + r * c_stride, to.states[1] + (begin + r) * U, c_part);
      }
    }
  }

  // z = W x + b for some rows and blocks of units.
  void project(const PackedWeights<C>& weights, const float* x, int64_t rows, float* const* z_rows,
               const Blocks& blocks) const {
    using In = typename C::inputs;
    constexpr int REST = C::kept - In::count;  // kept vectors that begin with their bias alone
    if (weights.inputs.plain != nullptr) {
      const int64_t begin = blocks.first * C::kept * V, end = blocks.last * C::kept * V;
      for (int64_t row = 0; row < rows; ++row) {
        std::memcpy(z_rows[row] + begin, weights.bias + begin, sizeof(float) * (end - begin));
        add_plain<In>(x + row * l.features, weights.inputs, z_rows[row], units, blocks);
      }
      return;
    }
    product<In::vectors>(
        rows, Rows{x, l.features, l.features}, weights.inputs,
        [&](int64_t panel) {
          const float* bias = weights.bias + panel * In::blocks * C::kept * V;
          return [=](int64_t, int n) {
            return load(bias + (n / In::count * C::kept + n % In::count) * V);
          };
        },
        [&](int64_t panel) {
          const int64_t at = panel * In::blocks * C::kept * V;
          const float* bias = weights.bias + at;
          return [=](int64_t row, const vf* sums) {
            float* z = z_rows[row] + at;
#pragma GCC unroll 4
            for (int n = 0; n < In::vectors; ++n) {
              store(z + (n / In::count * C::kept + n % In::count) * V, sums[n]);
            }
            for (int n = 0; n < In::blocks * REST; ++n) {
              const int64_t rest = (n / REST * C::kept + In::count + n % REST) * V;
              store(z + rest, load(bias + rest));
            }
          };
        },
        blocks.first / In::blocks, blocks.last / In::blocks);
  }

  // The first state of row b before a step of a span, for products alone; null for zeros.
  const float* h_before(const Span& span, const float* outputs, int64_t step, int64_t b) const {
    if (span.history != nullptr || step == 0) {
      if (step == span.first) return row_of(span.h, b, span.h_stride);
      return span.history + ((step - 1 - span.first) * l.batch + b) * stride;
    }
    return outputs + b * l.output_row + time_of(step - 1) * l.output_step;
  }

  void steps_back(const Span& span, const PackedWeights<C>& weights, const float* d_outputs,
                  const float* outputs, float* dz, float* d_projected, float* const* d_states,
                  float* sums) const {
    const int64_t B = l.batch;
    if (B == 0) return;
    const Tasks tasks = step_tasks(B * (span.last - span.first) * step_size());
    const int64_t rows = (B + tasks.rows - 1) / tasks.rows;
    const int64_t floats = 4 * rows * stride + round_up(rows, V);
    Memory memory(tasks.count() * floats);
    each_task(l, tasks.count(), [&](int64_t task) {
      part_back(span, weights, d_outputs, outputs, dz, d_projected, d_states, sums,
                part(tasks, task), memory.at(task * floats));
    });
  }

  void part_back(const Span& span, const PackedWeights<C>& weights, const float* d_outputs,
                 const float* outputs, float* dz, float* d_projected, float* const* d_states,
                 float* sums, const Part& part, float* scratch) const {
    const int64_t begin = part.begin, R = part.end - begin, B = l.batch, U = l.units;
    const int64_t H = l.outputs, S = units.row();
    const Slice h_part = of_h(part.blocks);
    auto take = [&](int64_t floats) {
      float* taken = scratch;
      scratch += round_up(floats, V);
      return taken;
    };
    float *h = take(R * stride), *spare = take(R * stride), *dropout = take(R * stride);
    float* c_first = take(R * stride);
    bool* valid = reinterpret_cast<bool*>(take(R));
    float *dh = d_states[0] + begin * stride, *dc = d_states[1] + begin * stride;
    for (int64_t r = 0; r < R; ++r) {
      if (l.dropout) copy_padded(l.dropout + (begin + r) * H, H, dropout + r * stride, stride);
      if (C::states == 2) {
        copy_padded(row_of(span.c, begin + r, span.c_stride), U, c_first + r * c_stride, c_stride);
      }
    }
    for (int64_t step = span.last - 1; step >= span.first; --step) {
      const int64_t row = (step - span.first) * B + begin;
      for (int64_t r = 0; r < R; ++r) {
        if (l.mask) valid[r] = is_valid(step, begin + r);
        if (d_outputs) {
          const float* d = d_outputs + (begin + r) * l.output_row + time_of(step) * l.output_step;
          float* to = dh + r * stride;
          for (int64_t u = h_part.first; u < h_part.first + h_part.count; ++u) to[u] += d[u];
        }
        if (C::reads_h) {
          copy_padded(h_before(span, outputs, step, begin + r), h + r * stride, h_part);
        }
      }
      const float* c_next = C::states == 2 ? span.cells + row * c_stride : nullptr;
      const float* c = C::states == 2 && step > span.first ? c_next - B * c_stride : c_first;
      C::backward(StepBack{R, units, part.blocks, weights.steps, l.mask ? valid : nullptr,
                           span.gates + row * S, dz + row * S, stride, h, c_stride, c, c_next, dh,
                           dc, l.dropout ? dropout : nullptr, spare, H, d_projected + row * stride,
                           sums + begin * C::scales * c_stride});
      if (l.truncate > 0 && step > 0 && step % l.truncate == 0) {
        for (int64_t r = 0; r < R; ++r) {
          const int64_t at = r * stride + h_part.first;
          // An output that is no state comes back from masked steps alone, which repeat it.
          if (C::h_is_state) std::memset(dh + at, 0, sizeof(float) * h_part.padded);
          std::memset(dc + at, 0, sizeof(float) * h_part.padded);
        }
      }
    }
  }

  // Adds up over the batch what each row has for the vectors that scale and shift.
  void add_scales(const float* sums, const Gradients& to) const {
    each_scale<float>(to.norms, to.bias, l.units, [&](int number, float* at) {
      std::memset(at, 0, sizeof(float) * l.units);
      for (int64_t b = 0; b < l.batch; ++b) {
        const float* from = sums + (b * C::scales + number) * c_stride;
        for (int64_t u = 0; u < l.units; ++u) at[u] += from[u];
      }
    });
  }

  // From dz of a span: the gradients of the inputs, and its share of those of the weights.
  void gradients(const Span& span, const PackedWeights<C>& weights, const float* outputs,
                 const float* dz, const float* d_projected, const Gradients& to) const {
    const int64_t B = l.batch, U = l.units, D = l.features, H = l.outputs;
    const int64_t rows = (span.last - span.first) * B, width = C::gates * U;
    if (rows == 0) return;
    // Each task streams through all of dz, so they should be few, and all of a size.
    const int64_t seen = C::recurrent ? H : 0;  // of the state
    const int64_t each = rows * (D + seen) * width > (1 << 21) ? l.threads : 1;
    const int64_t of_inputs = larger(1, smaller(2 * each, rows / 48));
    const int64_t of_kernel = larger(1, smaller(each, D / MAX_ROWS));
    const int64_t of_state = C::recurrent ? larger(1, smaller(each, seen / MAX_ROWS)) : 0;
    const int64_t of_second = C::second || C::projects ? larger(1, smaller(each, U / MAX_ROWS)) : 0;
    const int64_t tasks = of_kernel + of_state + of_second + C::peepholes + of_inputs;
    const int64_t of_units = of_second > 0 ? U : 0;
    const int64_t most =
        larger(D / of_kernel, larger(seen / larger(1, of_state), of_units / larger(1, of_second)));
    const int64_t widest = larger(D, larger(seen, of_units));
    const int64_t floats = outer_scratch(most + 2 * MAX_ROWS, widest);
    Memory memory((of_kernel + of_state + of_second) * floats);

    auto state_row = [&](int64_t k, float* spare) -> const float* {
      const int64_t step = span.first + k / B, b = k % B;
      if (!is_valid(step, b)) return nullptr;
      const float* h = h_before(span, outputs, step, b);
      if (l.dropout == nullptr || h == nullptr) return h;
      for (int64_t u = 0; u < H; ++u) spare[u] = h[u] * l.dropout[b * H + u];
      return spare;
    };
    auto input_row = [&](int64_t k, float*) -> const float* {
      const int64_t step = span.first + k / B, b = k % B;
      return is_valid(step, b) ? input(step, b) : nullptr;
    };
    auto second_row = [&](int64_t k, float* spare) -> const float* {
      const int64_t step = span.first + k / B, b = k % B;
      if (!is_valid(step, b)) return nullptr;
      return second_operand(span, k, spare);
    };
    float* bias_of_state = C::bias_rows == 2 && to.bias ? to.bias + width : nullptr;

    each_task(l, tasks, [&](int64_t task) {
      int64_t n = task;
      float* scratch = memory.at(smaller(task, of_kernel + of_state + of_second - 1) * floats);
      if (n < of_kernel) {
        const int64_t first = cut(D, n, of_kernel), last = cut(D, n + 1, of_kernel);
        add_outer_products<typename C::inputs>(first, last, rows, input_row, dz, units, units.row(),
                                               C::gates, to.kernel,
                                               n == 0 && !C::scales ? to.bias : nullptr, scratch);
        return;
      }
      n -= of_kernel;
      if (C::recurrent && n < of_state) {
        const int64_t first = cut(H, n, of_state), last = cut(H, n + 1, of_state);
        add_outer_products<typename C::state>(first, last, rows, state_row, dz, units, units.row(),
                                              state_gates<C>(), to.recurrent_kernel,
                                              n == 0 ? bias_of_state : nullptr, scratch);
        return;
      }
      n -= of_state;
      if (n < of_second) {
        const int64_t first = cut(U, n, of_second), last = cut(U, n + 1, of_second);
        if constexpr (C::projects) {
          const Units of_outputs(H, 1, 1);
          add_outer_products<Plain>(first, last, rows, second_row, d_projected, of_outputs, stride,
                                    1, to.projection, nullptr, scratch);
        } else {
          add_outer_products<typename C::second_state>(first, last, rows, second_row, dz, units,
                                                       units.row(), state_gates<C>(),
                                                       to.recurrent_kernel, nullptr, scratch);
        }
        return;
      }
      n -= of_second;
      if (n < C::peepholes) return add_peephole(span, dz, n, to.peepholes[n]);
      n -= C::peepholes;
      input_gradients(span, weights, dz, rows * n / of_inputs, rows * (n + 1) / of_inputs,
                      to.inputs);
    });
  }

  // Where part n of `count` rows begins: at a whole tile.
  static int64_t cut(int64_t count, int64_t n, int64_t parts) {
    return n == parts ? count : count * n / parts / MAX_ROWS * MAX_ROWS;
  }

  // What a row multiplied its second matrix with.
  const float* second_operand(const Span& span, int64_t row, float* spare) const {
    const float* z = span.gates + row * units.row();
    for (int64_t block = 0; block < units.blocks; ++block, z += C::kept * V) {
      vf x = {};
      if constexpr (C::second) x = load(z + C::second_operand * V);
      if constexpr (C::projects) x = C::shown(z, span.cells + row * c_stride + block * V);
      const int64_t count = units.in_block(block);
      if (count > 0) store_part(spare + block * V, x, count);
    }
    return spare;
  }

  // The gradient of a peephole: i and f see the state before the step, o the one after.
  void add_peephole(const Span& span, const float* dz, int64_t number, float* to) const {
    if constexpr (C::peepholes > 0) {
      const int64_t B = l.batch, rows = (span.last - span.first) * B;
      const int gate = number == 2 ? C::O : static_cast<int>(number);
      for (int64_t block = 0; block < units.blocks; ++block) {
        const int64_t count = units.in_block(block);
        vf sum = {};
        for (int64_t k = 0; k < rows; ++k) {
          const float* c = span.cells + (number == 2 ? k : k - B) * c_stride + block * V;
          if (k < B && number != 2 && span.c == nullptr) continue;
          const vf state = k < B && number != 2
                               ? load_part(span.c + k * span.c_stride + block * V, count)
                               : load(c);
          sum += load(dz + k * units.row() + (block * C::kept + gate) * V) * state;
        }
        if (count > 0) {
          store_part(to + block * V, load_part(to + block * V, count) + sum, count);
        }
      }
    }
  }

  void input_gradients(const Span& span, const PackedWeights<C>& weights, const float* dz,
                       int64_t begin, int64_t end, float* to) const {
    const int64_t B = l.batch, D = l.features;
    product<4>(
        end - begin, Rows::of<typename C::inputs>(dz + begin * units.row(), units),
        weights.inputs_back, [](int64_t) { return [](int64_t, int) { return vf{}; }; },
        [&](int64_t panel) {
          return [=](int64_t row, const vf* sums) {
            const int64_t k = begin + row, step = span.first + k / B, b = k % B;
            float* at = to + b * l.input_row + time_of(step) * l.input_step;
            for (int n = 0; n < 4; ++n) {
              const int64_t column = (panel * 4 + n) * V;
              if (column < D) store_part(at + column, sums[n], D - column);
            }
          };
        });
  }
};

}  // namespace RNN_TARGET
}  // namespace rnnlayers
