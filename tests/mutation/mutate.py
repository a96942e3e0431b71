#!/usr/bin/env python3
"""Changes the kernels by one sign, bound or index at a time: their tests must notice.

    tests/mutation/mutate.py [--count N] [--seed S] [--results FILE] [--minutes M] [--retry] [--kernel NAME]… [--list]

Each mutant is a header of include/cddrec/kernel with one small change. The test of the same name is compiled against it and run: killed if
it fails, crashes or does not end. To save time the test is compiled once, so that it calls kernels by their symbols, and linked with those
of the mutant; what survives that is compiled whole, then again under the sanitizers of preset asan-ubsan. Those that change nothing one
could see are in equivalent.txt, each with its reason, and are not counted; nor are those that do not compile. What is done is kept in a
file (build/mutation/results.jsonl), and the next call goes on from there; --retry runs again what survived.
Exit status: 0 at least 95 of 100 were killed, 1 fewer or out of time."""
import argparse
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time

root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
kernels = os.path.join(root, "include", "cddrec", "kernel")
# Headers whose test is elsewhere too: the first that fails is enough.
tests_of = {"matmul": ["matmul", "fixed_point"]}
bound = 0.95


def masked(text):
    """The text with everything blank that is no code to change: comments, strings, assertions, directives, template heads, attributes."""
    patterns = [r"//[^\n]*", r'"(?:\\.|[^"\\\n])*"', r"^#[^\n]*", r"^ *(?:static_assert|CDDREC_ASSERT)\([^;]*;", r"^ *template <[^\n]*",
                r"\[\[[^\n]*?\]\]", r"__attribute__\(\([^\n]*?\)\)\)?", r"alignas\([^()]*\)"]
    for pattern in patterns:
        text = re.sub(pattern, lambda found: re.sub(r"[^\n]", " ", found.group()), text, flags=re.MULTILINE)
    return text


# What is looked for (a group is what changes) and what takes its place. Operators have spaces around them, template brackets have not.
operators = [(r" (\+|-|\*|/|%) ", {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/"}),
             (r" (\+=|-=|\*=|/=) ", {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*="}),
             (r" (<|<=|>|>=|==|!=|&&|\|\|) ", {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "&&": "||", "||": "&&"}),
             (r"(?<![\w.])([01])(?![\w.])", {"0": "1", "1": "0"}),
             (r"(?<=[(,=?:] )(-)(?=\w)|(?<=\()(-)(?=\w)", {"-": ""}),
             (r"(?:std|simd)::(min|max)\b", {"min": "max", "max": "min"}),
             (r"(\+\+|--)(?=\w)", {"++": "--", "--": "++"}),
             (r"(?:\[|\.(?:row|begin|end|at)\()([a-z]\w*)[\])]", None),
             (r"\w\(([a-z]\w*), [^()]*\) ", None)]
# A whole statement on lines of its own, that declares nothing.
statement = re.compile(r"(?<=[;{}:)]\n)( *)((?:\*?[\w:.\[\]]+(?:\([^;{}]*\))?(?:<\w+>)?(?:\[[^;{}]*\])?) ?"
                       r"(?:[-+*/|]?= [^;{}]*|\([^;{}]*\)));\n")
declares = re.compile(r"(?:const|constexpr|using|typedef|return|auto|else|for|if|while)\b")


def mutants_of(name):
    """Every mutant of a kernel, in the order of the text: (place, length, what stands there instead)."""
    text = read(os.path.join(kernels, name + ".hpp"))
    code, found = masked(text), []
    for pattern, instead in operators:
        for match in re.finditer(pattern, code):
            group = match.lastindex
            old = match.group(group)
            found.append((match.start(group), len(old), old + " + 1" if instead is None else instead[old]))
    for match in statement.finditer(code):
        if not declares.match(match.group(2)):
            found.append((match.start(2), len(match.group(2)), ""))
    return text, sorted(set(found))


def line_at(text, place, length=0):
    begin, end = text.rfind("\n", 0, place) + 1, text.find("\n", place + length)
    return " ".join(text[begin:end].split())


def describe(name, text, mutant):
    place, length, new = mutant
    changed = text[:place] + new + text[place + length:]
    return {"file": name + ".hpp", "line": text.count("\n", 0, place) + 1, "old": line_at(text, place, length),
            "new": line_at(changed, place, len(new)), "text": changed}


def show(before, mutant):
    print(f"{before}{mutant['file']}:{mutant['line']}\n- {mutant['old']}\n+ {mutant['new']}", flush=True)


def key_of(mutant):
    return mutant["file"], mutant["line"], mutant["old"], mutant["new"]


def read_equivalent():
    """(file, old line, new line) of what equivalent.txt lists: a file, '-' and '+' lines, a reason; then an empty line."""
    listed = set()
    text = read(os.path.join(os.path.dirname(os.path.abspath(__file__)), "equivalent.txt"))
    for entry in filter(None, re.split(r"\n\s*\n", re.sub(r"(?m)^#.*\n", "", text).strip())):
        lines = entry.split("\n")
        if len(lines) != 4 or not lines[1].startswith("- ") or not lines[2].startswith("+"):
            sys.exit("mutate.py: equivalent.txt: an entry is a file, '- ' and a line, '+ ' and another, the reason; not:\n" + entry)
        listed.add((lines[0], lines[1][2:], lines[2][2:]))
    return listed


# A function of a header, behind its template head if it has one.
function = re.compile(r"(?m)^((?:template <[^\n]*>\n)?)"
                      r"((?:inline )?(?!inline|constexpr|struct|class|using|typedef|template|concept|namespace)[A-Za-z_][\w:<>,&* ]* \w+\()"
                      r"(?=[^;{]*(?:\{[^\n]*)?$)")


def instantiable(name):
    """Whether a demangled name is a function template's, which begin with what they return, and has only types that can be written."""
    if re.search(r"lambda|anonymous|__vector|operator|\[", name):
        return False
    depth = 0
    for at, c in enumerate(name):
        depth += (c == "<") - (c == ">")
        if depth == 0 and c in " (":
            return c == " "
    return False


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def limits(seconds, memory):
    def apply():
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        if memory:  # the address sanitizer reserves far more than it uses
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return apply


class bench:
    """Where mutants are compiled and run: a folder with Catch's main and all that no mutant changes compiled once."""

    def __init__(self, folder, compiler, prefix, sanitizers=()):
        self.folder, self.compiler, self.prefix, self.sanitized = folder, compiler, prefix, bool(sanitizers)
        self.overlay = os.path.join(folder, "include", "cddrec", "kernel")
        os.makedirs(self.overlay, exist_ok=True)
        self.flags = ["-std=c++20", "-O1", "-w", "-march=native", "-fopenmp", *sanitizers, f"-I{folder}/include", f"-I{root}/include",
                      f"-I{root}/tests"]
        for eigen in ("/usr/include/eigen3", "/usr/local/include/eigen3"):
            self.flags += ["-isystem", eigen] if os.path.isdir(eigen) else []
        headers = [f"{root}/tests/compare.hpp", f"{root}/tests/test.hpp"]
        headers += [entry.path for entry in sorted(os.scandir(f"{root}/include/cddrec/core"), key=lambda entry: entry.name)]
        with open(os.path.join(folder, "first.hpp"), "w", encoding="utf-8") as file:
            file.writelines(f'#include "{header}"\n' for header in headers)
        clang = "clang" in compiler
        self.first = ["-include-pch", "first.hpp.pch"] if clang else ["-include", "first.hpp"]
        self.once("first.hpp.pch" if clang else "first.hpp.gch", headers, "-x", "c++-header", "first.hpp")
        self.once("main.o", [f"{root}/tests/main.cpp"], "-O0", "-c", f"{root}/tests/main.cpp")
        with open(os.path.join(folder, "which.cpp"), "w", encoding="utf-8") as file:
            file.write("#if __has_include(<catch2/catch_all.hpp>)\n#error 3\n#endif\n")
        self.catch = [] if self.compile("-fsyntax-only", "which.cpp").returncode == 0 else ["-lCatch2Main", "-lCatch2"]
        self.seconds, self.symbols = {}, {}

    def compile(self, *words):
        return subprocess.run([*self.prefix, self.compiler, *self.flags, *words], cwd=self.folder, capture_output=True, text=True,
                              check=False)

    def once(self, made, sources, *words):
        """Compiles something unless it is there already, of the same sources and by the same command."""
        path, stamp = os.path.join(self.folder, made), os.path.join(self.folder, made + ".txt")
        state = " ".join([self.compiler, *self.flags, *words] + [f"{source} {os.stat(source).st_mtime_ns}" for source in sources])
        if os.path.exists(path) and os.path.exists(stamp) and read(stamp) == state:
            return
        done = self.compile(*words, "-o", made)
        if done.returncode != 0:
            sys.exit(f"mutate.py: cannot compile: {' '.join(done.args)}\n{done.stderr}")
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(state)

    def compiles(self, test):
        return (self.compile(*self.first, "-c", f"{root}/tests/kernel/{test}.cpp", "-o", test + ".o").returncode == 0
                and self.compile("main.o", test + ".o", *self.catch, "-o", test).returncode == 0)

    def passes(self, test, seconds):
        run = subprocess.Popen([*self.prefix, os.path.join(self.folder, test), "--abort"], cwd=self.folder, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                               preexec_fn=limits(seconds, 0 if self.sanitized else 8 << 30),
                               env={**os.environ, "OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "passive"})
        try:
            return run.wait(timeout=30 * seconds) == 0
        except subprocess.TimeoutExpired:  # it waits for ever, which takes no processor time
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            return False

    def overlay_with(self, name, text):
        for other in os.listdir(self.overlay):
            os.remove(os.path.join(self.overlay, other))
        with open(os.path.join(self.overlay, name), "w", encoding="utf-8") as file:
            file.write(text)

    def prepare(self, name, test):
        """Compiles a test as it is, and sees how much processor time it takes."""
        text = read(os.path.join(kernels, name + ".hpp"))
        self.overlay_with(name + ".hpp", text)
        compiled, before = self.compiles(test), resource.getrusage(resource.RUSAGE_CHILDREN)
        if not (compiled and self.passes(test, 600)):
            sys.exit(f"mutate.py: tests/kernel/{test}.cpp does not pass as it is")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds[test] = 3 + int(5 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
        self.symbols[test] = None
        if self.sanitized or "clang" in self.compiler:
            return
        # Its calls of kernels, which the compiler must know nothing of but their names.
        calls = os.path.join(self.folder, "calls", "cddrec", "kernel")
        os.makedirs(calls, exist_ok=True)
        for header in os.listdir(kernels):
            with open(os.path.join(calls, header), "w", encoding="utf-8") as file:
                file.write(function.sub(r"\1[[gnu::noipa]] \2", read(os.path.join(kernels, header))))
        object, source = test + ".calls.o", f"{root}/tests/kernel/{test}.cpp"
        if self.compile("-iquote", f"{self.folder}/calls", *self.first, "-c", source, "-o", object).returncode != 0:
            return
        # What they call, made by explicit instantiation; what cannot be is left to the test's own copy.
        listed = subprocess.run(["nm", "-C", object], cwd=self.folder, capture_output=True, text=True, check=True).stdout
        wanted = [line[19:] for line in listed.splitlines() if line[17:18] == "W" and "cddrec::kernel::" in line[19:].split("(")[0]]
        wanted = [f"template {w};" for w in wanted if instantiable(w)]
        for _ in range(5):
            with open(os.path.join(self.folder, test + ".symbols.cpp"), "w", encoding="utf-8") as file:
                file.write(f'#include "cddrec/kernel/{test}.hpp"\n' + "".join(w + "\n" for w in wanted))
            done = self.compile(*self.first, "-c", test + ".symbols.cpp", "-o", test + ".symbols.o")
            if done.returncode == 0:
                self.symbols[test] = object
                if not self.survives_by_symbols({"file": name + ".hpp", "old": "", "text": text}, test):
                    self.symbols[test] = None
                return
            wrong = {int(line) - 2 for line in re.findall(re.escape(test) + r"\.symbols\.cpp:(\d+):\d+: error", done.stderr)}
            wanted = [w for k, w in enumerate(wanted) if k not in wrong]

    def survives_by_symbols(self, mutant, test):
        """False if a test that was compiled before fails when linked with the mutant's kernels; else nothing is known."""
        if not self.symbols[test] or mutant["old"].startswith(("inline constexpr", "constexpr", "using")):
            return True
        self.overlay_with(mutant["file"], re.sub(r"(?m)^inline (?!constexpr)", "[[gnu::used]] inline ", mutant["text"]))
        if (self.compile(*self.first, "-c", test + ".symbols.cpp", "-o", test + ".symbols.o").returncode != 0
                or self.compile("main.o", test + ".symbols.o", self.symbols[test], *self.catch, "-o", test).returncode != 0):
            return True
        return self.passes(test, self.seconds[test])

    def try_out(self, mutant):
        name = mutant["file"][:-4]
        tests = tests_of.get(name, [name])
        for test in tests:
            if test not in self.seconds:
                self.prepare(name, test)
            if not self.survives_by_symbols(mutant, test):
                return "killed"
        self.overlay_with(mutant["file"], mutant["text"])
        for test in tests:
            if not self.compiles(test):
                return "did not compile"
            if not self.passes(test, self.seconds[test]):
                return "killed"
        return "passed"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=220)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", default=os.path.join(root, "build", "mutation", "results.jsonl"))
    parser.add_argument("--work", default=os.path.join(root, "build", "mutation"), help="where to compile")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--prefix", default="", help="what stands before each command, such as 'nice taskset -c 0'")
    parser.add_argument("--retry", action="store_true", help="run again what survived")
    parser.add_argument("--kernel", action="append", help="only these")
    parser.add_argument("--list", action="store_true", help="show the mutants that would be tried, and end")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes

    equivalent, queue = read_equivalent(), {}
    for name in sorted(header[:-4] for header in os.listdir(kernels) if not options.kernel or header[:-4] in options.kernel):
        text, found = mutants_of(name)
        random.Random(f"{options.seed} {name}").shuffle(found)
        queue[name] = [describe(name, text, mutant) for mutant in found]
    sites = sum(map(len, queue.values()))
    if sites == 0:
        sys.exit("mutate.py: nothing to change; see --kernel")
    # Of each kernel as many as its share of all that could be changed.
    shares = {name: max(1, round(options.count * len(found) / sites)) for name, found in queue.items()}
    if options.list:
        for mutant in (m for name, found in queue.items() for m in found[:shares[name]]):
            show("", mutant)
        return 0

    known = {}
    if os.path.exists(options.results):
        for result in map(json.loads, read(options.results).splitlines()):
            known[key_of(result)] = result["outcome"]
    if options.retry:
        known = {key: outcome for key, outcome in known.items() if outcome not in ("passed", "survived")}
    os.makedirs(os.path.dirname(os.path.abspath(options.results)), exist_ok=True)
    plain = careful = None
    counts, passed, in_time = {"killed": 0, "killed by a sanitizer": 0, "survived": 0, "did not compile": 0, "equivalent": 0}, [], True
    with open(options.results, "a", encoding="utf-8") as results:

        def keep(mutant, outcome):
            results.write(json.dumps({key: mutant[key] for key in ("file", "line", "old", "new")} | {"outcome": outcome}) + "\n")
            results.flush()

        for name, found in queue.items():
            tried = 0
            for mutant in found:
                if tried == shares[name]:
                    break
                if (mutant["file"], mutant["old"], mutant["new"]) in equivalent:
                    counts["equivalent"] += 1
                    continue
                outcome = known.get(key_of(mutant))
                if outcome is None:
                    if time.monotonic() > end:
                        in_time = False
                        break
                    plain = plain or bench(os.path.join(options.work, "plain"), options.compiler, options.prefix.split())
                    outcome = plain.try_out(mutant)
                    keep(mutant, outcome)
                tried += outcome != "did not compile"
                if outcome == "passed":
                    passed.append(mutant)
                else:
                    counts[outcome] += 1
                if outcome == "survived":
                    show("survived: ", mutant)
        for mutant in passed:
            in_time = in_time and time.monotonic() < end
            outcome = "survived"
            if in_time:
                careful = careful or bench(os.path.join(options.work, "sanitized"), options.compiler, options.prefix.split(),
                                           ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"])
                outcome = "killed by a sanitizer" if careful.try_out(mutant) == "killed" else "survived"
                keep(mutant, outcome)
            counts[outcome] += 1
            if outcome == "survived":
                show("survived: ", mutant)
    killed = counts["killed"] + counts["killed by a sanitizer"]
    done = killed + counts["survived"]
    print(f"{done} mutants of {sites} that could be made, seed {options.seed}: {killed} killed ({100 * killed / max(done, 1):.1f} %), "
          f"{counts['killed by a sanitizer']} of them by a sanitizer; {counts['survived']} survived; left out: {counts['equivalent']} "
          f"equivalent, {counts['did not compile']} that do not compile")
    if not in_time:
        print("out of time; the same command goes on from here")
    return 0 if in_time and killed >= bound * done else 1


if __name__ == "__main__":
    sys.exit(main())
