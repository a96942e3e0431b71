#include "cddrec/model/warm_start.hpp"

#include "cddrec/baseline/gan.hpp"
#include "model/small_network.hpp"

namespace cddrec::test {

namespace {

model::recommender_settings of(index items, index width = 12) {
  return {.items = items, .width = width, .heads = 3, .max_length = 20, .residual = true, .feed_forward = true};
}

network drawn(index items, std::uint64_t seed, index width = 12) {
  return network(of(items, width), diffusion::process<float>(diffusion::linear_schedule{}, 4), core::seed{seed});
}

template <class Network>
core::matrix<float> weight(const Network& net, const std::string& wanted) {
  core::matrix<float> found;
  net.visit([&](const std::string& name, const auto& p) {
    if (name == wanted) found = p.value;
  });
  REQUIRE(found.size() > 0);
  return found;
}

data::id_map called(const std::vector<std::string>& names) {
  data::id_map ids;
  for (const std::string& name : names) ids.add(name);
  return ids;
}

}  // namespace

TEST_CASE("old items keep their rows by name, new ones are drawn, and all else is taken over") {
  const data::id_map known = called({"a", "b", "c", "d"}), ids = called({"x", "c", "a", "y", "b", "z"});  // d is gone
  const network before = drawn(4, 1), fresh = drawn(6, 2);
  network net = drawn(6, 2);
  CHECK(model::start_from(before, known, net, ids) == 3);
  const auto old_rows = weight(before, "item_embedding.weight"), rows = weight(net, "item_embedding.weight"),
             drawn_rows = weight(fresh, "item_embedding.weight");
  CHECK(rows.row(1) == old_rows.row(2));
  CHECK(rows.row(2) == old_rows.row(0));
  CHECK(rows.row(4) == old_rows.row(1));
  for (const index i : {0, 3, 5}) CHECK(rows.row(i) == drawn_rows.row(i));
  CHECK(rows.row(6) == old_rows.row(4));  // the mask
  net.visit([&](const std::string& name, const auto& p) {
    INFO(name);
    if (name != "item_embedding.weight") CHECK(p.value == weight(before, name));
  });
  // So an old item's score for a history of old items has not moved.
  const std::vector<item> history{0, 1}, same{2, 4};
  const auto find = [](const auto& list, item i) {
    return std::find_if(list.begin(), list.end(), [&](const auto& s) { return s.item == i; })->score;
  };
  CHECK(find(before.recommend(history, 4), 2) == find(net.recommend(same, 6), 1));
}

TEST_CASE("a discriminator's table goes by item too") {
  using adversarial = baseline::gan<network>;
  const adversarial before(drawn(2, 1), {}, core::seed{1});
  adversarial net(drawn(3, 2), {}, core::seed{2});
  CHECK(model::start_from(before, called({"a", "b"}), net, called({"new", "b", "a"})) == 2);
  const std::string name = "discriminator.item_embedding.weight";
  CHECK(weight(net, name).row(1) == weight(before, name).row(1));
  CHECK(weight(net, name).row(2) == weight(before, name).row(0));
  CHECK(weight(net, name).row(0) != weight(before, name).row(0));
}

TEST_CASE("networks of other settings have nothing to take over") {
  const data::id_map known = called({"a"}), ids = called({"a", "b"});
  network wide = drawn(2, 1, 24), wrong = drawn(3, 1);
  CHECK_THROWS_WITH(model::start_from(drawn(1, 1), known, wide, ids),
                    ContainsSubstring("item_embedding.weight has 3 x 24 values where 3 x 12 could be taken over"));
  CHECK_THROWS_WITH(model::start_from(drawn(1, 1), known, wrong, ids), ContainsSubstring("has 4 x 12 values where 3 x 12"));
  network own = drawn(1, 1);
  CHECK_THROWS_WITH(model::start_from(drawn(1, 1), called({"u", "v", "w"}), own, known),
                    ContainsSubstring("has 2 rows in the network to start from, for 3 names; give the names of the items"));
  auto plain = of(1);
  plain.residual = false;
  const network without(plain, diffusion::process<float>(diffusion::linear_schedule{}, 4), core::seed{1});
  network net = drawn(2, 1);
  CHECK_THROWS_WITH(model::start_from(without, known, net, ids),
                    ContainsSubstring("denoiser.norm1.weight is not in the network to start from"));
  network bare(plain, diffusion::process<float>(diffusion::linear_schedule{}, 4), core::seed{1});
  CHECK_THROWS_WITH(model::start_from(drawn(1, 1), known, bare, known),
                    ContainsSubstring("denoiser.norm1.bias of the network to start from has no place in the new one"));
}

}  // namespace cddrec::test
