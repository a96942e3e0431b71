"""What the benchmarks run on and what was compiled: the lines at the head of the page."""
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def usable():
    """The processors this process may use, the first of every core before the second of any."""
    def order(number):
        file = pathlib.Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        text = file.read_text(encoding="utf-8") if file.exists() else str(number)  # such as 0-1 or 0,8
        ends = [(int(first), int(last or first)) for first, last in re.findall(r"(\d+)-?(\d*)", text)]
        return [n for first, last in ends for n in range(first, last + 1)].index(number), number

    return sorted(os.sched_getaffinity(0), key=order)


def processor():
    info = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8") if os.path.exists("/proc/cpuinfo") else ""
    name = re.search(r"model name\s*:\s*(.*)", info)
    flags = set(re.search(r"flags\s*:\s*(.*)", info).group(1).split()) if "flags" in info else set()
    widest = next((w for w in ("avx512f", "avx2", "avx") if w in flags), "sse2")
    return f"{name.group(1) if name else platform.machine()} ({widest}), {len(usable())} processors"


def settings_of_build():
    return (ROOT / "build/benchmarks/CMakeCache.txt").read_text(encoding="utf-8")


def compiler():
    cache = settings_of_build()
    path = re.search(r"CMAKE_CXX_COMPILER:\w+=(.*)", cache).group(1)
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    flags = [re.search(rf"{name}:\w+=(.*)", cache).group(1) for name in ("CMAKE_CXX_FLAGS_RELEASE", "CMAKE_CXX_FLAGS")]
    wide = ["-mprefer-vector-width=512"] if re.search(r"CDDREC_HAS_VECTOR_WIDTH:\w+=1", cache) else []
    native = ["-march=native", *wide] if "CDDREC_NATIVE:BOOL=ON" in cache else []
    return f"{version}, {' '.join(filter(None, flags + native))}"


def code():
    """The line that says which code was measured, and when; no line where git does not know."""
    git = lambda *words: subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    commit = git("log", "-1", "--format=%h of %cs")
    if commit.returncode != 0:
        return []
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "include", "benchmarks", "examples/cddrec", "cmake", "CMakeLists.txt").stdout.strip()
    return [f"- the code of {commit.stdout.strip()}{', changed' if changed else ''}, measured on {time.strftime('%Y-%m-%d')}"]


def compilation():
    """Seconds and MiB that the compiler takes for a program that includes the door, at -O2; no optimisation that a user did not ask for."""
    cache = settings_of_build()
    compiler, eigen = (re.search(rf"{name}:\w+=(.*)", cache).group(1) for name in ("CMAKE_CXX_COMPILER", "Eigen3_DIR"))
    include = next((str(d / "include/eigen3") for d in pathlib.Path(eigen).parents if (d / "include/eigen3").is_dir()), "/usr/include/eigen3")
    openmp = re.search(r"OpenMP_CXX_FLAGS:\w+=(-.*)", cache) if "CDDREC_OPENMP:BOOL=ON" in cache else None  # where the compiler has it
    command = [compiler, "-std=c++20", "-O2", *(openmp.group(1).split() if openmp else ()), "-I", ROOT / "include",
               "-isystem", include, "-x", "c++", "-", "-c", "-o", os.devnull]
    begin = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    process.stdin.write(b'#include "cddrec/cddrec.hpp"\nint main() {}\n')
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status  # it has been waited for
    if status != 0:
        sys.exit("report.py: cddrec/cddrec.hpp does not compile")
    return time.monotonic() - begin, used.ru_maxrss / 1024
