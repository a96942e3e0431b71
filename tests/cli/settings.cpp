// The command line: settings.
#include "cli/command.hpp"

namespace cddrec::test {

TEST_CASE("a setting that the kind of model does not read is refused, and asks nothing of it") {
  refused("train --data log.txt --output none --model sasrec --set kl_weight=1", "setting kl_weight: sasrec does not use it; leave it out");
  refused("train --data log.txt --output none --model cddrec --set gan_temperature=1", "setting gan_temperature: cddrec does not use it");
  refused("train --data log.txt --output none --model markov --set epochs=2", "setting epochs: markov does not use it");
  refused("train --data log.txt --output none --model gan --set gan_temperature=0.001", "gan_temperature must be 0 (that of softmax_");
  const std::string contrastive = "train --data log.txt --output none --model vae --set lambda=0.1 --set ";
  refused(contrastive + "contrastive=exact_masked", "setting contrastive: exact_masked is for the term within a view, which vae lacks");
  refused(contrastive + "views=1", "setting views: the contrastive term of vae needs 2");
  const auto nothing_to_train = [](const std::string& settings, const std::string& keys) {
    refused("train --data log.txt --output none" + settings,
            "every part of the objective has weight 0, so there is nothing to train; set " + keys + " above 0");
  };
  nothing_to_train(" --set objective=paper --set divergence_weight=0 --set lambda=0", "divergence_weight or lambda");
  nothing_to_train(" --set objective=softmax --set softmax_weight=0", "softmax_weight");
  nothing_to_train(" --set divergence_weight=0 --set lambda=0 --set softmax_weight=0", "divergence_weight, lambda or softmax_weight");
  nothing_to_train(" --model sasrec --set softmax_weight=1e-60", "softmax_weight");  // nothing in single precision
  nothing_to_train(" --model vae --set softmax_weight=0 --set kl_weight=0 --set lambda=0", "softmax_weight, lambda or kl_weight");
  CHECK_FALSE(fs::exists(shop().root / "none"));
  CHECK(shop().run("train --data log.txt --output counted_once --model markov --epochs 2 --seed 3").status == 0);  // the same with any
  const outcome o =
      shop().run("train --data log.txt --output odd --model gru4rec --epochs 1 --set width=9 --set batch_users=8 --set neighbours=7");
  CHECK(o.status == 0);  // heads do not divide this width, and there are none
  CHECK_THAT(slurp(shop().root / "odd/settings.toml"), ContainsSubstring("neighbours = 7\n") && !ContainsSubstring("heads"));
}

TEST_CASE("a setting that the others leave without effect is told, once, and only if somebody set it") {
  const std::string brief = "train --data log.txt --epochs 1 --set width=8 --set heads=2 --output ";
  const auto told = [](const std::string& arguments) {
    const outcome o = shop().run(arguments);
    INFO(arguments << ": " << o.err);
    CHECK(o.status == 0);
    const std::string first = lines_of(o.err)[0], before = "cddrec: set without effect: ";
    return first.starts_with(before) ? first.substr(before.size()) : "";
  };
  CHECK(told(brief + "idle1 --set temperature=0.07 --set contrastive=fourier --set features=8") ==
        "contrastive (lambda = 0), features (lambda = 0), temperature (lambda = 0; that of the softmax is softmax_temperature)");
  CHECK(told("train --data log.txt --epochs 1 --output idle2 --config idle1/settings.toml").empty());  // it holds every key
  shop().write("own.toml", "width = 8\nheads = 2\nschedule = cosine\nbeta_last = 0.01\nranking = softmax\ncandidates = 9\n");
  CHECK(told("train --data log.txt --epochs 1 --output idle3 --config own.toml --set divergence_weight=0 --set divergence=kl") ==
        "beta_last (schedule = cosine), candidates (ranking = softmax), divergence (divergence_weight = 0)");
  CHECK(told(brief + "idle4 --set objective=paper --set softmax_temperature=0.2 --set negatives_per_target=2") ==
        "softmax_temperature (objective = paper)");
  CHECK(told(brief + "idle5 --model sasrec --set negatives=in_batch --set candidates=20 --set negatives_per_target=2") ==
        "candidates (negatives = in_batch), negatives_per_target (ranking = sampled_softmax)");
  CHECK(told(brief + "idle7 --set lambda=0.1 --set softmax_weight=0 --set ranking=bce --set ranking_augmented=false") ==
        "ranking (softmax_weight = 0), ranking_augmented (softmax_weight = 0)");
  CHECK(told(brief + "idle8 --model vae --set softmax_weight=0 --set candidates=9 --set negatives=popularity --set negative_power=0.3") ==
        "candidates (softmax_weight = 0), negative_power (softmax_weight = 0), negatives (softmax_weight = 0)");
  CHECK(
      told(brief + "idle9 --set objective=paper --set divergence=mean_squared_error --set negatives=popularity --set negative_power=0.3") ==
      "negative_power (divergence = mean_squared_error), negatives (divergence = mean_squared_error)");
  CHECK(told(brief + "idle10 --model gan --set softmax_weight=0 --set softmax_temperature=0.3").empty());  // it samples with that
  CHECK(told(brief + "idle6 --set lambda=0.1 --set temperature=0.3 --set features=8 --set contrastive=fourier").empty());
}

TEST_CASE("every policy trains by its key") {
  index n = 0;
  for (const std::string set :
       {"denoiser=transformer_decoder --set decoder_feed_forward=1", "decoder_layers=2", "score=dot_product",
        "objective=paper --set contrastive=fourier --set lambda=0.3", "objective=paper --set divergence=mean_squared_error", "views=1",
        "objective=paper --set divergence=kl_mean --set divergence_variance=4", "ranking=bce --set negatives_per_target=3",
        "ranking=sampled_softmax --set candidates=20", "ranking=sampled_softmax --set negatives=in_batch",
        "ranking=sampled_softmax --set negatives=popularity --set frequency_correction=false", "negatives=popularity",
        "step_weight=equal"}) {
    INFO(set);
    const outcome o =
        shop().run("train --data log.txt --output policy" + std::to_string(++n) + " --epochs 1 --set width=8 --set heads=2 --set " + set);
    CHECK(o.status == 0);
    CHECK(o.err.find("nan") == std::string::npos);
  }
}

}  // namespace cddrec::test
