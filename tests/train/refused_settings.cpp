// Settings that would train nothing, or never end, are refused before the first batch.
#include "cddrec/loss/latent.hpp"
#include "train/small_training.hpp"

namespace cddrec::test {

namespace {
template <class Objective>
std::string refusal(const Objective& goal, const train::fit_settings& s) {
  network net = fresh();
  train::fit_hooks<float> hooks;
  hooks.progress = [](index, index, index) { return false; };
  try {
    train::fit(net, goal, data::leave_one_out(log().log()), s, hooks);
  } catch (const input_error& e) {
    return e.what();
  }
  return "a batch was begun";
}
}  // namespace

TEST_CASE("patience, minutes and threads out of range are refused, with the value") {
  const auto message = [](auto change) {
    auto s = settings(1);
    change(s);
    return refusal(objective(), s);
  };
  CHECK(message([](auto& s) { s.patience = -1; }) == "train::fit: patience must be 0 (never stops early) or more, not -1");
  for (const double minutes : {-1.0, std::nan("")})
    CHECK(message([&](auto& s) { s.minutes = minutes; }) == "train::fit: minutes must be 0 (no limit) or more, not " + to_text(minutes));
  for (const int threads : {0, -3})
    CHECK(message([&](auto& s) { s.how.threads = threads; }) ==
          "train::fit: how.threads must be 1 or more, not " + std::to_string(threads));
  CHECK_THAT(message([](auto& s) { s.negative_power = std::nan(""); }), ContainsSubstring("power must be in [0, 2], not nan"));
}

TEST_CASE("an objective whose settings are out of range is refused as such, not when its loss goes bad") {
  CHECK_THAT(refusal(loss::item_softmax{.temperature = 0}, settings(1)),
             ContainsSubstring("loss::item_softmax: temperature must be positive"));
  CHECK_THAT(refusal(loss::squared_error{.weight = -1}, settings(1)), ContainsSubstring("loss::squared_error: weight must be"));
}

TEST_CASE("an objective of which every part has weight 0 is refused, as it would leave the network as it is") {
  CHECK_THAT(
      refusal(loss::combine(loss::squared_error{.weight = 0}, loss::in_view{.weight = 0}, loss::item_softmax{.weight = 0}), settings(1)),
      ContainsSubstring("train::fit: no part of the objective has a weight above 0"));
  CHECK(refusal(loss::combine(loss::squared_error{.weight = 0}, loss::item_softmax{}), settings(1)) == "a batch was begun");
}

TEST_CASE("counts of users, steps, negatives and candidates out of range are refused, and a decay, with the value") {
  const auto message = [](auto change) {
    auto s = settings(1);
    change(s);
    return refusal(objective(), s);
  };
  for (const index bad : {0, -1}) {
    const std::string value = ", not " + std::to_string(bad);
    CHECK(message([&](auto& s) { s.batch_users = bad; }) == "train::fit: batch_users must be 1 or more" + value);
    CHECK(message([&](auto& s) { s.negatives_per_target = bad; }) == "train::fit: negatives_per_target must be 1 or more" + value);
    CHECK(message([&](auto& s) { s.candidates = bad; }) == "train::fit: candidates must be 1 or more" + value);
  }
  CHECK(message([](auto& s) { s.sampled_steps = -1; }) == "train::fit: sampled_steps must be 0 (all) or more, not -1");
  for (const double bad : {-0.1, 1.0, std::nan("")})
    CHECK(message([&](auto& s) { s.ema_decay = bad; }) == "train::fit: ema_decay must be in [0, 1), not " + to_text(bad));
}

TEST_CASE("a divergence of latent variables is refused where the network has none, unless it weighs nothing") {
  const auto trained = [](float weight) {
    network net = fresh();
    train::fit(net, loss::combine(loss::item_softmax{}, loss::latent_kl{.weight = weight}), data::leave_one_out(log().log()), settings(1));
  };
  CHECK_THROWS_AS(trained(0.5f), input_error);
  CHECK_THROWS_WITH(trained(0.5f), ContainsSubstring("the objective is of latent variables"));
  CHECK_NOTHROW(trained(0));
}

}  // namespace cddrec::test
