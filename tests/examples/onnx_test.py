#!/usr/bin/env python3
"""What `cddrec export --what onnx` writes, run by ONNX Runtime: onnx_test.py CDDREC. Status 77, skipped, without numpy, onnx and onnxruntime."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import numpy as np
    import onnx
    import onnxruntime
except ImportError as lacking:
    print(f"skipped: {lacking}; with numpy, onnx and onnxruntime in a Python, configure with -DPython3_EXECUTABLE=THAT_PYTHON")
    sys.exit(77)

COMMAND = str(pathlib.Path(sys.argv.pop(1)).resolve())
TOLERANCE, ITEMS = 1e-5, 60


def run(*words):
    done = subprocess.run([COMMAND, *(str(w) for w in words)], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class graph(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.root = pathlib.Path(scratch.name)
        cls.log = cls.root / "log.txt"
        run("generate", "--users", 150, "--items", ITEMS, "--output", cls.log, "--seed", 3)
        # Of 1 to 30 items, some of them more than once, some longer than is read.
        cls.histories = [[f"i{(7 * u + k * k) % ITEMS + 1}" for k in range(u % 30 + 1)] for u in range(45)]
        lines = "".join(" ".join(h) + "\n" for h in cls.histories)
        (cls.root / "histories.txt").write_text(lines, encoding="utf-8")

    def compare(self, kind, *settings):
        directory = self.root / f"{kind}-{len(list(self.root.iterdir()))}"
        words = [w for s in ("width=16", "heads=2", "epochs=2", "learning_rate=0.01", *settings) for w in ("--set", s)]
        run("train", "--data", self.log, "--output", directory, "--model", kind, "--threads", 1, *words)
        path = directory / "model.onnx"
        run("export", "--model", directory, "--what", "onnx", "--output", path)
        onnx.checker.check_model(onnx.load(path), full_check=True)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = session.get_modelmeta().custom_metadata_map["items"].split("\n")
        number = {name: i for i, name in enumerate(names)}
        longest = max(map(len, self.histories))
        tokens = np.full((len(self.histories), longest), -1, dtype=np.int64)
        for row, history in zip(tokens, self.histories):
            row[longest - len(history):] = [number[i] for i in history]
        scores, top_scores, top_items = session.run(["scores", "top_scores", "top_items"], {"tokens": tokens, "k": np.array([ITEMS])})
        self.assertEqual(scores.shape, (45, ITEMS))
        lists = run("recommend", "--model", directory, "--input", self.root / "histories.txt", "--top", ITEMS, "--json").splitlines()
        for u, line in enumerate(lists):
            ours = json.loads(line)["recommendations"]
            self.assertEqual(len(ours), ITEMS - len(set(self.histories[u])))
            for place, best in enumerate(ours):
                self.assertAlmostEqual(scores[u, number[best["item"]]], best["score"], delta=TOLERANCE)
                self.assertAlmostEqual(top_scores[u, place], best["score"], delta=TOLERANCE)
                self.assertAlmostEqual(top_scores[u, place], scores[u, top_items[u, place]], delta=TOLERANCE)
            self.assertTrue(np.isneginf(top_scores[u, len(ours):]).all())
            seen = {number[i] for i in self.histories[u]}
            self.assertFalse(seen & set(top_items[u, :len(ours)].tolist()))
        self.assertGreater(scores.max() - scores.min(), 1000 * TOLERANCE)
        # Alone and without padding, and the three best only.
        alone, _, three = session.run(None, {"tokens": tokens[4:5, longest - len(self.histories[4]):], "k": np.array([3])})
        np.testing.assert_allclose(alone[0], scores[4], atol=TOLERANCE)
        self.assertEqual(three.tolist(), [top_items[4, :3].tolist()])

    def test_the_cross_decoder(self):
        self.compare("cddrec", "layers=2", "decoder_layers=2")
        self.compare("cddrec", "residual=false", "feed_forward=false", "score=dot_product")

    def test_the_transformer_decoder(self):
        self.compare("cddrec", "denoiser=transformer_decoder", "decoder_layers=2", "decoder_feed_forward=1")

    def test_kinds_without_diffusion(self):
        self.compare("sasrec", "max_length=1")
        self.compare("vae", "decoder_layers=2")
        self.compare("gan", "gan_pretraining=1")


if __name__ == "__main__":
    unittest.main()
