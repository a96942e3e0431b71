"""A few records made for tests, and examples/study/report.py run on them."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

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


def trial(log, model, ndcg, words, epochs=30, kind="cddrec", **settings):
    return {"log": log, "model": model, "kind": kind, "seed": 1, "command": f"cddrec train --data {log}.txt --output DIR{words} --seed 1",
            "valid": {"ndcg@10": ndcg}, "seconds": 1800, "epochs": epochs, "best_epoch": 20, "settings": {"heads": "4", **settings}}


class study_case(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.page = self.folder / "docs/study.md"
        (self.folder / "records").mkdir()

    def write(self, name, content, folder="records"):
        path = self.folder / folder / name
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def study(self):
        self.write("a.json", trained("cddrec", 1, 0.03, 0.06, [0.01, 0.07, None], [4, 1, 0.00001]))
        self.write("b.json", trained("cddrec", 2, 0.032, 0.064, [0.02, 0.074], [4, 1]))
        self.write("c.json", trained("sasrec-softmax", 1, 0.04, 0.05, [0.03, 0.06], [4, 3, 2]))
        self.write("d.json", record("popularity", 1, 0.0, 0.0055, valid=None, curve=None, diagnostics={}, generation=None))

    def run_report(self, *more):
        command = [sys.executable, "-B", SCRIPT, "--records", self.folder / "records", "--search", self.folder / "search",
                   "--output", self.page, *more]
        return subprocess.run(command, capture_output=True, text=True)

    def made(self):
        run = self.run_report()
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        return self.page.read_text(encoding="utf-8")

    def assert_refused(self, path, why):
        for more in ([], ["--check"]):
            run = self.run_report(*more)
            self.assertEqual((run.returncode, run.stdout), (2, ""))
            self.assertTrue(run.stderr.startswith(f"report.py: {path}: "), run.stderr)
            self.assertIn(why, run.stderr)
        self.assertFalse(self.page.exists())
