#!/usr/bin/env python3
"""The page that examples/study/report.py makes of a few records: its search, pictures, notes and errors."""
import shutil
import unittest
import xml.dom.minidom

from fixture import record, study_case, trained, trial


class report(study_case):
    def test_search(self):
        self.study()
        self.assertNotIn("Search", self.made())
        (self.folder / "search").mkdir()
        # Width was 64 by default once, and 128 later: neither was said. What a trial makes no use of is not told.
        unused = {"kl_weight": "0.1", "lambda": "0", "temperature": "0.5", "objective": "softmax", "divergence_weight": "1"}
        trials = (trial("Beauty", "gan.a", 0.0649, " --set heads=2", kind="gan", heads="2", width="64", **unused),
                  trial("Beauty", "gan.b", 0.065, " --preset office", kind="gan", width="128", decay="5e-04"),
                  trial("Beauty", "vae.1", 0.05, "", kind="vae", width="64", kl_weight="0.1", **{"lambda": "0"}),
                  trial("Beauty", "vae.2", None, " --set kl_weight=0.01", kind="vae", width="64", kl_weight="0.01", **{"lambda": "0"}),
                  trial("Beauty", "cddrec.1", 0.07, "", epochs=None, width="64", divergence_weight="1"),
                  trial("Beauty", "cddrec.2.5", 0.0812, " --set lambda=0.1", width="128", **{"lambda": "0.1"}, divergence_weight="1"),
                  trial("Toys", "gan.a", 0.03, ""), trial("Toys", "gan.b", 0.03, " --set width=64", width="64"),
                  trial("Toys", "cddrec.1", 0.02, ""))
        for k, content in enumerate(trials):
            self.write(f"{k}.json", content, "search")
        page = self.made()
        self.assertIn("\n4 records of 1 log, 6.0 hours of training in all with the search's 4.5; written by `examples/study/report.py`.\n", page)
        head = "| family | this trial | validation N@10 | best epoch | seconds |\n|---|---|---|---|---|"
        expected = ["## Search", "", "9 trials, 4.5 hours of training: on Beauty every family alike, 2 trials each; "
                    "on Toys 1 of cddrec, 2 of gan; no figure of test was kept.", "",
                    "<!-- notes on the search -->", "<!-- /notes on the search -->", "", "<details><summary>Beauty: 6 trials</summary>", "",
                    "| family | all its trials |", "|---|---|", "| cddrec | heads=4 |", "| vae | lambda=0, heads=4, width=64 |", "", head,
                    "| cddrec | lambda=0.1, width=128 | **.0812** | 20 of 30 | 1,800 |", "| cddrec | width=64 | .0700 |  | 1,800 |",
                    "| gan | heads=4, preset=office, width=128 | **.0650** | 20 of 30 | 1,800 |",
                    "| gan | heads=2, width=64 | .0649 | 20 of 30 | 1,800 |",
                    "| vae | kl_weight=0.1 | **.0500** | 20 of 30 | 1,800 |", "| vae | kl_weight=0.01 |  | 20 of 30 | 1,800 |", "",
                    "</details>", "", "<details><summary>Toys: 3 trials</summary>", "", head,
                    "| cddrec |  | **.0200** | 20 of 30 | 1,800 |", "| gan |  | **.0300** | 20 of 30 | 1,800 |",
                    "| gan | width=64 | **.0300** | 20 of 30 | 1,800 |", "", "</details>", "", "## Beauty", ""]
        self.assertIn("\n" + "\n".join(expected) + "\n", page)
        mine = "<!-- notes on the search -->\nBy händ.\n<!-- /notes on the search -->\n"
        page = page.replace("<!-- notes on the search -->\n<!-- /notes on the search -->\n", mine)
        self.page.write_text(page, encoding="utf-8")
        self.assertEqual(self.made(), page)
        for trial_file in (self.folder / "search").iterdir():
            trial_file.unlink()
        (self.folder / "search").rmdir()
        self.assertIn("## Search\n\n" + mine + "\n## Beauty\n", self.made())

    def test_only_what_is_needed(self):
        least = {"log": "a log/with signs", "model": "x|y<z>", "seed": 1, "test": {}}
        self.write("a.json", least)
        page = self.made()
        self.assertIn("| x\\|y\\<z> |  |  |  |  |  |  |  |  | 1 |  |  |", page)
        self.assertNotIn("![", page)
        self.assertNotIn("###", page)
        self.write("a.json", {**least, "test": {"ndcg@10": 0}, "curve": [0.0], "diagnostics": 3, "generation": [4]})
        self.assertIn("(images/study/a-log-with-signs-bars.svg)", self.made())

    def test_pictures(self):
        self.study()
        self.write("e.json", record("a & b <c>" + "-and-a-long-name" * 4, 1, 0.02, 0.03, curve=[0.02]))
        page = self.made()
        paths = sorted((self.folder / "docs/images/study").iterdir())
        self.assertEqual([p.name for p in paths], [f"Beauty-{kind}.svg" for kind in ("bars", "curves", "generation", "spectra")])
        for path in paths:
            self.assertIn(f"(images/study/{path.name})", page)
            root = xml.dom.minidom.parse(str(path)).documentElement
            self.assertEqual(root.getElementsByTagName("title")[0].firstChild.data, root.getAttribute("aria-label"))
            self.assertIn("prefers-color-scheme:dark", path.read_text(encoding="utf-8"))
            self.assertNotIn("nan", path.read_text(encoding="utf-8"))
            width = float(root.getAttribute("width"))
            for label in root.getElementsByTagName("text"):
                room = 6.5 * len(label.firstChild.data) if label.firstChild else 0
                x = float(label.getAttribute("x")) - {"start": 0, "middle": room / 2, "end": room}[label.getAttribute("text-anchor")]
                self.assertTrue(0 <= x and x + room <= width, (path.name, label.toxml()))
        bars = (self.folder / "docs/images/study/Beauty-bars.svg").read_text(encoding="utf-8")
        self.assertEqual(bars.count('class="error"'), 2 * 3)  # one model has seeds: a line and two ends in each panel

    def test_many_models_are_drawn_without_changes_of_one_seed(self):
        self.study()
        drawn = lambda: (self.folder / "docs/images/study/Beauty-bars.svg").read_text(encoding="utf-8")
        without = "The pictures are without single changes of the same kind of model that have one seed: they have a table of their own. " \
            "Curves and spectra are those of a model's first seed."
        for k, (model, kind) in enumerate([("cddrec-wide", None), ("encoder", "sasrec"), *((f"own-{k}", "own") for k in range(7))]):
            self.write(f"{k}.json", record(model, 1, 0.01, 0.02, **({"kind": kind} if kind else {})))
        self.assertNotIn(without, self.made())  # twelve
        self.assertIn(">cddrec-wide<", drawn())
        self.write("more.json", record("paper-mse", 1, 0.01, 0.02))  # no change of a row that is not there
        page = self.made()
        self.assertIn(f"</details>\n\n{without}\n\n![Recall@1 and NDCG@10 of the models on Beauty]", page)
        self.assertIn("| cddrec-wide | .0100 |", page)
        self.assertNotIn(">cddrec-wide<", drawn())
        self.write("second.json", record("cddrec-wide", 2, 0.01, 0.02))
        self.made()
        self.assertIn(">cddrec-wide<", drawn())
        for model in ("cddrec", "encoder", "paper-mse", "own-6"):
            self.assertIn(f">{model}<", drawn())

    def test_the_same_bytes_twice_and_check(self):
        self.study()
        files = lambda: {p: p.read_bytes() for p in sorted(self.page.parent.rglob("*.*")) if p.is_file()}
        self.assertEqual(self.run_report("--check").returncode, 1)
        self.assertFalse(self.page.exists())
        self.made()
        first = files()
        self.assertEqual(len(first), 5)
        self.made()
        self.assertEqual(files(), first)
        run = self.run_report("--check")
        self.assertEqual((run.returncode, run.stdout, run.stderr), (0, "", ""))
        picture = self.folder / "docs/images/study/Beauty-bars.svg"
        picture.write_text("", encoding="utf-8")
        run = self.run_report("--check")
        self.assertEqual((run.returncode, run.stdout, picture.read_text(encoding="utf-8")), (1, "", ""))
        self.assertEqual(run.stderr, f"report.py: {picture} would change\n")
        self.made()
        left = picture.with_name("Toys-bars.svg")
        left.write_text("", encoding="utf-8")
        for more in ([], ["--check"]):
            run = self.run_report(*more)
            self.assertEqual((run.returncode, run.stderr), (len(more), f"report.py: {left} is no longer on the page; delete it\n"))
        left.unlink()
        self.write("d.json", record("popularity", 1, 0.0, 0.0056))
        self.assertEqual(self.run_report("--check").returncode, 1)
        self.assertEqual(files(), first)

    def test_notes(self):
        self.study()
        page = self.made()
        self.assertIn("\n\n<!-- notes -->\n<!-- /notes -->\n\n## Beauty\n", page)
        mine = "<!-- notes -->\n## Nötes\n\nBy hand.\n<!-- /notes -->"
        self.page.write_text(page.replace("<!-- notes -->\n<!-- /notes -->", mine).replace(".0620", ".9999"), encoding="utf-8")
        self.assertEqual(self.made(), page.replace("<!-- notes -->\n<!-- /notes -->", mine))
        self.page.write_text("no marks", encoding="utf-8")
        self.assertEqual(self.made(), page)
        for broken in ("<!-- notes -->\nlost?", "<!-- /notes -->\n<!-- notes -->"):
            self.page.write_text(broken, encoding="utf-8")
            run = self.run_report()
            self.assertEqual((run.returncode, self.page.read_text(encoding="utf-8")), (2, broken))
            self.assertIn(f"report.py: {self.page}: ", run.stderr)

    def test_errors(self):
        self.assert_refused(self.folder / "records", "holds no records")
        good = record("vae", 1, 0.1, 0.2)
        self.write("good.json", good)
        bad = self.folder / "records/other.json"
        without = lambda key: {k: v for k, v in good.items() if k != key}
        for content, why in (("{", "is not JSON"), ([], "is not a JSON object"), (good, "the same log, model and seed"),
                             *((without(key), f"has no `{key}`") for key in ("log", "model", "seed", "test")),
                             ({**good, "test": 1}, "`test` is not an object"), ({**good, "seed": "1"}, "`seed` is not an integer")):
            self.write("other.json", content)
            self.assert_refused(bad, why)
        self.write("good.json", {**good, "log_crc": "00000001"})
        self.write("other.json", {**good, "seed": 2, "log_crc": "00000002"})
        self.assert_refused(bad, "`log_crc` differs")

    def test_figures_that_no_run_makes(self):
        self.write("deep.json", "[" * 100_000)
        self.assert_refused(self.folder / "records/deep.json", "is not JSON")
        (self.folder / "records/deep.json").unlink()
        self.write("a.json", trained("cddrec", 1, -0.1, 7, [-0.01, -0.07], [-4, 1, 0.5]))
        self.write("b.json", trained("vae", 1, -0.2, -7, [-0.01, -0.07], [0, 0.5]))
        self.assertNotIn("spectra.svg", self.made())

    def test_a_page_that_cannot_be_read_or_written(self):
        self.study()
        self.page.mkdir(parents=True)
        self.assertIn(f"report.py: {self.page}: cannot be read: ", self.run_report("--check").stderr)
        self.page.rmdir()
        self.page.write_bytes(b"\xe9")
        run = self.run_report()
        self.assertEqual((run.returncode, self.page.read_bytes()), (2, b"\xe9"))
        self.assertIn(f"report.py: {self.page}: cannot be read: ", run.stderr)
        self.page.unlink()
        (self.page.parent / "images/study/Beauty-bars.svg").mkdir(parents=True)
        run = self.run_report("--check")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        shutil.rmtree(self.page.parent / "images")
        (self.page.parent / "images").write_text("", encoding="utf-8")  # a file where a folder must be
        run = self.run_report()
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn(f"report.py: {self.page}: cannot be written: ", run.stderr)

    def test_errors_of_the_search(self):
        self.study()
        (self.folder / "search").mkdir()
        self.assert_refused(self.folder / "search", "holds no records")
        good = trial("Beauty", "cddrec.1", 0.07, "")
        self.write("good.json", good, "search")
        without = lambda key: {k: v for k, v in good.items() if k != key}
        for content, why in (*((without(key), f"has no `{key}`") for key in ("valid", "model", "command", "settings")),
                             (good, "the same log, model and seed"), ({**good, "valid": 1}, "`valid` is not an object"),
                             ({**good, "test": {}}, "has `test`")):
            self.assert_refused(self.write("other.json", content, "search"), why)


if __name__ == "__main__":
    unittest.main()
