#!/usr/bin/env python3
"""Runs examples/study/report.py on a few records made here; every expected figure was worked out by hand."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "examples/study/report.py"


def record(model, seed, recall, ndcg, **more):
    return {"log": "Beauty", "model": model, "seed": seed, "test": {"recall@1": recall, "ndcg@10": ndcg}, **more}


def trained(model, seed, recall, ndcg, curve, spectrum):
    vectors = {"mean_cosine": 0.5, "effective_rank": 12.25, "top_singular_share": 0.2, "uniformity": -3.5, "spectrum": spectrum}
    return record(model, seed, recall, ndcg, log_crc="a1b2c3d4", users=22363, items=12101, parameters=1700000, settings={"width": "128"},
                  command=f"cddrec train --data Beauty.txt --output DIR --seed {seed} --set width=128", valid={"ndcg@10": ndcg + 0.01},
                  epochs=len(curve), best_epoch=2, curve=curve, seconds=1800, memory_mb=100 + seed,
                  diagnostics={"predictions": {**vectors, "alignment": 1.25}, "items": vectors,
                               "noise": {"mean_cosine": 0.0, "effective_rank": 120.5, "spectrum": [3, 2.5, 2]},
                               "lists": {"gap_to_second": 0.02, "gap_to_tenth": 0.08, "distinct_first": 4021, "lists": 22363}},
                  generation=[{"kind": "direct", "steps": 1, "draws": 1, "recall@1": recall, "ndcg@10": ndcg, "seconds": 2},
                              {"kind": "ddim", "steps": 5, "stop": 3, "recall@1": recall / 2, "ndcg@10": ndcg / 2, "seconds": 11.4}])


class report(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.page = self.folder / "docs/study.md"
        (self.folder / "records").mkdir()

    def write(self, name, content):
        path = self.folder / "records" / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def study(self):
        self.write("a.json", trained("cddrec", 1, 0.03, 0.06, [0.01, 0.07, None], [4, 1, 0.00001]))
        self.write("b.json", trained("cddrec", 2, 0.032, 0.064, [0.02, 0.074], [4, 1]))
        self.write("c.json", trained("sasrec-softmax", 1, 0.04, 0.05, [0.03, 0.06], [4, 3, 2]))
        self.write("d.json", record("popularity", 1, 0.0, 0.0055, valid=None, curve=None, diagnostics={}, generation=None))

    def run_report(self, *more):
        command = [sys.executable, "-B", SCRIPT, "--records", self.folder / "records", "--output", self.page, *more]
        return subprocess.run(command, capture_output=True, text=True)

    def made(self):
        run = self.run_report()
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return self.page.read_text()

    def assert_refused(self, path, why):
        for more in ([], ["--check"]):
            run = self.run_report(*more)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertTrue(run.stderr.startswith(f"report.py: {path}: "), run.stderr)
            self.assertIn(why, run.stderr)
        self.assertFalse(self.page.exists())

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
                    "| cddrec | predictions | .500 | 12.2 | .200 | -3.50 | 1.250 | .020 | .080 | 4,021 of 22,363 |",
                    "| cddrec | items | .500 | 12.2 | .200 | -3.50 |  |  |  |  |",
                    "| Gaussian noise | 3 dimensions | .000 | 120.5 |  |  |  |  |  |  |",
                    "| cddrec | direct | 1 | 0 | 1 | .0310 | .0620 | 2.0 |", "| cddrec | ddim | 5 | 3 | 1 | .0155 | .0310 | 11 |",
                    "4 records of 1 log, 1.5 hours in all; written by `examples/study/report.py`.",
                    "22,363 users, 12,101 items, CRC-32 `a1b2c3d4`.",
                    "# cddrec: seeds 1, 2; 1,700,000 parameters; best epoch 2 of 3, 2 of 2",
                    "cddrec train --data Beauty.txt --output DIR --seed 1 --set width=128"):
            self.assertIn(row, lines)

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
            self.assertIn("prefers-color-scheme:dark", path.read_text())
            self.assertNotIn("nan", path.read_text())
            width = float(root.getAttribute("width"))
            for label in root.getElementsByTagName("text"):
                room = 6.5 * len(label.firstChild.data) if label.firstChild else 0
                x = float(label.getAttribute("x")) - {"start": 0, "middle": room / 2, "end": room}[label.getAttribute("text-anchor")]
                self.assertTrue(0 <= x and x + room <= width, (path.name, label.toxml()))
        bars = (self.folder / "docs/images/study/Beauty-bars.svg").read_text()
        self.assertEqual(bars.count('class="error"'), 2 * 3)  # one model has seeds: a line and two ends in each panel

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
        picture.write_text("")
        run = self.run_report("--check")
        self.assertEqual((run.returncode, run.stdout, run.stderr, picture.read_text()), (1, "", "", ""))
        self.made()
        self.write("d.json", record("popularity", 1, 0.0, 0.0056))
        self.assertEqual(self.run_report("--check").returncode, 1)
        self.assertEqual(files(), first)

    def test_notes(self):
        self.study()
        page = self.made()
        self.assertTrue(page.endswith("\n<!-- notes -->\n<!-- /notes -->\n"))
        mine = "<!-- notes -->\n## Nötes\n\nBy hand.\n<!-- /notes -->"
        self.page.write_text(page.replace("<!-- notes -->\n<!-- /notes -->", mine).replace(".0620", ".9999"), encoding="utf-8")
        self.assertEqual(self.made(), page.replace("<!-- notes -->\n<!-- /notes -->", mine))
        self.page.write_text("no marks")
        self.assertEqual(self.made(), page)
        for broken in ("<!-- notes -->\nlost?", "<!-- /notes -->\n<!-- notes -->"):
            self.page.write_text(broken)
            run = self.run_report()
            self.assertEqual((run.returncode, self.page.read_text()), (2, broken))
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


if __name__ == "__main__":
    unittest.main()
