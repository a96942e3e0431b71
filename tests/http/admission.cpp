#include "admission.hpp"

#include "running.hpp"

namespace cddrec::test {

TEST_CASE("whoever has waited longest comes in first") {
  service::gate gate(1, 3);
  REQUIRE(gate.enter());
  std::vector<int> came;  // each alone, inside
  std::vector<std::thread> waiters;
  for (int who = 1; who <= 3; ++who) {
    waiters.emplace_back([&, who] {
      gate.enter();
      came.push_back(who);
      gate.leave();
    });
    while (gate.waiting() < who) std::this_thread::yield();
  }
  CHECK_FALSE(gate.enter());
  gate.leave();
  for (auto& w : waiters) w.join();
  CHECK(came == std::vector<int>{1, 2, 3});
  CHECK(gate.inside() == 0);
}

TEST_CASE("an idle connection does not keep the only thread") {
  const running s({.threads = 1, .connections = 1});
  httplib::Client idle = s.client();
  idle.set_keep_alive(true);
  REQUIRE(idle.Get("/health"));
  CHECK(s.post(R"({"history": ["t1"]})").first == 200);
}

}  // namespace cddrec::test
