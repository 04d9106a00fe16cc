// Matrix products whose right operand is packed into panels, and the packing.
//
// A step keeps a row of `kept` vectors for each block of V units, block after block: for an LSTM
// i, f, g, o of the first V units, i, f, g, o of the next V, ... A tile of a product is as wide as
// four such vectors, so that all gates of some units meet in registers.
#pragma once

#include <cstring>

#include "simd.h"

namespace rnnlayers {
namespace RNN_TARGET {

inline int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Which of the vectors kept for a block of units a matrix makes, and from which of its gates.
template <int First, int... Gate>
struct Columns {
  static constexpr int first = First;
  static constexpr int count = sizeof...(Gate);
  static constexpr int gate[] = {Gate...};
  static constexpr int blocks = 4 / count;        // of units in a panel
  static constexpr int vectors = blocks * count;  // in a panel
};

// Columns of a plain matrix.
using Plain = Columns<0, 0>;

// Units in blocks of V.
struct Units {
  int64_t count, blocks;
  int kept;

  Units(int64_t count, int kept, int group)
      : count(count), blocks(round_up((count + V - 1) / V, group)), kept(kept) {}
  int64_t row() const { return blocks * kept * V; }  // floats in a row of kept vectors
  int64_t in_block(int64_t block) const { return larger(0, smaller(V, count - block * V)); }
};

// Panel after panel, each `depth` rows of `vectors` vectors; or `plain`, the kernel as it lies.
struct Panels {
  float* data;
  int64_t count, depth;
  const float* plain = nullptr;
  int64_t width = 0;  // of a row of `plain`
};

// Some blocks of units, whole panels of them.
struct Blocks {
  int64_t first, last;
};

// The columns of a kernel (depth, gates * units), from panel `first` to `last`.
template <class C>
void pack(const float* kernel, int64_t width, const Units& units, const Panels& to, int64_t panel) {
  float* out = to.data + panel * to.depth * C::vectors * V;
  for (int64_t k = 0; k < to.depth; ++k) {
    for (int n = 0; n < C::vectors; ++n, out += V) {
      const int64_t block = panel * C::blocks + n / C::count, count = units.in_block(block);
      const float* from = kernel + k * width + C::gate[n % C::count] * units.count + block * V;
      store(out, count > 0 ? load_part(from, count) : vf{});
    }
  }
}

// The same columns as rows: panels of 4 V rows of the kernel, whose depth is that of the kept
// vectors.
template <class C>
void pack_transposed(const float* kernel, int64_t rows, int64_t width, const Units& units,
                     const Panels& to, int64_t panel) {
  constexpr int WIDE = 4 * V;
  float* out = to.data + panel * to.depth * WIDE;
  const int64_t first = panel * WIDE, count = smaller(WIDE, rows - first);
  if (count < WIDE) std::memset(out, 0, sizeof(float) * to.depth * WIDE);
  for (int64_t block = 0; block < units.blocks; ++block) {
    const int64_t some = units.in_block(block);
    for (int g = 0; g < C::count; ++g, out += V * WIDE) {
      if (some < V) std::memset(out, 0, sizeof(float) * V * WIDE);
      const float* from = kernel + first * width + C::gate[g] * units.count + block * V;
      for (int64_t row = 0; row < count; ++row, from += width) {
        for (int64_t v = 0; v < some; ++v) out[v * WIDE + row] = from[v];
      }
    }
  }
}

// A left operand: rows of `blocks` pieces of `length` floats each.
struct Rows {
  const float* data;
  int64_t stride;  // from one row to the next
  int64_t length;
  int64_t blocks = 1;
  int64_t block_stride = 0;

  // The part of rows of kept vectors that has these columns.
  template <class C>
  static Rows of(const float* data, const Units& units) {
    return {data + C::first * V, units.row(), C::count * V, units.blocks, units.kept * V};
  }
};

template <int M, int N, class Start, class End>
inline void tile(const Rows& a, int64_t row, const float* panel, const Start& start,
                 const End& end) {
  vf sum[M][N];
  const float* at[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    at[m] = a.data + (row + m) * a.stride;
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[m][n] = start(row + m, n);
  }
  for (int64_t block = 0; block < a.blocks; ++block) {
    for (int64_t k = 0; k < a.length; ++k, panel += N * V) {
      vf b[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) b[n] = load(panel + n * V);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        const vf x = all(at[m][k]);
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) sum[m][n] += x * b[n];
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) at[m] += a.block_stride;
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) end(row + m, sum[m]);
}

// Computes start(panel)(row, n) + the product, n being a vector of the panel, and hands N vectors
// of each row to end(panel)(row, vectors). A sum runs over the depth in order, whatever the tiles
// are.
template <int N, class Start, class End>
void product(int64_t rows, const Rows& a, const Panels& w, const Start& start_of, const End& end_of,
             int64_t first_panel = 0, int64_t last_panel = -1) {
  const int64_t tiles = (rows + MAX_ROWS - 1) / MAX_ROWS;
  if (last_panel < 0) last_panel = w.count;
  for (int64_t panel = first_panel; panel < last_panel; ++panel) {
    const float* data = w.data + panel * w.depth * N * V;
    const auto start = start_of(panel);
    const auto end = end_of(panel);
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = rows * t / tiles;
      switch (rows * (t + 1) / tiles - row) {
        case 1: tile<1, N>(a, row, data, start, end); break;
        case 2: tile<2, N>(a, row, data, start, end); break;
        case 3: tile<3, N>(a, row, data, start, end); break;
#if defined(__AVX512F__) || defined(__aarch64__)
        case 4: tile<4, N>(a, row, data, start, end); break;
        case 5: tile<5, N>(a, row, data, start, end); break;
        case 6: tile<6, N>(a, row, data, start, end); break;
#endif
      }
    }
  }
}

// z += the product of `Depth` rows of a kernel as it lies with as many floats.
template <class C, int Depth>
inline void add_plain_rows(const float* a, const float* kernel, int64_t width, float* z,
                           const Units& units, const Blocks& blocks) {
  vf x[Depth];
#pragma GCC unroll 8
  for (int k = 0; k < Depth; ++k) x[k] = all(a[k]);
#pragma GCC unroll 4
  for (int g = 0; g < C::count; ++g) {
    const float* from = kernel + C::gate[g] * units.count;
    float* to = z + (C::first + g) * V;
    for (int64_t block = blocks.first; block < blocks.last; ++block) {
      vf sum = load(to + block * units.kept * V);
#pragma GCC unroll 8
      for (int k = 0; k < Depth; ++k) sum += x[k] * load_loose(from + k * width + block * V);
      store(to + block * units.kept * V, sum);
    }
  }
}

// z += the product of a row with a kernel as it lies, summed in the order of `product`: for so few
// rows that packing the kernel would take longer. It needs whole vectors of units.
template <class C>
void add_plain(const float* a, const Panels& w, float* z, const Units& units,
               const Blocks& blocks) {
  constexpr int ROWS = 8;  // of the kernel: not more streams than a processor reads ahead
  const Blocks there{blocks.first, smaller(blocks.last, units.count / V)};
  int64_t k = 0;
  for (; k + ROWS <= w.depth; k += ROWS) {
    add_plain_rows<C, ROWS>(a + k, w.plain + k * w.width, w.width, z, units, there);
  }
  for (; k < w.depth; ++k) {
    add_plain_rows<C, 1>(a + k, w.plain + k * w.width, w.width, z, units, there);
  }
}

// A step's product with a matrix: begins with the kept vectors of each row, and hands the vectors
// of each of the blocks of units to finish(row, block, vectors).
template <class C, class Finish>
void step_product(int64_t rows, const Rows& a, const Panels& w, float* z, const Units& units,
                  const Blocks& blocks, const Finish& finish) {
  if (w.plain != nullptr) {
    for (int64_t row = 0; row < rows; ++row) {
      float* of_row = z + row * units.row();
      add_plain<C>(a.data + row * a.stride, w, of_row, units, blocks);
      for (int64_t block = blocks.first; block < blocks.last; ++block) {
        vf sums[C::count];
        for (int n = 0; n < C::count; ++n) {
          sums[n] = load(of_row + (block * units.kept + C::first + n) * V);
        }
        finish(row, block, sums);
      }
    }
    return;
  }
  product<C::vectors>(
      rows, a, w,
      [&](int64_t panel) {
        const float* from = z + (panel * C::blocks * units.kept + C::first) * V;
        return [=](int64_t row, int n) {
          return load(from + row * units.row() + (n / C::count * units.kept + n % C::count) * V);
        };
      },
      [&](int64_t panel) {
        return [&finish, panel](int64_t row, const vf* sums) {
#pragma GCC unroll 4
          for (int block = 0; block < C::blocks; ++block) {
            finish(row, panel * C::blocks + block, sums + block * C::count);
          }
        };
      },
      blocks.first / C::blocks, blocks.last / C::blocks);
}

// Sums of outer products over rows: gradient[m, column] += sum_k left(k)[m] dz[k, column], for m
// from `first` to `last`. Also adds the sums of the columns to `bias` if it is given.
//
// A row of dz is `stride` floats long. `left(k, spare)` returns a row of the left operand, null for
// zeros, and may use `spare` for it.
constexpr int64_t DEPTH = 96;  // rows at a time, so that a packed panel stays in the L1 cache

inline int64_t outer_scratch(int64_t count, int64_t width) {
  return round_up(count, MAX_ROWS) * DEPTH + DEPTH * 4 * V + round_up(width, V);
}

template <class C, class Left>
void add_outer_products(int64_t first, int64_t last, int64_t rows, const Left& left,
                        const float* dz, const Units& units, int64_t stride, int64_t gates,
                        float* gradient, float* bias, float* scratch) {
  constexpr int N = C::vectors;
  const int64_t width = gates * units.count, tiles = (last - first + MAX_ROWS - 1) / MAX_ROWS;
  float* packed_dz = scratch;
  float* packed_left = packed_dz + DEPTH * 4 * V;
  float* spare = packed_left + tiles * MAX_ROWS * DEPTH;
  for (int64_t k0 = 0; k0 < rows; k0 += DEPTH) {
    const int64_t depth = smaller(DEPTH, rows - k0);
    for (int64_t k = 0; k < depth; ++k) {
      const float* row = left(k0 + k, spare);
      for (int64_t t = 0; t < tiles; ++t) {
        float* to = packed_left + (t * depth + k) * MAX_ROWS;
        const int64_t m = first + t * MAX_ROWS, count = smaller(MAX_ROWS, last - m);
        if (row != nullptr && count == MAX_ROWS) {
          std::memcpy(to, row + m, sizeof(float) * MAX_ROWS);
        } else {
          for (int64_t i = 0; i < MAX_ROWS; ++i) to[i] = row && i < count ? row[m + i] : 0.0f;
        }
      }
    }
    for (int64_t panel = 0; panel * C::blocks < units.blocks; ++panel) {
      const float* from = dz + k0 * stride + (panel * C::blocks * units.kept + C::first) * V;
      vf sums[N] = {};
      for (int64_t k = 0; k < depth; ++k, from += stride) {
#pragma GCC unroll 4
        for (int n = 0; n < N; ++n) {
          const vf x = load(from + (n / C::count * units.kept + n % C::count) * V);
          store(packed_dz + (k * N + n) * V, x);
          sums[n] += x;
        }
      }
      float* to[N];
      int64_t counts[N];
      for (int n = 0; n < N; ++n) {
        const int64_t block = panel * C::blocks + n / C::count;
        counts[n] = units.in_block(block);
        to[n] = gradient + C::gate[n % C::count] * units.count + block * V;
        if (bias != nullptr) {
          float* of_bias = bias + (to[n] - gradient);
          if (counts[n] > 0) {
            store_part(of_bias, load_part(of_bias, counts[n]) + sums[n], counts[n]);
          }
        }
      }
      for (int64_t t = 0; t < tiles; ++t) {
        vf sum[MAX_ROWS][N] = {};
        const float* a = packed_left + t * depth * MAX_ROWS;
        const float* b = packed_dz;
        for (int64_t k = 0; k < depth; ++k, a += MAX_ROWS, b += N * V) {
          vf now[N];
#pragma GCC unroll 4
          for (int n = 0; n < N; ++n) now[n] = load(b + n * V);
#pragma GCC unroll 8
          for (int m = 0; m < MAX_ROWS; ++m) {
            const vf x = all(a[m]);
#pragma GCC unroll 4
            for (int n = 0; n < N; ++n) sum[m][n] += x * now[n];
          }
        }
        const int64_t m0 = first + t * MAX_ROWS;
#pragma GCC unroll 8
        for (int m = 0; m < MAX_ROWS; ++m) {
          if (m0 + m >= last) break;
#pragma GCC unroll 4
          for (int n = 0; n < N; ++n) {
            if (counts[n] <= 0) continue;
            float* at = to[n] + (m0 + m) * width;
            store_part(at, load_part(at, counts[n]) + sum[m][n], counts[n]);
          }
        }
      }
    }
  }
}

}  // namespace RNN_TARGET
}  // namespace rnnlayers
