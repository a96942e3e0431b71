#include "cddrec/data/augment.hpp"

#include <map>
#include <set>

#include "test.hpp"

namespace cddrec::test {

using data::item;
using items = std::vector<item>;

namespace {

constexpr item mask_item = 1000;

enum class kind { crop, mask, reorder };

// Which augmentation a draw makes of any sequence: told by a long one of distinct items, where the three differ.
kind kind_of(core::random draw) {
  items sequence(41);
  std::iota(sequence.begin(), sequence.end(), 0);
  data::batch b;
  std::vector<unsigned char> clean;
  data::add_augmented(b, clean, sequence, 40, mask_item, {}, draw);
  if (b.tokens() < 40) return kind::crop;
  return std::count(b.inputs.begin(), b.inputs.end(), mask_item) > 0 ? kind::mask : kind::reorder;
}

struct sample {
  data::batch main, augmented;
  std::vector<unsigned char> clean;
};

sample augment(const items& sequence, index max_length, const data::augmentation& settings, core::random draw) {
  sample s;
  s.main.add_training(sequence, max_length);
  data::add_augmented(s.augmented, s.clean, sequence, max_length, mask_item, settings, draw);
  return s;
}

// The first draw of a kind.
core::random draw_of(kind wanted, std::uint64_t name = 0) {
  core::random draw = core::random(core::seed{name}).child(0);
  for (std::uint64_t i = 1; kind_of(draw) != wanted; ++i) draw = core::random(core::seed{name}).child(i);
  return draw;
}

// A sequence with or without repeats.
items random_sequence(index length, index vocabulary, core::random draw) {
  items s;
  for (index i = 0; i < length; ++i) s.push_back(vocabulary > 0 ? static_cast<item>(draw.below(i, vocabulary)) : static_cast<item>(i));
  return s;
}

std::size_t at(index i) { return static_cast<std::size_t>(i); }

}  // namespace

TEST_CASE("the three augmentations come equally often") {
  std::map<kind, int> count;
  for (std::uint64_t i = 0; i < 6000; ++i) ++count[kind_of(core::random(core::seed{5}).child(i))];
  for (const kind k : {kind::crop, kind::mask, kind::reorder}) CHECK(std::abs(count[k] - 2000) < 150);
}

TEST_CASE("a sequence of one pair is left as it is") {
  for (const kind k : {kind::crop, kind::mask, kind::reorder}) {
    const auto s = augment({3, 4}, 20, {}, draw_of(k));
    CHECK(s.augmented.inputs == items{3});
    CHECK(s.augmented.targets == items{4});
    CHECK(s.augmented.offsets == std::vector<index>{0, 1});
    CHECK(s.clean == std::vector<unsigned char>{1});
  }
}

TEST_CASE("two pairs: crop keeps one, mask hides one, reorder has nothing to swap") {
  std::set<items> cropped, masked;
  for (std::uint64_t i = 0; i < 60; ++i) {
    const auto crop = augment({3, 4, 5}, 20, {}, draw_of(kind::crop, i)).augmented;
    CHECK(crop.targets == items{crop.inputs[0] + 1});
    cropped.insert(crop.inputs);
    const auto mask = augment({3, 4, 5}, 20, {}, draw_of(kind::mask, i)).augmented;
    CHECK(mask.targets == items{4, 5});
    masked.insert(mask.inputs);
    CHECK(augment({3, 4, 5}, 20, {}, draw_of(kind::reorder, i)).augmented.inputs == items{3, 4});
  }
  CHECK(cropped == std::set<items>{{3}, {4}});
  CHECK(masked == std::set<items>{{mask_item, 4}, {3, mask_item}});
}

TEST_CASE("a target that already stands in its own augmented prefix is not clean") {
  const data::augmentation whole{.reorder_window = 1.0f};
  // Pairs 0→1, 1→2: in the order 1 0, the first target, 1, stands in its prefix; the second, 2, nowhere.
  bool swapped = false;
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto s = augment({0, 1, 2}, 20, whole, draw_of(kind::reorder, i));
    const bool in_order = s.augmented.inputs == items{0, 1};
    swapped |= !in_order;
    CHECK(s.augmented.targets == items{1, 2});
    CHECK(s.clean == (in_order ? std::vector<unsigned char>{1, 1} : std::vector<unsigned char>{0, 1}));
  }
  CHECK(swapped);
  // A repeat in the history leaks as well; one before the window of max_length does not.
  CHECK(augment({7, 7, 8, 7}, 20, {.reorder_window = 0.1f}, draw_of(kind::reorder)).clean == std::vector<unsigned char>{0, 1, 0});
  CHECK(augment({7, 5, 8, 7}, 2, {.reorder_window = 0.1f}, draw_of(kind::reorder)).clean == std::vector<unsigned char>{1, 1});
}

TEST_CASE("every view is what its augmentation promises") {
  const data::augmentation settings{.crop_keep = 0.6f, .mask_ratio = 0.3f, .reorder_window = 0.6f};
  const index max_length = 12;
  std::map<kind, std::set<index>> places;  // where windows of 12 pairs began, which inputs of 12 were hidden
  for (std::uint64_t i = 0; i < 6000; ++i) {
    const core::random draw = core::random(core::seed{9}).child(i);
    const index length = 2 + draw.child(1).below(0, 19);
    const items sequence = random_sequence(length, i % 2 ? 4 : 0, draw.child(2));
    const auto s = augment(sequence, max_length, settings, draw);
    const auto &from = s.main, &to = s.augmented;
    const index n = from.tokens(), m = to.tokens();
    REQUIRE(n == std::min(length - 1, max_length));
    REQUIRE(static_cast<index>(to.targets.size()) == m);
    REQUIRE(static_cast<index>(s.clean.size()) == m);
    REQUIRE(to.offsets == std::vector<index>{0, m});

    const kind k = kind_of(draw);
    if (k == kind::crop) {
      REQUIRE(m == std::max<index>(1, 6 * n / 10));
      bool found = false;
      for (index start = 0; start + m <= n; ++start) {
        const bool here = std::equal(to.inputs.begin(), to.inputs.end(), from.inputs.begin() + start) &&
                          std::equal(to.targets.begin(), to.targets.end(), from.targets.begin() + start);
        found |= here;
        if (here && n == 12 && i % 2 == 0) places[k].insert(start);
      }
      REQUIRE(found);
    } else {
      REQUIRE(to.targets == from.targets);
      index first = n, last = -1, changed = 0;
      for (index r = 0; r < n; ++r) {
        if (to.inputs[at(r)] == from.inputs[at(r)]) continue;
        ++changed;
        first = std::min(first, r);
        last = std::max(last, r);
        if (k == kind::mask) REQUIRE(to.inputs[at(r)] == mask_item);
        if (n == 12 && i % 2 == 0) places[k].insert(r);
      }
      if (k == kind::mask) {
        REQUIRE(changed == (n == 1 ? 0 : std::max<index>(1, 3 * n / 10)));
      } else {
        REQUIRE(last - first < std::max<index>(1, 6 * n / 10));
        REQUIRE(std::is_permutation(to.inputs.begin(), to.inputs.end(), from.inputs.begin(), from.inputs.end()));
      }
    }

    for (index r = 0; r < m; ++r) {
      bool leaks = false;
      for (index j = 0; j <= r; ++j) leaks |= to.inputs[at(j)] == to.targets[at(r)];
      REQUIRE(s.clean[at(r)] == (leaks ? 0 : 1));
    }
  }
  CHECK(places[kind::crop].size() == 6);  // a window of 7 in 12
  CHECK(places[kind::mask].size() == 12);
  CHECK(places[kind::reorder].size() == 12);
}

TEST_CASE("every choice of hidden inputs and every order is as likely as any other") {
  std::map<items, int> masks, orders;
  const int draws = 12000;
  for (std::uint64_t i = 0, masked = 0, reordered = 0; masked < draws || reordered < draws; ++i) {
    const core::random draw = core::random(core::seed{11}).child(i);
    const auto s = augment({0, 1, 2, 3, 4}, 20, {.mask_ratio = 0.5f, .reorder_window = 1.0f}, draw).augmented;
    const bool hidden = std::count(s.inputs.begin(), s.inputs.end(), mask_item) > 0;
    if (s.tokens() < 4) continue;
    if (hidden && masked++ < draws) ++masks[s.inputs];
    if (!hidden && reordered++ < draws) ++orders[s.inputs];
  }
  REQUIRE(masks.size() == 6);  // two of four
  for (const auto& [inputs, count] : masks) CHECK(std::abs(count - draws / 6) < 200);
  REQUIRE(orders.size() == 24);
  for (const auto& [inputs, count] : orders) CHECK(std::abs(count - draws / 24) < 110);
}

TEST_CASE("shares are rounded down as on paper") {
  for (int percent = 1; percent <= 100; ++percent)
    for (index n = 1; n <= 200; ++n) REQUIRE(data::detail::share_of(static_cast<float>(percent) / 100.0f, n) == percent * n / 100);
}

TEST_CASE("mask never hides everything, crop and reorder may touch everything") {
  for (std::uint64_t i = 0; i < 20; ++i) {
    const data::augmentation most{.crop_keep = 1.0f, .mask_ratio = 0.999f, .reorder_window = 1.0f};
    const auto mask = augment({0, 1, 2, 3, 4}, 20, most, draw_of(kind::mask, i)).augmented;
    CHECK(std::count(mask.inputs.begin(), mask.inputs.end(), mask_item) == 3);
    CHECK(augment({0, 1, 2, 3, 4}, 20, most, draw_of(kind::crop, i)).augmented.inputs == items{0, 1, 2, 3});
  }
}

TEST_CASE("a view depends on its own draw alone, not on what stands before it in the batch") {
  data::batch all;
  std::vector<unsigned char> clean;
  std::vector<items> sequences;
  const core::random draw(core::seed{2});
  for (std::uint64_t u = 0; u < 50; ++u) {
    sequences.push_back(random_sequence(2 + draw.child(u).below(0, 15), 6, draw.child(100 + u)));
    data::add_augmented(all, clean, sequences.back(), 10, mask_item, {}, draw.child(u));
  }
  REQUIRE(all.size() == 50);
  REQUIRE(static_cast<index>(clean.size()) == all.tokens());
  for (std::uint64_t u = 0; u < 50; ++u) {
    const auto alone = augment(sequences[u], 10, {}, draw.child(u));
    const index begin = all.layout().begin(static_cast<index>(u)), end = all.layout().end(static_cast<index>(u));
    CHECK(alone.augmented.inputs == items(all.inputs.begin() + begin, all.inputs.begin() + end));
    CHECK(alone.augmented.targets == items(all.targets.begin() + begin, all.targets.begin() + end));
    CHECK(alone.clean == std::vector<unsigned char>(clean.begin() + begin, clean.begin() + end));
  }
}

TEST_CASE("views are paired from their newest rows") {
  data::batch main, augmented;
  main.add_training(items{0, 1, 2, 3}, 20);       // rows 0 1 2
  main.add_training(items{0, 1}, 20);             // row  3
  main.add_training(items{5, 6, 7}, 20);          // rows 4 5
  augmented.add_training(items{0, 1, 2}, 20);     // rows 0 1
  augmented.add_training(items{0, 1, 2, 3}, 20);  // rows 2 3 4
  augmented.add_training(items{5, 6, 7}, 20);     // rows 5 6
  const auto pairs = [&](std::vector<unsigned char> clean) {
    std::vector<data::row_pair> out{{77, 77}};
    data::pair_views(main, augmented, clean, out);
    std::vector<std::pair<index, index>> plain;
    for (const auto& p : out) plain.emplace_back(p.main, p.augmented);
    return plain;
  };
  using list = std::vector<std::pair<index, index>>;
  CHECK(pairs({1, 1, 1, 1, 1, 1, 1}) == list{{1, 0}, {2, 1}, {3, 4}, {4, 5}, {5, 6}});
  CHECK(pairs({1, 0, 0, 0, 1, 0, 1}) == list{{1, 0}, {3, 4}, {5, 6}});
  CHECK(pairs({0, 0, 0, 0, 0, 0, 0}).empty());
  CHECK_THROWS_WITH(pairs({1, 1}), ContainsSubstring("7 rows and 2 flags"));
  augmented.add_training(items{1, 2}, 20);
  CHECK_THROWS_WITH(pairs({1, 1, 1, 1, 1, 1, 1, 1}), ContainsSubstring("3 sequences, 4 augmented"));
}

TEST_CASE("a steady loop does not allocate") {
  sample s;
  std::vector<data::row_pair> pairs;
  const items sequence = random_sequence(15, 0, {});
  const auto fill = [&](core::random draw) {
    s.main.clear(), s.augmented.clear(), s.clean.clear();
    for (std::uint64_t u = 0; u < 64; ++u) {
      s.main.add_training(sequence, 20);
      data::add_augmented(s.augmented, s.clean, sequence, 20, mask_item, {}, draw.child(u));
    }
    data::pair_views(s.main, s.augmented, s.clean, pairs);
    return std::vector<const void*>{s.augmented.inputs.data(), s.augmented.targets.data(), s.augmented.offsets.data(), s.clean.data(),
                                    pairs.data()};
  };
  s.augmented.inputs.reserve(64 * 14), s.augmented.targets.reserve(64 * 14), s.clean.reserve(64 * 14), pairs.reserve(64 * 14);
  const auto memory = fill(core::random(core::seed{0}));
  for (std::uint64_t i = 1; i < 20; ++i) CHECK(fill(core::random(core::seed{i})) == memory);
}

TEST_CASE("settings out of range are refused before anything is added") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  data::batch b;
  std::vector<unsigned char> clean;
  const auto with = [&](data::augmentation settings) {
    data::add_augmented(b, clean, items{1, 2, 3}, 20, mask_item, settings, core::random());
  };
  for (const float bad : {0.0f, -0.1f, 1.1f, nan}) {
    CHECK_THROWS_WITH(with({.crop_keep = bad}), ContainsSubstring("crop_keep must be in (0, 1]"));
    CHECK_THROWS_WITH(with({.mask_ratio = bad}), ContainsSubstring("mask_ratio must be in (0, 1)"));
    CHECK_THROWS_WITH(with({.reorder_window = bad}), ContainsSubstring("reorder_window must be in (0, 1]"));
  }
  CHECK_THROWS_WITH(with({.mask_ratio = 1.0f}), ContainsSubstring("not 1"));
  CHECK_THROWS_AS(data::add_augmented(b, clean, items{1}, 20, mask_item, {}, core::random()), input_error);
  CHECK(b.size() == 0);
  CHECK(b.inputs.empty());
  CHECK(clean.empty());
}

}  // namespace cddrec::test
