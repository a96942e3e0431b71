// A trained network as an ONNX graph: tokens in, scores of all items and the best unseen ones out.
// Sequences of one batch are padded before their oldest item, so that the newest is the last of every row and positions are one slice.
#pragma once

#include "cddrec/io/onnx.hpp"
#include "model_file.hpp"

namespace cddrec::cli {

class onnx_network {
 public:
  /// input_error for a model whose graph is not written here.
  explicit onnx_network(const loaded_model& m) : kind_(m.kind), settings_(m.settings), items_(m.ids.size()) {
    const network* net = network_of(m);
    if (net == nullptr || kind_ == "gru4rec" || kind_ == "svae")
      throw input_error("export: " + kind_ +
                        " has no ONNX graph; only cddrec, sasrec, vae and gan have one, whose encoder is a transformer");
    net->visit([&](const std::string& name, const auto& p) { weights_[name] = &p.value; });
    build();
    for (index i = 0; i < items_; ++i) names_ += (i > 0 ? "\n" : "") + m.ids.name(static_cast<data::item>(i));
  }

  std::string serialise() const {
    return g_.serialise("cddrec " + kind_, "cddrec " CDDREC_VERSION,
                        {{"model", kind_}, {"items", names_}, {"max_length", std::to_string(settings_.max_length)}});
  }

 private:
  using name = std::string;
  static constexpr std::int64_t all = std::numeric_limits<std::int64_t>::max();

  void build() {
    const name tokens = g_.input<std::int64_t>("tokens", {"batch", "length"}), k = g_.input<std::int64_t>("k", {index{1}});
    // Padding takes the row behind the last item, whose score is cut off.
    const name last = g_.constant(static_cast<std::int64_t>(items_));
    const name ids = g_("Where", {g_("Less", {tokens, g_.constant(std::int64_t{0})}), last, tokens});
    const name newest = slice(ids, 1, -settings_.max_length, all);
    const name table = constant("item_embedding.weight");
    const name length = g_("Shape", {newest}, {{"start", std::int64_t{1}}, {"end", std::int64_t{2}}});
    const name positions =
        g_("Slice", {constant("position_embedding.weight"), g_("Neg", {length}), g_.constant(std::vector{all}), whole(0)});
    name x = norm(g_("Add", {g_("Gather", {table, newest}), positions}), "input_norm");
    // What a row must not see: what comes later, and padding. Finite, so that a row of padding alone is a number.
    const name places = g_("Range", {g_.constant(std::int64_t{0}), g_("Squeeze", {length}), g_.constant(std::int64_t{1})});
    const name later = g_("Less", {g_("Unsqueeze", {places, whole(1)}), g_("Unsqueeze", {places, whole(0)})});
    const name padding = g_("Unsqueeze", {g_("Equal", {newest, last}), g_.constant(std::vector<std::int64_t>{1, 2})});
    hidden_ = g_("Where", {g_("Or", {later, padding}), g_.constant(-1e9f), g_.constant(0.0f)});  // [batch, 1, length, length]

    x = denoised(transformer(x, "encoder", settings_.layers));
    x = scored(g_("Squeeze", {slice(x, 1, -1, all), whole(1)}));
    const name every = g_("MatMul", {x, g_("Transpose", {scored(table)})});  // [batch, V + 1]
    g_.node("Slice", {every, whole(0), whole(items_), whole(1)}, {"scores"});
    const name none = g_("Expand", {g_.constant(-std::numeric_limits<float>::infinity()), g_("Shape", {ids})});
    const name unseen = g_("ScatterElements", {every, ids, none}, {{"axis", std::int64_t{1}}, {"reduction", "min"}});
    g_.node("TopK", {slice(unseen, 1, 0, items_), k}, {"top_scores", "top_items"});
    g_.output<float>("scores", {"batch", items_});
    g_.output<float>("top_scores", {"batch", "k"});
    g_.output<std::int64_t>("top_items", {"batch", "k"});
  }

  /// The prediction mu(e_s, 0) of every row.
  name denoised(name x) {
    if (kind_ == "vae") return transformer(linear(x, "denoiser.mean"), "denoiser.decoder", settings_.decoder_layers);
    if (kind_ != "cddrec") return x;
    const core::matrix<float>& steps = *weights_.at("denoiser.step_embedding.weight");
    const name step = g_.constant<float>("step", {1, steps.cols()}, {steps.data(), static_cast<std::size_t>(steps.cols())});
    for (index l = 0; l < settings_.decoder_layers; ++l) {
      const std::string of_layer = "denoiser.layers." + std::to_string(l);
      x = settings_.denoiser == "cross_decoder" ? cross_layer(x, step, l == 0 ? "denoiser" : of_layer) : decoder_layer(x, step, of_layer);
    }
    return x;
  }
  name cross_layer(const name& x, const name& step, const std::string& layer) {
    const std::int64_t heads = settings_.heads, width = settings_.width / heads;
    const name query = g_("Reshape", {linear(step, layer + ".query"), g_.constant(std::vector<std::int64_t>{heads, 1, width})});
    name h = attention(query, linear(x, layer + ".key"), linear(x, layer + ".value"));
    if (settings_.residual) h = norm(g_("Add", {x, h}), layer + ".norm1");
    if (settings_.feed_forward) h = norm(g_("Add", {h, feed_forward(h, layer)}), layer + ".norm2");
    return h;
  }
  name decoder_layer(name x, const name& step, const std::string& layer) {
    x = norm(g_("Add", {x, self_attention(x, layer + ".self_attn")}), layer + ".norm1");
    x = norm(g_("Add", {x, linear(linear(step, layer + ".step_value"), layer + ".step_out")}), layer + ".norm2");
    return norm(g_("Add", {x, feed_forward(x, layer)}), layer + ".norm3");
  }
  name transformer(name x, const std::string& of, index layers) {
    for (index l = 0; l < layers; ++l) {
      const std::string layer = of + ".layers." + std::to_string(l);
      x = norm(g_("Add", {x, self_attention(x, layer + ".self_attn")}), layer + ".norm1");
      x = norm(g_("Add", {x, feed_forward(x, layer)}), layer + ".norm2");
    }
    return x;
  }

  name self_attention(const name& x, const std::string& of) {
    const auto project = [&](index part) {
      return g_("Add", {g_("MatMul", {x, transposed(of + ".in_proj_weight", part, 3)}), constant(of + ".in_proj_bias", part, 3)});
    };
    return linear(attention(by_head(project(0), {0, 2, 1, 3}), project(1), project(2)), of + ".out_proj");
  }
  /// query [batch, heads, rows, width of a head], or less that broadcasts to it; keys and values [batch, length, d].
  name attention(const name& query, const name& keys, const name& values) {
    const float scale = 1 / std::sqrt(static_cast<float>(settings_.width / settings_.heads));
    const name products = g_("MatMul", {query, by_head(keys, {0, 2, 3, 1})});
    const name weights = g_("Softmax", {g_("Add", {g_("Mul", {products, g_.constant(scale)}), hidden_})});
    const name mixed = g_("Transpose", {g_("MatMul", {weights, by_head(values, {0, 2, 1, 3})})}, {{"perm", ints{0, 2, 1, 3}}});
    return g_("Reshape", {mixed, g_.constant(ints{0, 0, settings_.width})});
  }
  using ints = std::vector<std::int64_t>;
  name by_head(const name& x, const ints& order) {
    const name parts = g_("Reshape", {x, g_.constant(ints{0, 0, settings_.heads, settings_.width / settings_.heads})});
    return g_("Transpose", {parts}, {{"perm", order}});
  }
  name feed_forward(const name& x, const std::string& of) {  // GELU: x (1 + erf(x / sqrt 2)) / 2
    const name h = linear(x, of + ".linear1");
    const name erf = g_("Erf", {g_("Mul", {h, g_.constant(std::sqrt(0.5f))})});
    const name half = g_("Mul", {g_("Add", {erf, g_.constant(1.0f)}), g_.constant(0.5f)});
    return linear(g_("Mul", {h, half}), of + ".linear2");
  }
  name linear(const name& x, const std::string& of) {
    const name y = g_("MatMul", {x, transposed(of + ".weight")});
    return weights_.contains(of + ".bias") ? g_("Add", {y, constant(of + ".bias")}) : y;
  }
  name norm(const name& x, const std::string& of) {
    return g_("LayerNormalization", {x, constant(of + ".weight"), constant(of + ".bias")}, {{"epsilon", 1e-5f}});
  }
  name scored(const name& x) {
    if (settings_.score != "cosine") return x;
    return g_("Div", {x, g_("Max", {g_("ReduceL2", {x, whole(-1)}), g_.constant(1e-12f)})});
  }

  name whole(std::int64_t value) { return g_.constant(ints{value}); }
  name slice(const name& x, std::int64_t axis, std::int64_t begin, std::int64_t end) {
    return g_("Slice", {x, whole(begin), whole(end), whole(axis)});
  }
  /// A weight as it is, or one of several parts of its rows; vectors for what PyTorch has as vectors.
  name constant(const std::string& of, index part = 0, index parts = 1) {
    const core::matrix<float>& w = *weights_.at(of);
    const index rows = w.rows() / parts;
    const std::vector<index> shape = io::is_vector(of) ? std::vector{rows * w.cols()} : std::vector{rows, w.cols()};
    return g_.constant<float>(of + part_name(part, parts), shape,
                              {w.data() + part * rows * w.cols(), static_cast<std::size_t>(rows * w.cols())});
  }
  name transposed(const std::string& of, index part = 0, index parts = 1) {
    const core::matrix<float>& w = *weights_.at(of);
    const index rows = w.rows() / parts;
    const core::matrix<float> turned = w.middleRows(part * rows, rows).transpose();
    return g_.constant<float>(of + part_name(part, parts), {turned.rows(), turned.cols()},
                              {turned.data(), static_cast<std::size_t>(turned.size())});
  }
  static std::string part_name(index part, index parts) { return parts == 1 ? "" : "." + std::to_string(part); }

  std::string kind_;
  run_settings settings_;
  index items_;
  std::map<std::string, const core::matrix<float>*> weights_;
  std::string names_, hidden_;
  io::onnx::graph g_;
};

}  // namespace cddrec::cli
