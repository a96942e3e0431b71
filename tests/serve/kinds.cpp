// Kinds of model: a slip in a name is told before anything is trained or written.
#include <set>

#include "serve/models.hpp"

namespace cddrec::test {

TEST_CASE("the kinds of model are all that can be made, and networks are among them") {
  CHECK(std::set<std::string>(serve::kinds.begin(), serve::kinds.end()) == std::set<std::string>(all_kinds().begin(), all_kinds().end()));
  for (const char* kind : {"cddrec", "sasrec", "gru4rec", "svae", "vae", "gan"}) CHECK(serve::is_network(kind));
  for (const char* kind : {"item_knn", "markov", "popularity", "", "sasrecc", "sas"}) CHECK_FALSE(serve::is_network(kind));
}

TEST_CASE("an unknown kind is refused with those that there are, by what makes a model and by what reads one") {
  const std::string networks = "cddrec, sasrec, gru4rec, svae, vae", all = networks + ", gan, item_knn, markov and popularity";
  for (const std::string kind : {"sasrecc", "popularity"}) {
    const std::string message = "serve::network: unknown kind of model '" + kind + "'; the kinds are " + networks + " and gan";
    CHECK(message_of<input_error>([&] { serve::make_network(kind, {}, 5, {}); }) == message);
    CHECK(message_of<input_error>([&] { serve::size_of(kind, {}, 5); }) == message);
  }
  CHECK(message_of<input_error>([] { serve::check_kind("sasrecc"); }) == "unknown kind of model 'sasrecc'; the kinds are " + all);
  CHECK_NOTHROW(serve::check_kind("item_knn", "nowhere"));
  CHECK(message_of<input_error>([] { serve::describe("sasrecc", names(5)); }) ==
        "serve::describe: unknown kind of model 'sasrecc'; the kinds are " + all);
  io::tensor_file file = model_file("sasrec", 5, small_settings());
  file.metadata["model"] = "sasrecc";
  CHECK(message_of<input_error>([&] { serve::read_model(file, "m"); }) == "m: unknown kind of model 'sasrecc'; the kinds are " + all);
}

}  // namespace cddrec::test
