#!/usr/bin/env python3
"""The tables that examples/study/report.py makes of a few records; every expected figure was worked out by hand."""
import unittest

from fixture import record, study_case


class tables(study_case):
    def test_figures(self):
        self.study()
        lines = self.made().splitlines()
        # Mean (.0600 + .0640) / 2; deviation sqrt(2 * .002^2 / 1) = .0028. Sorted by NDCG@10, each column has a best of its own.
        rows = [line for line in lines if line.startswith("| ")]
        self.assertEqual(rows[1:4], [
            "| cddrec | .0310 ± .0014 |  |  |  |  | **.0620** ± .0028 |  | **.0720** ± .0028 | 2 | 1,800 | 102 |",
            "| sasrec-softmax | **.0400** |  |  |  |  | .0500 |  | .0600 | 1 | 1,800 | 101 |",
            "| popularity | .0000 |  |  |  |  | .0055 |  |  | 1 |  |  |"])
        for row in ("| cddrec | 1, 2 | .0700, .0740 | 2, 2 | .0300, .0320 | .0600, .0640 | .0040 |",
                    "| model | vectors | test R@1 | test N@10 | mean cosine | effective rank | top singular share | uniformity | alignment "
                    "| gap to second | gap to tenth | distinct firsts |",
                    "Uniformity is that of the first 4,000 rows. Effective rank and top share are of vectors as they are scored: of length 1 "
                    "for cosines, of any for dot products.", "Other users of the same kind would make ±.0013 of the best R@1 (one standard "
                    "error); the models share the users, so that their differences vary less, and seeds come on top.",
                    "| cddrec | predictions | .0310 | .0620 | .500 | 12.2 | .200 | -3.50 | 1.250 | .020 | .080 | 4,021 of 22,363 |",
                    "| cddrec | items |  |  | .500 | 12.2 | .200 | -3.50 |  |  |  |  |",
                    "| Gaussian noise, 3 dimensions | predictions |  |  | .000 | 120.5 |  |  |  |  |  |  |",
                    "22,363 users, 12,101 items, CRC-32 `a1b2c3d4`.", "| model | seeds | kind | steps | stop | draws | R@1 | N@10 | seconds |",
                    "| cddrec | 2 | direct | 1 | 0 | 1 | .0310 | .0620 | 2.0 |", "| cddrec | 2 | ddim | 5 | 3 | 1 | .0155 | .0310 | 11 |",
                    "4 records of 1 log, 1.5 hours of training in all; written by `examples/study/report.py`.",
                    "# cddrec: seeds 1, 2; 1,700,000 parameters; best epoch 2 of 3, 2 of 2",
                    "cddrec train --data Beauty.txt --output DIR --seed 1 --set width=128"):
            self.assertIn(row, lines)

    def test_positions_and_latent_variables(self):
        self.study()
        page = self.made()
        self.assertIn("| alignment | gap to second | gap to tenth | distinct firsts |\n", page)
        self.assertNotIn("Latent", page)
        figures = lambda kl, active, kls: {"kl": kl, "active": active, "dimensions": 64, "kl_by_dimension": kls}
        positions = lambda encodings, predictions: {"encoding_cosine": encodings, "prediction_cosine": predictions}
        for seed, at, latent in ((1, positions(0.9, 0.95), figures(3, 10, [0.5, 2, 0.5])),
                                 (2, positions(0.8, 0.97), figures(2, 12, [1, 0.6, 0.4]))):
            diagnostics = {"predictions": {"mean_cosine": 0.5}, "positions": at, "latent": latent}
            self.write(f"svae-{seed}.json", record("svae", seed, 0.01, 0.02, diagnostics=diagnostics))
        page = self.made()
        lines = page.splitlines()
        # KL (3 + 2) / 2; the largest of a dimension (2 + 1) / 2, the median (.5 + .6) / 2.
        for row in ("| model | vectors | test R@1 | test N@10 | mean cosine | effective rank | top singular share | uniformity | alignment "
                    "| gap to second | gap to tenth | distinct firsts | cosine of a user's positions (encodings) "
                    "| cosine of a user's positions (predictions) |",
                    "| svae | predictions | .0100 | .0200 | .500 |  |  |  |  |  |  |  | .850 | .960 |",
                    "| cddrec | predictions | .0310 | .0620 | .500 | 12.2 | .200 | -3.50 | 1.250 | .020 | .080 | 4,021 of 22,363 |  |  |",
                    "| cddrec | items |  |  | .500 | 12.2 | .200 | -3.50 |  |  |  |  |  |  |",
                    "| Gaussian noise, 3 dimensions | predictions |  |  | .000 | 120.5 |  |  |  |  |  |  |  |  |",
                    "| svae | 2.5000 | 11 of 64 | 1.5000 | .5500 |"):
            self.assertIn(row, lines)
        self.assertTrue(page.index("### Collapse") < page.index("#### Latent variables") < page.index("### Generation"))
        self.assertEqual(page.count("11 of 64"), 1)

    def test_noise_of_every_shape(self):
        noise = lambda cosine, lists: {"noise": {"mean_cosine": cosine, "alignment": 2}, "noise_items": {"uniformity": -4},
                                       "noise_lists": lists, "noise_positions": {"prediction_cosine": 0.25}}
        lists = {"gap_to_second": 0.01, "gap_to_tenth": 0.03, "distinct_first": 40, "lists": 50}
        for model, width, lists in (("vae", "64", lists), ("svae", "64", {**lists, "distinct_first": 42}), ("gan", "128", {})):
            self.write(f"{model}.json", record(model, 1, 0.01, 0.02, settings={"width": width}, diagnostics={
                "predictions": {"mean_cosine": 0.5}, "positions": {"prediction_cosine": 0.75}, **noise(0.002, lists)}))
        self.write("old.json", record("sasrec", 1, 0.01, 0.02, settings={"width": "64"}, diagnostics={"noise": {"mean_cosine": 0.005}}))
        lines = self.made().split("\n")
        start = lines.index("| Gaussian noise, 64 dimensions | predictions |  |  | .003 |  |  |  | 2.000 | .010 | .030 | 41 of 50 | .250 |")
        self.assertEqual(lines[start + 1:start + 5], [
            "| Gaussian noise, 64 dimensions | items |  |  |  |  |  | -4.00 |  |  |  |  |  |",
            "| Gaussian noise, 128 dimensions | predictions |  |  | .002 |  |  |  | 2.000 |  |  |  | .250 |",
            "| Gaussian noise, 128 dimensions | items |  |  |  |  |  | -4.00 |  |  |  |  |  |", ""])

    def test_draws(self):
        way = lambda kind, **more: {"kind": kind, "steps": 10, "stop": 10, "draws": 8, "recall@1": 0.02, "ndcg@10": 0.04,
                                     "seconds": 2, **more}
        ways = [{"kind": "direct", "steps": 1, "draws": 1, "recall@1": 0.03, "ndcg@10": 0.06, "distinct": 1200},
                way("ancestral", spread=0.0314, distinct=1234), way("ddim", draws=1), way("diversified", distinct=2345)]
        self.write("a.json", record("cddrec", 1, 0.03, 0.06, generation=ways))
        self.write("b.json", record("vae", 1, 0.03, 0.06, generation=[way("ancestral")]))
        self.write("c.json", record("vae", 2, 0.03, 0.06, generation=[way("ancestral", distinct=7)]))
        lines = self.made().splitlines()
        start = lines.index("### Generation")
        self.assertEqual(lines[start + 2:start + 18], [
            "Spread: the standard deviation of a score over the draws, mean over the ten best of the first thousand users.",
            "Distinct: different items in the lists of ten of all users.", "In brackets: of how many seeds, if not of all.",
            "Seconds are of one evaluation, beside whatever else ran on the machine: they compare within a model at best.", "",
            "<details><summary>Accuracy and time of every way</summary>", "",
            "| model | seeds | kind | steps | stop | draws | R@1 | N@10 | spread | distinct | seconds |", "|" + "---|" * 11,
            "| cddrec | 1 | direct | 1 | 0 | 1 | .0300 | .0600 |  | 1,200 |  |",
            "| cddrec | 1 | ancestral | 10 | 10 | 8 | .0200 | .0400 | .0314 | 1,234 | 2.0 |",
            "| cddrec | 1 | ddim | 10 | 10 | 1 | .0200 | .0400 |  |  | 2.0 |",
            "| cddrec | 1 | diversified | 10 | 10 | 8 | .0200 | .0400 |  | 2,345 | 2.0 |",
            "| vae | 2 | ancestral | 10 | 10 | 8 | .0200 | .0400 |  | 7 (1) | 2.0 |", "", "</details>"])
        drawing = (self.folder / "docs/images/study/Beauty-generation.svg").read_text(encoding="utf-8")
        self.assertIn(">diversified, stop 10, 8 draws<", drawing)

    def test_game(self):
        self.study()
        self.assertNotIn("### The game", self.made())
        # Pretraining that ends with an epoch, within one, and not at all.
        for seed, best, begin, right, reward in ((1, 3, 2, [0.51, 0.55, 0.6, 0.58], [0.5, 0.5, 0.48, 0.4]),
                                                 (2, 2, 1.25, [0.51, 0.52, 0.6], [0.5, 0.45, 0.42]),
                                                 (3, 2, 9, [0.51, 0.52], [0.5, 0.49]), (4, None, 0, [0.5], [0.25])):
            curves = {"gan_d": [1.3] * len(right), "gan_accuracy": right, "gan_reward": reward}
            self.write(f"gan-{seed}.json", record("gan", seed, 0.01, 0.02, best_epoch=best,
                                                  game={**curves, "epochs_of_pretraining": begin}))
        lines = self.made().splitlines()
        start = lines.index("### The game")
        self.assertEqual(lines[start + 2:start + 9], [
            "| model | seed | epochs of pretraining | epochs | selected epoch | discriminator accuracy, first epoch | end of pretraining "
            "| begin of the game | last epoch | reward, begin of the game | last epoch |", "|" + "---|" * 11,
            "| gan | 1 | 2.0 | 4 | 3, in the game | .510 | .550 | .600 | .580 | .480 | .400 |",
            "| gan | 2 | 1.2 | 3 | 2, as the game begins | .510 | .510 | .600 | .600 | .420 | .420 |",
            "| gan | 3 | 9.0 | 2 | 2, in pretraining | .510 | .520 |  |  |  |  |",
            "| gan | 4 | 0.0 | 1 |  |  |  | .500 | .500 | .250 | .250 |", ""])

    def test_single_changes(self):
        self.study()
        self.assertNotIn("### Single changes", self.made())  # no change of the base
        put = lambda model, seed, recall, ndcg, valid, **more: self.write(f"{model}-{seed}.json", {
            **record(model, seed, recall, ndcg, valid={"ndcg@10": valid}), "log": "Toys", **more})
        put("cddrec-wide", 1, 0.035, 0.061, 0.0725,
            command="train --seed 1 --preset office --set width=128 --set=lambda=0.1 --set heads=2 decay=-1 --minutes 30")
        put("cddrec-untold", 1, 0.03, 0.05, 0.0713)
        put("cddrec-bare", 1, 0.031, 0.062, None, command="train --seed 1")
        put("cddrecs", 1, 0.031, 0.062, 0.08, command="train --seed 1")
        self.assertNotIn("### Single changes", self.made())  # no base
        for seed, recall, ndcg, valid in ((1, 0.03, 0.06, 0.07), (2, 0.032, 0.064, 0.074)):
            put("cddrec", seed, recall, ndcg, valid, command=f"train --seed {seed} --preset office --set width=64 --set lambda=0.1")
            put("encoder", seed, 0.03, 0.06, valid, kind="sasrec", command=f"train --seed {seed} --model sasrec --preset office")
        put("paper-code", 1, 0.01, 0.02, 0.03), put("paper-mse", 1, 0.01, 0.01, 0.01), put("paper-office", 1, 0.01, 0.01, 0.01)
        page = self.made()
        lines = page.splitlines()
        start = lines.index("### Single changes")
        # The base's first seed, which they share, has .0300, .0600 and, on validation, .0700.
        head = "| model | set differently | seeds of both | validation N@10 | difference | test N@10 | difference | test R@1 | difference |"
        self.assertEqual(lines[start + 4:start + 16], [
            head, "|" + "---|" * 9,
            "| cddrec-wide | width=128, heads=2, decay=-1, without width=64 | 1 | .0725 | +.0025 | .0610 | +.0010 | .0350 | +.0050 |",
            # Differences of seed 1 and seed 2: .0000 and -.0040, .0000 and -.0020.
            "| encoder | model=sasrec, without width=64, without lambda=0.1 | 2 | .0720 | +.0000 ± .0000 | .0600 | -.0020 ± .0028 | .0300 "
            "| -.0010 ± .0014 |",
            "| cddrec-untold |  | 1 | .0713 | +.0013 | .0500 | -.0100 | .0300 | +.0000 |",
            "| cddrec-bare | without preset=office, without width=64, without lambda=0.1 | 1 |  |  | .0620 | +.0020 | .0310 | +.0010 |", "",
            "Means over all seeds of a model; differences are to `paper-code`, over the seeds that both have, ± their sample standard "
            "deviation.", "", head, "|" + "---|" * 9, "| paper-mse |  | 1 | .0100 | -.0200 | .0100 | -.0100 | .0100 | +.0000 |"])
        self.assertIn("| cddrec-wide | **.0350** |  |  |  |  | .0610 |", page)

    def test_all_logs(self):
        self.study()
        self.assertNotIn("## All logs", self.made())  # nothing is on two
        on = lambda log, *more: {**record(*more), "log": log}
        for k, run in enumerate((on("Toys", "cddrec", 1, 0.02, 0.05), on("Toys", "popularity", 1, 0.0, 0.05), on("Toys", "gan", 1, 0.09, 0.09),
                                 on("Toys", "paper-toys", 1, 0.001, 0.01), on("Beauty", "paper-beauty", 1, 0.002, 0.02),
                                 on("Tools", "paper-code-sampled-tools", 1, 0.01, 0.03),
                                 on("Toys", "paper-code-sampled", 1, 0.01, 0.01))):
            self.write(f"{k}.json", run)
        page = self.made()
        # Shares of N@10: cddrec (.062 / .062 + .05 / .05) / 2, popularity (.0055 / .062 + 1) / 2, paper (.02 / .062 + .01 / .05) / 2 and
        # paper-code-sampled (.03 / .03 + .01 / .05) / 2. gan and sasrec-softmax, on one log alone, are not shown, and best of no column.
        self.assertIn("\n".join([
            "## All logs", "", "What was trained on several logs; first comes what has on average the greatest part of a log's best NDCG@10.",
            "`paper` stands for `paper-beauty`, `paper-toys`.", "`paper-code-sampled` stands for `paper-code-sampled-tools`.", "",
            "| model | Beauty R@1 | Beauty N@10 | Tools R@1 | Tools N@10 | Toys R@1 | Toys N@10 |", "|---|---|---|---|---|---|---|",
            "| cddrec | **.0310** | **.0620** |  |  | **.0200** | **.0500** |",
            "| paper-code-sampled |  |  | **.0100** | **.0300** | .0100 | .0100 |",
            "| popularity | .0000 | .0055 |  |  | .0000 | **.0500** |",
            "| paper | .0020 | .0200 |  |  | .0010 | .0100 |", "", "<!-- notes -->"]), page)

    def test_beside_rivals(self):
        self.study()
        self.assertNotIn("beside its rivals", self.made())  # no record says of what kind a model is
        on = lambda log, kind, *more: {**record(*more), "log": log, "kind": kind}
        for k, run in enumerate((on("Toys_and_Games", "cddrec", "cddrec", 1, 0.02, 0.05), on("Toys_and_Games", "cddrec", "cddrec", 2, 0.04, 0.07),
                                 on("Toys_and_Games", "vae", "vae", 1, 0.025, 0.09), on("Toys_and_Games", "svae", "free", 1, 0.024, 0.09),
                                 on("Toys_and_Games", "vae", "none", 1, 0, 0), on("Toys_and_Games", "gan", "gan", 1, 0, 0),
                                 on("Toys_and_Games", "cddrec", "cddrec-full", 1, 0.9, 0.9), on("Odd", "markov", "chain", 1, 0.04, 0.05),
                                 on("Odd", "cddrec", "cddrec-softmax-alone", 1, 0.05, 0.05), on("Else", "markov", "chain", 1, 0.1, 0.1))):
            self.write(f"{k}.json", run)
        # Of a model whose first item is never right there is no multiple; a log without our rows, and rows that are not compared, are left out.
        self.assertIn("\n".join([
            "| `cddrec` / `cddrec-softmax-alone` | Beauty | Odd | Toys_and_Games |", "|---|---|---|---|",
            "| R@1 over that of the best variational model (aim: 1.2) |  |  | 1.20 / – (vae) |",
            "| R@1 over that of the best other model (aim: above 1) |  | – / 1.25 (chain) |  |", "| R@10 | – / – | – / – | – / – |",
            "| R@10, aim | .1041 |  | .0970 |", "| N@10 | .0620 / – | – / .0500 | .0600 / – |",
            "| N@10, aim | .0614 |  | .0580 |", ""]), self.made())

    def test_single_changes_on_several_logs(self):
        self.study()
        self.write("e.json", record("cddrec-wide", 1, 0.035, 0.07))
        self.assertNotIn("### Single changes on several logs", self.made())
        on = lambda *more: {**record(*more), "log": "Toys"}
        for k, run in enumerate((on("cddrec", 1, 0.02, 0.05), on("cddrec", 2, 0.02, 0.05), on("cddrec-wide", 2, 0.03, 0.04),
                                 on("cddrec-wide", 1, 0.02, 0.05), on("encoder", 1, 0.01, 0.01))):
            self.write(f"{k}.json", run)
        self.assertIn("\n".join([
            "### Single changes on several logs", "",
            "Differences to `cddrec`: means over the seeds that both have, ± sample standard deviation (number of these seeds).", "",
            "| model | difference of | Beauty | Toys |", "|---|---|---|---|",
            "| cddrec-wide | test N@10 | +.0100 (1) | -.0050 ± .0071 (2) |", "| cddrec-wide | test R@1 | +.0050 (1) | +.0050 ± .0071 (2) |",
            "", "<!-- notes -->"]), self.made())

    def test_equal_figures_are_all_bold(self):
        self.write("a.json", record("gan", 1, 0.01, 0.05001))
        self.write("b.json", record("vae", 1, 0.02, 0.05))
        page = self.made()
        self.assertIn("| gan | .0100 |  |  |  |  | **.0500** |", page)
        self.assertIn("| vae | **.0200** |  |  |  |  | **.0500** |", page)

    def test_a_command_that_differs_by_more_than_its_seed_is_shown(self):
        self.write("a.json", record("vae", 1, 0.1, 0.2, command="train --seed 1 --set width=64"))
        self.write("b.json", record("vae", 2, 0.1, 0.2, command="train --seed 2 --set width=128"))
        page = self.made()
        self.assertIn("# vae: seed 1\ntrain --seed 1 --set width=64\n# vae: seed 2\ntrain --seed 2 --set width=128\n", page)


if __name__ == "__main__":
    unittest.main()
