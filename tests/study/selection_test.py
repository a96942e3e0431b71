#!/usr/bin/env python3
"""The study compares what its search chose: the row of a searched family is its trial with the best validation."""
import pathlib
import sys
import unittest

STUDY = pathlib.Path(__file__).resolve().parents[2] / "examples/study"
sys.path.insert(0, str(STUDY))
from records import RUN, TRIAL, number, read_records, set_words  # noqa: E402


class selection(unittest.TestCase):
    def test_rows_are_the_best_trials(self):
        rows, compared = read_records(STUDY / "records", RUN), 0
        for log, trials in read_records(STUDY / "search", TRIAL).items():
            families = {}
            for runs in trials.values():
                families.setdefault(runs[0]["model"].partition(".")[0], []).extend(runs)
            for family, tried in families.items():
                best = max(tried, key=lambda trial: number(trial, "valid", "ndcg@10") or 0)
                for row in rows[log].get(family, []):
                    # Keys that neither names have a default, which may have changed between the two.
                    for key in {word.partition("=")[0] for one in (best, row) for word in set_words(one["command"])}:
                        mine, its = row["settings"].get(key), best["settings"].get(key)
                        if mine is not None and its is not None:
                            self.assertEqual(mine, its, f"{log}: {key} of {family} and of its best trial, {best['model']}")
                            compared += 1
        self.assertGreater(compared, 50)


if __name__ == "__main__":
    unittest.main()
