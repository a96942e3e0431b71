#!/usr/bin/env python3
"""Where the pictures of examples/study have their points: worked out by hand from the figures, to a tenth of a pixel."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "examples/study"))
import drawings


def models(ours=({}, {}), other=None):
    """Records of two families: ours, of several seeds, and one other."""
    record = lambda model, seed, more: {"log": "Beauty", "model": model, "seed": seed, "test": {}, **more}
    return {"cddrec": [record("cddrec", seed, more) for seed, more in enumerate(ours, 1)],
            **({"sasrec-softmax": [record("sasrec-softmax", 1, other)]} if other else {})}


def polyline(points, kind):
    return f'<polyline points="{points}" class="{kind}"'


class pictures(unittest.TestCase):
    def assert_shown(self, picture, *shown):
        for part in shown:
            self.assertIn(part, picture)

    def test_bars(self):
        figures = lambda recall, ndcg: {"test": {"recall@1": recall, "ndcg@10": ndcg}}
        picture = drawings.draw_bars("Beauty", models([figures(0.03, 0.06), figures(0.032, 0.064)], figures(0.04, 0.05)))
        bar = lambda x, y, width, group: f'<rect x="{x}" y="{y}" width="{width}" height="16" class="bar {group}"/>'
        # The names take 136.4, each panel 295.8: Recall@1 from 136.4 to .04, NDCG@10 from 498.2 to .08.
        # Means are .031 and .062, and deviations .0014 and .0028.
        self.assert_shown(picture, bar(136.4, 70.5, 229.2, "cddrec"), bar(136.4, 95.5, 295.8, "sequential"),
                          bar(498.2, 70.5, 229.2, "cddrec"), bar(498.2, 95.5, 184.9, "sequential"),
                          polyline("355.2,78.5 376.1,78.5", "error"), polyline("717.0,78.5 737.9,78.5", "error"),
                          '<text x="794.0" y="133.0" class="small" text-anchor="middle">.08</text>',
                          '<text x="743.9" y="83.0" class="small ours cddrec" text-anchor="start">.0620</text>')

    def test_curves(self):
        picture = drawings.draw_curves("Beauty", models([{"curve": [0.02, 0.06, 0.04]}], {"curve": [0.01, 0.03, 0.05]}))
        # Epochs 1 to 3 from 64 to 699.8; 0 to .06 from 316 up to 46.
        self.assert_shown(picture, polyline("64.0,226.0 381.9,46.0 699.8,136.0", "line cddrec"),
                          polyline("64.0,271.0 381.9,181.0 699.8,91.0", "line sequential"),
                          '<circle cx="381.9" cy="46.0" r="4" class="bar cddrec"/>',
                          '<circle cx="699.8" cy="91.0" r="4" class="bar sequential"/>',
                          '<text x="56.0" y="50.0" class="small" text-anchor="end">.06</text>')

    def test_spectra(self):
        spectrum = lambda *values: {"diagnostics": {"predictions": {"spectrum": list(values)}, "noise": {"spectrum": [5, 0.5, 0.5]}}}
        picture = drawings.draw_spectra("Beauty", models([spectrum(4, 0.4, 0.04, 0.000001)], spectrum(8, 0.8, 0.8)))
        # Beside the largest, two decades from 46 down to 316; less than a millionth is not shown.
        self.assert_shown(picture, polyline("64.0,46.0 381.9,181.0 699.8,316.0", "line cddrec"),
                          polyline("64.0,46.0 381.9,181.0 699.8,181.0", "line sequential"),
                          polyline("64.0,46.0 381.9,181.0 699.8,181.0", "line noise"))

    def test_generation(self):
        ways = [{"kind": "ddim", "steps": steps, "recall@1": recall, "ndcg@10": ndcg}
                for steps, recall, ndcg in ((10, 0.04, 0.05), (2, 0.02, 0.04), (5, 0.03, 0.06))]
        picture = drawings.draw_generation("Beauty", models([{"generation": ways}]))
        # 2, 5 and 10 steps; Recall@1 of .02 to .04 from 226 up to 66, NDCG@10 of .04 to .06 from 438 up to 278.
        self.assert_shown(picture, polyline("145.4,226.0 416.9,146.0 688.4,66.0", "line cddrec"),
                          polyline("145.4,438.0 416.9,278.0 688.4,358.0", "line cddrec"),
                          '<text x="56.0" y="230.0" class="small" text-anchor="end">.020</text>',
                          '<text x="56.0" y="442.0" class="small" text-anchor="end">.040</text>')
        self.assertNotIn('class="hollow', picture)
        picture = drawings.draw_generation("Beauty", models([{"generation": [*ways, {**ways[0], "draws": 8}]}]))
        self.assertEqual(picture.count('class="hollow cddrec"'), 4)  # a point and beside its name, in both panels


if __name__ == "__main__":
    unittest.main()
