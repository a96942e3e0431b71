#!/usr/bin/env python3
"""Runs examples/study/run.sh and search.sh in a tree of their own, where the command only notes how it was called and makes a record."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

STUDY = pathlib.Path(__file__).resolve().parents[2] / "examples/study"
COMMAND = """#!/usr/bin/env bash
echo "$OMP_NUM_THREADS $*" >>calls
while [ $# -gt 0 ]; do
  case $1 in --data) log=$(basename "$2" .txt) ;; --models) model=$2 ;; --output) output=$2 ;; esac
  shift
done
[ "$model" != broken ] || kill -TERM $$
record=$output/records/$log-$model-1.json
[ -e "$record" ] || echo "made" >"$record"
"""


class scripts(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        for name, content in (("build/release/bin/cddrec", COMMAND), ("bin/cmake", "#!/bin/sh\n"),
                              ("cmake/install_packages.sh", "install_packages() { :; }\n"),
                              ("examples/study/report.py", "open('page', 'w').close()\n"),
                              ("examples/study/small_log.txt", "popularity popularity\ncddrec cddrec\npaper-office cddrec preset=office\n"
                                                               "paper-beauty cddrec preset=beauty\n"),
                              ("examples/study/large_log.txt", "markov markov\nbroken cddrec\ngan gan\npaper-code-beauty cddrec\n"),
                              ("examples/study/search.txt", "# trials\ngan.a gan\ngan.b gan width=8\n"),
                              ("logs/Office_Products.txt", "u1 1 2 3\nu2 2 3 4\n"),
                              ("logs/Beauty.txt", "u1\t" + "\t".join(map(str, range(5000))) + "\n")):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            path.chmod(0o755)
        for name in ("run.sh", "search.sh", "compare_all.sh"):
            shutil.copy(STUDY / name, self.root / "examples/study")
        self.records = self.root / "examples/study/records"

    def run_script(self, name, *words):
        return subprocess.run([self.root / "examples/study" / name, *map(str, words)], capture_output=True, text=True, cwd=self.root,
                              env={**os.environ, "LC_ALL": "C.UTF-8", "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}"})

    def calls(self):
        """What the command was called with since the last time."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(lines)

    def test_rows_and_seeds(self):
        run = self.run_script("run.sh", self.root / "logs", 4, "Office_Products")
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        call = lambda model, seeds: (f"1 compare --data {self.root.resolve()}/logs/Office_Products.txt --variants examples/study/small_log.txt "
                                     f"--models {model} --threads 1 --output build/study --seeds {seeds} --minutes 120 --generations")
        # The preset of this log alone, and more than one seed for the leaders alone.
        self.assertEqual(self.calls(), sorted([call("popularity", 1), call("cddrec", 1), call("paper-office", 1), call("cddrec", 4)]))
        self.assertEqual(sorted(p.name for p in self.records.iterdir()),
                         [f"Office_Products-{model}-1.json" for model in ("cddrec", "paper-office", "popularity")])
        self.assertTrue((self.root / "page").exists())

    def test_a_row_that_fails_leaves_the_others(self):
        run = self.run_script("run.sh", self.root / "logs", 2, "Beauty")
        self.assertEqual(run.returncode, 1)
        self.assertIn("some rows of examples/study/large_log.txt failed on " + str(self.root.resolve() / "logs/Beauty.txt"), run.stderr)
        self.assertEqual(sorted(p.name for p in self.records.iterdir()),
                         [f"Beauty-{model}-1.json" for model in ("gan", "markov", "paper-code-beauty")])
        self.assertTrue((self.root / "page").exists())

    def test_the_records_are_those_of_the_repository(self):
        again = lambda: self.run_script("run.sh", self.root / "logs", 1, "Office_Products").returncode
        self.assertEqual(again(), 0)
        newer, deleted = self.records / "Office_Products-cddrec-1.json", self.records / "Office_Products-popularity-1.json"
        newer.write_text("of somebody else")
        deleted.unlink()
        (self.records / "Office_Products-paper-office-1.json").rename(self.records / "Office_Products-renamed-1.json")
        self.assertEqual(again(), 0)
        self.assertEqual((newer.read_text(), deleted.read_text()), ("of somebody else", "made\n"))
        self.assertEqual(len(list(self.records.iterdir())), 4)

    def test_what_is_wrong_is_told_before_any_work(self):
        for words, why in (((2, "Office_Products", "Moon"), "there is no "), (("Beauty",), "SEEDS is how many, not 'Beauty'"),
                           ((0, "Beauty"), "SEEDS is how many, not '0'")):
            run = self.run_script("run.sh", self.root / "logs", *words)
            self.assertEqual(run.returncode, 2)
            self.assertIn(why, run.stderr)
            self.assertEqual(self.calls(), [])

    def test_search(self):
        run = self.run_script("search.sh", self.root / "logs/Beauty.txt", 7)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        self.assertEqual([line.split(" --models ")[1] for line in self.calls()],
                         [f"gan.{trial} --threads 1 --output build/search --validation-only --minutes 7" for trial in "ab"])
        self.assertEqual(len(list((self.root / "examples/study/search").iterdir())), 2)


if __name__ == "__main__":
    unittest.main()
