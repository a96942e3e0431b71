"""report.html in a real browser: it renders, light and dark, wide and narrow, and nothing runs over.

    report_test.py CDDREC    the binary; exits with 77, which CTest counts as skipped, where no Chromium starts
"""
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
CDDREC = pathlib.Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else None
SKIPPED = 77

# Run in a copy of the page, which has no script of its own: what is wider than the window, and which words leave their picture or
# lie on one another.
PROBE = """<script>
const wrong = [];
const root = document.documentElement;
if (root.scrollWidth > root.clientWidth) wrong.push(`the page is ${root.scrollWidth} wide in a window of ${root.clientWidth}`);
for (const e of document.body.querySelectorAll("*")) {
  const box = e.getBoundingClientRect();
  if (!e.closest(".scroll") && (box.right > root.clientWidth + 1 || box.left < -1)) wrong.push(`${e.tagName} leaves the window`);
}
for (const picture of document.querySelectorAll("svg")) {
  const frame = picture.getBoundingClientRect(), words = [...picture.querySelectorAll("text")];
  const boxes = words.map(w => w.getBoundingClientRect());
  boxes.forEach((b, i) => {
    if (b.left < frame.left - 1 || b.right > frame.right + 1 || b.top < frame.top - 1 || b.bottom > frame.bottom + 1)
      wrong.push(`"${words[i].textContent}" leaves ${picture.getAttribute("aria-label")}`);
    for (let j = 0; j < i; ++j) {
      const c = boxes[j];
      if (Math.min(b.right, c.right) - Math.max(b.left, c.left) > 2 && Math.min(b.bottom, c.bottom) - Math.max(b.top, c.top) > 4)
        wrong.push(`"${words[i].textContent}" lies on "${words[j].textContent}" in ${picture.getAttribute("aria-label")}`);
    }
  });
}
const found = {wrong, pictures: document.querySelectorAll("svg").length, height: root.scrollHeight};
document.body.innerHTML = "<pre id=found></pre>";
document.getElementById("found").textContent = "FOUND" + JSON.stringify(found) + "END";
</script>"""


def pixels(path):
    """Rows of RGB bytes of a PNG as Chromium writes it: 8 bits, RGB or RGBA, not interlaced."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[at + 8:at + 21])
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += 12 + size
    assert depth == 8 and colour in (2, 6) and not interlaced
    step, raw = (3 if colour == 2 else 4), zlib.decompress(packed)
    rows, before = [], bytes(width * step)
    for y in range(height):
        begin = y * (width * step + 1)
        line, filtered = bytearray(raw[begin + 1:begin + 1 + width * step]), raw[begin]
        for i in range(len(line)) if filtered else ():
            left, up, corner = (line[i - step] if i >= step else 0), before[i], (before[i - step] if i >= step else 0)
            if filtered == 4:
                p = left + up - corner
                nearest = min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]
            line[i] = (line[i] + (0, left, up, (left + up) // 2, nearest if filtered == 4 else 0)[filtered]) & 255
        rows.append([bytes(line[i:i + 3]) for i in range(0, len(line), step)])
        before = bytes(line)
    return rows


def browse(folder, *words):
    """What Chromium prints, with its own files in a folder."""
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile", *words]
    return subprocess.run(command, check=True, capture_output=True, timeout=300).stdout.decode()


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.root = pathlib.Path(scratch.name)
        run = lambda *words: subprocess.run([CDDREC, *words], cwd=cls.root, check=True, capture_output=True)
        run("generate", "--users", "300", "--items", "80", "--output", "log.txt")
        for kind in ("cddrec", "sasrec", "markov"):
            small = [] if kind == "markov" else ["--epochs", "3", "--set", "width=16", "--set", "heads=2"]
            run("train", "--data", "log.txt", "--output", kind, "--model", kind, *small, "--threads", "1")

    def browse(self, page, width, height, *options):
        return browse(self.root, f"--window-size={width},{height}", *options, page.as_uri())

    def probe(self, kind, width):
        page = self.root / f"probed_{kind}.html"
        report = (self.root / kind / "report.html").read_text(encoding="utf-8")
        page.write_text(report.replace("</body>", PROBE + "</body>"), encoding="utf-8")
        return json.loads(re.search("FOUND(.*)END", self.browse(page, width, 800, "--dump-dom"), re.S).group(1))

    def test_nothing_runs_over(self):
        for kind, pictures in (("cddrec", 9), ("sasrec", 2), ("markov", 0)):
            for width in (1200, 500):
                with self.subTest(kind=kind, width=width):
                    found = self.probe(kind, width)
                    self.assertEqual(found["wrong"], [])
                    self.assertGreaterEqual(found["pictures"], pictures)
                    self.assertGreater(found["height"], 300)

    def test_light_and_dark_pages_are_painted(self):
        for scheme, name in ((1, "light"), (0, "dark")):
            with self.subTest(name):
                shot = self.root / f"{name}.png"
                self.browse(self.root / "cddrec" / "report.html", 1000, 1500, f"--blink-settings=preferredColorScheme={scheme}",
                            f"--screenshot={shot}")
                rows = pixels(shot)
                self.assertEqual((len(rows[0]), len(rows)), (1000, 1500))
                paper = rows[2][2]
                self.assertEqual(sum(paper) > 3 * 200, name == "light")
                inked = [sum(p != paper for p in row) for row in rows]
                self.assertGreater(sum(inked), 20000)
                for top in range(0, 1500, 300):  # no part of the page is blank
                    self.assertGreater(sum(inked[top:top + 300]), 1000)
                self.assertGreater(len({p for row in rows for p in row}), 50)


if __name__ == "__main__":
    if CHROMIUM is None:
        print("skipped: no chromium, chromium-browser or google-chrome here")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            probe = pathlib.Path(scratch, "probe.html")
            probe.write_text("<p>here</p>", encoding="utf-8")
            if "here" not in browse(scratch, "--dump-dom", probe.as_uri()):
                raise OSError("it does not see our files")
        except (OSError, subprocess.SubprocessError) as failure:
            print(f"skipped: {CHROMIUM} does not start: {failure}")
            sys.exit(SKIPPED)
    unittest.main(verbosity=2)
