#!/usr/bin/env python3
"""What `cddrec export --what onnx` writes, run by ONNX Runtime: onnx_test.py CDDREC. Status 77, skipped, without numpy, onnx and onnxruntime."""
import sys
import unittest

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as lacking:
    print(f"skipped: {lacking}; with numpy, onnx and onnxruntime in a Python, configure with -DPython3_EXECUTABLE=THAT_PYTHON")
    sys.exit(77)

from exported import exported

TOLERANCE = 1e-5


class graph(exported, unittest.TestCase):
    USERS, ITEMS = 150, 60
    # Of 1 to 30 items, some of them more than once, some longer than is read.
    HISTORIES = [[f"i{(7 * u + k * k) % 60 + 1}" for k in range(u % 30 + 1)] for u in range(45)]
    SETTINGS = ("width=16", "heads=2", "epochs=2", "learning_rate=0.01")

    def compare(self, path, lists):
        onnx.checker.check_model(onnx.load(path), full_check=True)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = session.get_modelmeta().custom_metadata_map["items"].split("\n")
        number = {name: i for i, name in enumerate(names)}
        longest = max(map(len, self.HISTORIES))
        tokens = np.full((len(self.HISTORIES), longest), -1, dtype=np.int64)
        for row, history in zip(tokens, self.HISTORIES):
            row[longest - len(history):] = [number[i] for i in history]
        scores, top_scores, top_items = session.run(["scores", "top_scores", "top_items"], {"tokens": tokens, "k": np.array([self.ITEMS])})
        self.assertEqual(scores.shape, (len(self.HISTORIES), self.ITEMS))
        for u, ours in enumerate(lists):
            for place, best in enumerate(ours):
                self.assertAlmostEqual(scores[u, number[best["item"]]], best["score"], delta=TOLERANCE)
                self.assertAlmostEqual(top_scores[u, place], best["score"], delta=TOLERANCE)
                self.assertAlmostEqual(top_scores[u, place], scores[u, top_items[u, place]], delta=TOLERANCE)
            self.assertTrue(np.isneginf(top_scores[u, len(ours):]).all())
            seen = {number[i] for i in self.HISTORIES[u]}
            self.assertFalse(seen & set(top_items[u, :len(ours)].tolist()))
        self.assertGreater(scores.max() - scores.min(), 1000 * TOLERANCE)
        # Alone and without padding, and the three best only.
        alone, _, three = session.run(None, {"tokens": tokens[4:5, longest - len(self.HISTORIES[4]):], "k": np.array([3])})
        np.testing.assert_allclose(alone[0], scores[4], atol=TOLERANCE)
        self.assertEqual(three.tolist(), [top_items[4, :3].tolist()])


if __name__ == "__main__":
    unittest.main()
