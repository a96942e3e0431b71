"""What the tests of `cddrec export --what onnx` have in common: the kinds of models, each trained, exported and asked for its lists."""
import json
import pathlib
import subprocess
import sys
import tempfile

COMMAND = str(pathlib.Path(sys.argv.pop(1)).resolve())


def run(*words):
    done = subprocess.run([COMMAND, *(str(w) for w in words)], capture_output=True, text=True)
    assert done.returncode == 0, (words, done.stderr)
    return done.stdout


class exported:
    """Goes before unittest.TestCase. A test has USERS, ITEMS, HISTORIES, SETTINGS, and compare(PATH of a model.onnx, what the command
    recommends for each history: all that it has not seen, best first)."""

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.root = pathlib.Path(scratch.name)
        cls.log, cls.input = cls.root / "log.txt", cls.root / "histories.txt"
        run("generate", "--users", cls.USERS, "--items", cls.ITEMS, "--output", cls.log, "--seed", 3)
        cls.input.write_text("".join(" ".join(h) + "\n" for h in cls.HISTORIES), encoding="utf-8")

    def check(self, kind, *settings):
        directory = self.root / f"{kind}-{len(list(self.root.iterdir()))}"
        words = [w for s in (*self.SETTINGS, *settings) for w in ("--set", s)]
        run("train", "--data", self.log, "--output", directory, "--model", kind, "--threads", 1, *words)
        run("export", "--model", directory, "--what", "onnx", "--output", directory / "model.onnx")
        lines = run("recommend", "--model", directory, "--input", self.input, "--top", self.ITEMS, "--json").splitlines()
        lists = [json.loads(line)["recommendations"] for line in lines]
        self.assertEqual([len(best) for best in lists], [self.ITEMS - len(set(h)) for h in self.HISTORIES])
        self.compare(directory / "model.onnx", lists)

    def test_the_cross_decoder(self):
        self.check("cddrec", "layers=2", "decoder_layers=2")
        self.check("cddrec", "residual=false", "feed_forward=false", "score=dot_product")

    def test_the_transformer_decoder(self):
        self.check("cddrec", "denoiser=transformer_decoder", "decoder_layers=2", "decoder_feed_forward=1")

    def test_kinds_without_diffusion(self):
        self.check("sasrec", "max_length=1")
        self.check("vae", "decoder_layers=2")
        self.check("gan", "gan_pretraining=1")
