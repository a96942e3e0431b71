#!/usr/bin/env python3
"""Runs examples/data/get.sh against a server on the loopback; its files are made here, so their checksums take the place of the paper's."""
import hashlib
import http.server
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "examples/data/get.sh"
PAPER = {"Beauty": "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
         "Office_Products": "adc4056de39e8bf939ddc9fd059e555b5f940fbdce33f9aaf4bcbb6dd4aa36e2",
         "Tools_and_Home_Improvement": "16eebac18159504fe32d42bb650d157fb535d04b20e2bb43b452b33450d2677b",
         "Toys_and_Games": "176c680c688d497598c4a89a03b402c0fe78d795e5db335c2e78dd5f2d778a3f"}
FILES = {name: b"".join(b"%s %d %d\n" % (name.encode(), k, k * k) for k in range(2000)) for name in PAPER}


class handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        state = self.server
        content = state.files.get(pathlib.PurePosixPath(self.path).stem)
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if state.ranges else None
        begin = int(wanted[1]) if wanted else 0
        state.asked.append((self.path, begin))
        if content is None or not self.path.startswith("/data/"):
            self.send_error(404)
            return
        if wanted and begin >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin:begin + state.most])


class get(unittest.TestCase):
    tool = "curl"

    def setUp(self):
        if not shutil.which(self.tool) or not shutil.which("bash"):
            self.skipTest(f"{self.tool} is not installed")
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        text = SCRIPT.read_text(encoding="utf-8")
        for name, checksum in PAPER.items():
            self.assertEqual(text.count(checksum), 1)
            text = text.replace(checksum, hashlib.sha256(FILES[name]).hexdigest())
        (self.root / "get.sh").write_text(text, encoding="utf-8")
        # A search path with one of the two tools, so that the script has no choice.
        self.path = self.root / "bin"
        self.path.mkdir()
        for tool in ("bash", "cut", "mkdir", "mv", "rm", "sed", "sha256sum", "shasum", "wc", self.tool):
            if shutil.which(tool):
                (self.path / tool).symlink_to(shutil.which(tool))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.files, self.server.ranges, self.server.most, self.server.asked = dict(FILES), True, 1 << 30, []
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/data"
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        self.addCleanup(lambda: (self.server.shutdown(), thread.join(), self.server.server_close()))

    def run_script(self, *arguments, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return subprocess.run([str(self.path / "bash"), "get.sh", *arguments], cwd=self.root, capture_output=True, text=True,
                              env={**clean, "PATH": str(self.path), **environment})

    def fetched(self, *names):
        for name in names:
            self.assertEqual((self.root / "logs" / f"{name}.txt").read_bytes(), FILES[name])
        self.assertEqual(sorted(p.name for p in (self.root / "logs").iterdir()), sorted(f"{n}.txt" for n in names))

    def test_all_four_once(self):
        done = self.run_script("--from", self.address + "/", "--to", "logs")
        self.assertEqual((done.returncode, done.stdout.count(": fetched\n")), (0, 4), done.stderr)
        self.fetched(*FILES)
        self.server.asked.clear()
        again = self.run_script("--to", "logs", CDDREC_DATA_URL=self.address)
        self.assertEqual((again.returncode, again.stdout.count(": already there\n"), self.server.asked), (0, 4, []))

    def test_goes_on_where_a_part_ends(self):
        self.server.most = 1000  # the connection breaks
        broken = self.run_script("--to", "logs", "Beauty", CDDREC_DATA_URL=self.address)
        self.assertEqual(broken.returncode, 1)
        self.assertIn("cannot be fetched; check the network", broken.stderr)
        part = self.root / "logs/Beauty.txt.part"
        begin = part.stat().st_size
        self.assertGreaterEqual(begin, 1000)
        self.assertFalse((self.root / "logs/Beauty.txt").exists())
        self.server.most = 1 << 30
        self.server.asked.clear()
        self.assertEqual(self.run_script("--to", "logs", "Beauty", CDDREC_DATA_URL=self.address).returncode, 0)
        self.assertEqual(self.server.asked, [("/data/Beauty.txt", begin)])
        self.fetched("Beauty")

    def test_a_part_that_is_begun_anew_and_breaks_off(self):
        (self.root / "logs").mkdir()
        part = self.root / "logs/Beauty.txt.part"
        part.write_bytes(FILES["Beauty"][:500])
        self.server.ranges, self.server.most = False, 1000
        broken = self.run_script("--to", "logs", "Beauty", CDDREC_DATA_URL=self.address)
        self.assertEqual(broken.returncode, 1)
        self.assertIn("cannot be fetched; check the network", broken.stderr)
        self.assertGreaterEqual(part.stat().st_size, 500)

    def test_parts_that_nothing_can_be_added_to(self):
        (self.root / "logs").mkdir()
        for content, ranges, asked in [(FILES["Beauty"], True, 0), (b"x" * 100_000, True, None), (FILES["Beauty"][:500], False, None)]:
            (self.root / "logs/Beauty.txt.part").write_bytes(content)
            self.server.ranges = ranges
            self.server.asked.clear()
            done = self.run_script("--from", self.address, "--to", "logs", "Beauty")
            if done.returncode != 0:  # wget takes a 416 for "whole", so that the checksum finds it out
                self.assertIn("SHA-256", done.stderr)
                done = self.run_script("--from", self.address, "--to", "logs", "Beauty")
            self.assertEqual(done.returncode, 0, done.stderr)
            if asked is not None:
                self.assertEqual(len(self.server.asked), asked)
            self.fetched("Beauty")
            (self.root / "logs/Beauty.txt").unlink()

    def test_a_wrong_file_is_not_kept(self):
        self.server.files["Beauty"] = FILES["Beauty"][:-1] + b"x"
        done = self.run_script("--from", self.address, "--to", "logs", "Beauty", "Toys_and_Games")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "Beauty.txt: its SHA-256 is [0-9a-f]{64}, not [0-9a-f]{64}: not kept")
        self.fetched("Toys_and_Games")
        (self.root / "logs/Beauty.txt").write_bytes(b"my own\n")
        done = self.run_script("--from", self.address, "--to", "logs", "Beauty")
        self.assertEqual((done.returncode, (self.root / "logs/Beauty.txt").read_bytes()), (1, b"my own\n"))
        self.assertIn("is not the paper's file", done.stderr)

    def test_offline(self):
        self.server.files.clear()
        done = self.run_script("--from", self.address, "--to", "logs", "Beauty")
        self.assertEqual((done.returncode, list((self.root / "logs").iterdir())), (1, []))
        (self.root / "logs/Beauty.txt.part").write_bytes(FILES["Beauty"][:500])
        # Nobody listens on port 1, and what had come is still there.
        done = self.run_script("--from", "http://127.0.0.1:1", "--to", "logs", "Beauty")
        self.assertEqual(done.returncode, 1)
        self.assertIn("http://127.0.0.1:1/Beauty.txt: cannot be fetched; check the network", done.stderr)
        self.assertEqual((self.root / "logs/Beauty.txt.part").read_bytes(), FILES["Beauty"][:500])

    def test_usage(self):
        self.assertIn("--from ADDRESS", self.run_script("--help").stdout)
        for arguments, message in [(["Books"], "unknown log 'Books'"), (["--to"], "--to needs a value"), (["--from", ""], "is empty")]:
            done = self.run_script(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertIn(message, done.stderr)
        (self.path / self.tool).unlink()
        self.assertIn("needs curl or wget", self.run_script().stderr)


class get_by_wget(get):
    tool = "wget"


if __name__ == "__main__":
    if not any(map(shutil.which, ("curl", "wget"))):
        print("skipped: there is neither curl nor wget")
        sys.exit(77)
    unittest.main()
