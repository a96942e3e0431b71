"""The service's page in a real browser: items are clicked together, and the recommendations follow.

page_test.py BIN CHROMIUM [SCREENSHOT]: BIN holds cddrec and cddrec_serve; the picture is written where it is asked for.
Exits with 77, which CTest counts as skipped, where Chromium does not start.
Chromium is driven through its debugging pipe, so Python needs no packages.
"""

import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BIN, CHROMIUM = pathlib.Path(sys.argv[1]), sys.argv[2]
SCREENSHOT = sys.argv[3] if len(sys.argv) > 3 else None


class Browser:
    """A page of a headless Chromium; messages on its pipe are JSON, each ended by a zero byte."""

    def __init__(self, folder):
        their_in, self.out = os.pipe()
        self.into, their_out = os.pipe()

        def pipes():  # Chromium reads from 3 and writes to 4
            high_in, high_out = os.dup(their_in), os.dup(their_out)
            os.dup2(high_in, 3)
            os.dup2(high_out, 4)

        self.child = subprocess.Popen(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
             "--window-size=1200,800", f"--user-data-dir={folder}/chromium", "about:blank"],
            preexec_fn=pipes, close_fds=False, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        os.close(their_in)
        os.close(their_out)
        self.bytes, self.calls, self.errors = b"", 0, []
        try:
            self.attach()
        except BaseException:
            self.close()
            raise

    def attach(self):
        while not (pages := [t for t in self.ask("Target.getTargets", None)["targetInfos"] if t["type"] == "page"]):
            time.sleep(0.05)  # it has only just started
        page = pages[0]
        self.session = self.ask("Target.attachToTarget", None, targetId=page["targetId"], flatten=True)["sessionId"]
        self.ask("Runtime.enable")
        self.ask("Page.enable")

    def ask(self, method, session="own", **parameters):
        self.calls += 1
        message = {"id": self.calls, "method": method, "params": parameters}
        if session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self.bytes:
                more = os.read(self.into, 1 << 16)
                if not more:
                    raise RuntimeError("the browser went away")
                self.bytes += more
            text, self.bytes = self.bytes.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"])
            if answer.get("id") == self.calls:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def run(self, script):
        result = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def wait(self, condition):
        """Until a script's value is true; 20 seconds at most."""
        for _ in range(400):
            if self.run(condition):
                return
            time.sleep(0.05)
        raise AssertionError(f"never true: {condition}; the page says: {self.run('document.body.innerText')}")

    def close(self):
        self.child.kill()
        self.child.wait()
        os.close(self.out)
        os.close(self.into)


class Service(unittest.TestCase):
    """A service with these options, and a browser."""
    OPTIONS = []

    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        cls.addClassCleanup(scratch.cleanup)
        folder = scratch.name
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        subprocess.run([BIN / "cddrec", "generate", "--users", "400", "--items", "90", "--output", "log.txt"], **quiet)
        subprocess.run([BIN / "cddrec", "train", "--data", "log.txt", "--output", "model", "--model", "item_knn"], **quiet)
        command = [BIN / "cddrec_serve", "--model", folder + "/model", "--port", "0", *cls.OPTIONS]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.stop, server)
        cls.address = re.search(r"http://\S+", server.stdout.readline())[0]
        cls.browser = Browser(folder)
        cls.addClassCleanup(cls.browser.close)

    @staticmethod
    def stop(server):
        server.send_signal(signal.SIGINT)
        try:
            ended = server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            ended = server.wait()
        server.stdout.close()
        assert ended == 0, f"the service ended with status {ended}"

    # What the page shows.
    HISTORY = "[...document.querySelectorAll('#history button')].map(b => b.textContent)"
    LIST = "[...document.querySelectorAll('#list li button span:nth-child(2)')].map(s => s.textContent)"
    MOVES = "[...document.querySelectorAll('#list .move')].map(s => s.textContent)"
    SCORES = "[...document.querySelectorAll('#list .score')].map(s => +s.textContent)"

    def open(self, path="/"):
        self.browser.ask("Page.navigate", url="about:blank")
        self.browser.ask("Page.navigate", url=self.address + path)
        self.browser.wait("document.querySelectorAll('#catalogue button').length > 0 && !!document.querySelector('#model').textContent")

    def click(self, item):
        """An item of the catalogue; waits for what is recommended after it."""
        self.browser.run("document.querySelectorAll('#list li').forEach(li => li.dataset.old = 1)")
        self.browser.run(f"[...document.querySelectorAll('#catalogue button')].find(b => b.textContent === '{item}').click()")
        self.browser.wait("document.querySelectorAll('#list li').length > 0 && !document.querySelector('#list li[data-old]')")


class Page(Service):
    def test_clicks_make_a_history_and_recommendations_follow(self):
        b = self.browser
        self.open()
        self.assertEqual(b.run(self.HISTORY), [])
        self.assertEqual(b.run(self.LIST), [])
        self.assertIn("Nothing to recommend", b.run("at('said').textContent"))
        self.assertEqual(b.run("at('model').textContent"), "item_knn, 90 items")
        self.click("i3")
        first = b.run(self.LIST)
        self.assertEqual(len(first), 15)
        self.assertNotIn("i3", first)
        self.assertEqual(b.run(self.HISTORY), ["i3"])
        self.assertEqual(set(b.run(self.MOVES)), {""})  # nothing was there before
        self.click("i7")
        second = b.run(self.LIST)
        self.assertEqual(b.run(self.HISTORY), ["i3", "i7"])
        self.assertNotEqual(second, first)
        for item, move in zip(second, b.run(self.MOVES)):  # every place and how it came about
            rise = first.index(item) - second.index(item) if item in first else None
            self.assertEqual(move, "new" if rise is None else "" if rise == 0 else f"{'▲' if rise > 0 else '▼'} {abs(rise)}")
        scores = b.run(self.SCORES)
        self.assertEqual(scores, sorted(scores, reverse=True))
        # A recommendation is taken up, then what was clicked first is taken back.
        b.run("document.querySelector('#list button').click()")
        b.wait(f"{self.HISTORY}.length === 3 && {self.LIST}.length === 15 && !{self.LIST}.includes('{second[0]}')")
        self.assertEqual(b.run(self.HISTORY), ["i3", "i7", second[0]])
        b.run("document.querySelector('#history button').click()")
        b.wait(f"{self.HISTORY}.length === 2")
        self.assertEqual(b.run(self.HISTORY), ["i7", second[0]])
        self.assertEqual(json.loads(b.run("decodeURIComponent(location.hash.slice(1))")), ["i7", second[0]])
        if SCREENSHOT:
            b.wait(f"{self.LIST}.length === 15")
            time.sleep(0.5)
            pathlib.Path(SCREENSHOT).write_bytes(base64.b64decode(b.ask("Page.captureScreenshot")["data"]))
        b.run("at('clear').click()")
        b.wait(f"{self.LIST}.length === 0 && {self.HISTORY}.length === 0")
        self.assertEqual(b.errors, [])

    def test_a_link_holds_the_history_and_unknown_items_are_said(self):
        b = self.browser
        self.open('/#' + '%5B%22i5%22%2C%22moon%22%2C%22i9%22%5D')
        b.wait(f"{self.LIST}.length === 15")
        self.assertEqual(b.run(self.HISTORY), ["i5", "moon", "i9"])
        self.assertEqual(b.run("at('said').textContent"), "Unknown to the model, and left out: 1.")
        self.assertEqual(b.errors, [])

    def test_items_are_found_by_part_of_their_name(self):
        b = self.browser
        self.open()
        b.run("at('query').value = 'i8', at('query').dispatchEvent(new Event('input'))")
        b.wait("[...document.querySelectorAll('#catalogue button')].every(b => b.textContent.includes('i8'))")
        self.assertIn("i8", b.run("[...document.querySelectorAll('#catalogue button')].map(b => b.textContent)"))
        b.run("at('query').value = 'moon', at('query').dispatchEvent(new Event('input'))")
        b.wait("at('catalogue').textContent === 'No item matches.'")
        self.assertEqual(b.errors, [])


class Limited(Service):
    OPTIONS = ["--max-top", "7"]

    def test_the_page_asks_for_no_more_than_the_service_gives(self):
        b = self.browser
        self.open()
        self.assertEqual(b.run("document.querySelectorAll('#catalogue button').length"), 7)
        self.click(b.run("document.querySelector('#catalogue button').textContent"))
        self.assertEqual(len(b.run(self.LIST)), 7)
        self.assertTrue(b.run("at('said').hidden"))
        self.assertEqual(b.errors, [])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            Browser(scratch).close()
        except (OSError, RuntimeError) as failure:
            print(f"skipped: {CHROMIUM} does not start: {failure}")
            sys.exit(77)
    unittest.main(argv=sys.argv[:1])
