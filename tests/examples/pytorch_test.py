#!/usr/bin/env python3
"""Checkpoints between cddrec and PyTorch, both ways: pytorch_test.py CDDREC. Status 77, skipped, without torch and safetensors."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

try:
    import safetensors.torch
    import torch
except ImportError as lacking:
    print(f"skipped: {lacking}; with torch and safetensors in a Python, configure with -DPython3_EXECUTABLE=THAT_PYTHON")
    sys.exit(77)

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "examples/pytorch"
sys.path.insert(0, str(SCRIPTS))
import checkpoint  # noqa: E402

COMMAND = str(pathlib.Path(sys.argv.pop(1)).resolve())
TOLERANCE = 1e-5


def run(*words, status=0):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    assert done.returncode == status, (words, done.stderr)
    return done


class pytorch(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.root = pathlib.Path(scratch.name)
        cls.log = cls.root / "log.txt"
        run(COMMAND, "generate", "--users", 150, "--items", 60, "--output", cls.log, "--seed", 3)
        # Of 1 to 30 items: some are longer than is read.
        cls.histories = [[f"i{(7 * u + k * k) % 60 + 1}" for k in range(u % 30 + 1)] for u in range(45)]
        lines = "".join(" ".join(h) + "\n" for h in cls.histories)
        (cls.root / "histories.txt").write_text(lines, encoding="utf-8")

    def train(self, name, *settings):
        kind = name if name in ("sasrec", "gru4rec", "gan") else "cddrec"
        heads = [] if kind == "gru4rec" else ["heads=2"]
        words = [w for s in ("width=16", *heads, "epochs=2", *settings) for w in ("--set", s)]
        run(COMMAND, "train", "--data", self.log, "--output", self.root / name, "--model", kind, "--threads", 1, *words)
        return self.root / name

    def same_lists(self, directory):
        ask = ["--model", directory, "--input", self.root / "histories.txt", "--top", 60]
        ours = run(COMMAND, "recommend", "--json", *ask).stdout.splitlines()
        theirs = run(sys.executable, "-B", SCRIPTS / "recommend.py", *ask).stdout.splitlines()
        self.assertEqual((len(ours), len(theirs)), (45, 45))
        spread = 0
        for mine, other, history in zip(ours, theirs, self.histories):
            mine, other = ({r["item"]: r["score"] for r in json.loads(line)["recommendations"]} for line in (mine, other))
            self.assertEqual(set(mine), set(other))
            self.assertEqual(len(mine), 60 - len(set(history)))
            for item, score in mine.items():
                self.assertAlmostEqual(score, other[item], delta=TOLERANCE)
            spread = max(spread, max(mine.values()) - min(mine.values()))
        self.assertGreater(spread, 1000 * TOLERANCE)  # scores that are all alike would agree whatever the network

    def test_our_scores_in_pytorch(self):
        for name, settings in {"deep": ["layers=2", "decoder_layers=2", "decoder_feed_forward=2"],
                               "paper": ["residual=false", "feed_forward=false", "steps=1"],
                               "sasrec": ["score=dot_product", "max_length=7"]}.items():
            with self.subTest(name):
                # Biases and gains start as zeros and ones: a higher rate moves them away.
                self.same_lists(self.train(name, "learning_rate=0.01", *settings))

    def test_a_model_trained_in_pytorch(self):
        for kind in ("cddrec", "sasrec"):
            with self.subTest(kind):
                directory = self.root / f"torch_{kind}"
                told = run(sys.executable, "-B", SCRIPTS / "train.py", "--data", self.log, "--output", directory, "--model", kind, "--epochs", 4,
                           "--width", 16).stdout.splitlines()
                self.assertLess(float(told[-1].split()[-1]), float(told[0].split()[-1]))
                self.same_lists(directory)
                said = json.loads(run(COMMAND, "evaluate", "--model", directory, "--data", self.log, "--json").stdout)
                self.assertEqual((said["model"], said["users"]), (kind, 150))

    def test_layers_are_those_of_pytorch(self):
        tensors, items, metadata = checkpoint.load(self.train("gru4rec", "layers=2"))
        self.assertEqual((len(items), metadata["model"]), (60, "gru4rec"))
        part = {name.removeprefix("encoder."): t for name, t in tensors.items() if name.startswith("encoder.")}
        torch.nn.GRU(16, 16, num_layers=2).load_state_dict(part)
        tensors, _, _ = checkpoint.load(self.train("gan", "gan_pretraining=1"))
        self.assertEqual(tensors["discriminator.verdict.weight"].shape, (1, 16))

    def test_what_another_hand_wrote_is_sealed(self):
        directory = self.train("sealed")
        path = directory / "model.safetensors"
        tensors, items, metadata = checkpoint.load(directory)
        tensors["item_ids"] = torch.tensor(list("".join(f"{i}\n" for i in items).encode()), dtype=torch.uint8)
        ask = [COMMAND, "recommend", "--model", directory, "--input", self.root / "histories.txt", "--json"]
        before = run(*ask).stdout
        metadata.pop("checksum")
        safetensors.torch.save_file(tensors, path, metadata)
        self.assertIn("checkpoint.py", run(*ask, status=2).stderr)
        run(sys.executable, "-B", SCRIPTS / "checkpoint.py", path)
        self.assertEqual(run(*ask).stdout, before)
        run(sys.executable, "-B", SCRIPTS / "checkpoint.py", path)  # sealed once more
        self.assertEqual(run(*ask).stdout, before)


if __name__ == "__main__":
    unittest.main()
