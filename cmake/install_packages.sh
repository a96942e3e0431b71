# shellcheck shell=bash
# Sourced by what builds: install_packages [tests] [clang] [everything] sees to what that needs; tests: Catch2; clang: sanitizers, fuzzing and
# counting coverage; everything: that without which tests of the service, of packaging and those in Python would be skipped.
# Each need is looked for by what it provides; only what is missing is installed, by apt-get on Debian 12 and Ubuntu 24.04.

# True if version $1 is at least $2.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

has_compiler() {
  local name
  for name in ${CXX:-g++ clang++}; do
    case $name in -*) continue ;; esac
    command -v "$name" >/dev/null || continue
    case $name in
      *clang*) version_at_least "$("$name" -dumpversion)" 14 || continue ;;
      *g++*) version_at_least "$("$name" -dumpversion)" 12 || continue ;;
    esac
    export CXX="${CXX:-$name}"
    return 0
  done
  return 1
}

has_cmake() { command -v cmake >/dev/null && version_at_least "$(cmake --version | sed -n '1s/.* //p')" 3.25; }

has_header() {
  local folder
  local IFS=:
  for folder in ${CPLUS_INCLUDE_PATH:-} ${CPATH:-} /usr/local/include /usr/include /usr/local/include/eigen3 /usr/include/eigen3; do
    [ -e "$folder/$1" ] && return 0
  done
  for folder in ${CMAKE_PREFIX_PATH:-}; do # where CMake looks, too
    { [ -e "$folder/include/$1" ] || [ -e "$folder/include/eigen3/$1" ]; } && return 0
  done
  return 1
}

# clang++ with its runtimes, which are packages of their own.
has_clang() {
  local tool
  for tool in clang++ llvm-cov llvm-profdata; do
    command -v $tool >/dev/null || return 1
  done
  echo 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' |
    clang++ -x c++ -fsanitize=fuzzer,address -fprofile-instr-generate -fcoverage-mapping - -o /dev/null 2>/dev/null || return 1
  echo '#include <omp.h>
int main() {}' | clang++ -x c++ -fsanitize=thread -fopenmp - -o /dev/null 2>/dev/null
}

# Sets `missing` (what is not there, in words) and `packages` (what provides it).
find_missing() {
  missing="" packages=""
  lack() {
    missing="$missing${missing:+, }$1"
    packages="$packages${packages:+ }$2"
  }
  has_compiler || lack "a C++20 compiler (g++ 12 or clang++ 14, or newer)" g++
  has_cmake || lack "CMake 3.25 or newer" cmake
  command -v make >/dev/null || lack make make
  has_header Eigen/Core || lack "Eigen 3.4 (Eigen/Core)" libeigen3-dev
  has_header nlohmann/json.hpp || lack "nlohmann/json 3.9 or newer (nlohmann/json.hpp)" nlohmann-json3-dev
  has_header zlib.h || lack "zlib (zlib.h)" zlib1g-dev
  has_header CLI/CLI.hpp || lack "CLI11 2.1 or newer (CLI/CLI.hpp)" libcli11-dev
  case " $* " in *" tests "*)
    has_header catch2/catch.hpp || has_header catch2/catch_all.hpp || lack "Catch2 (catch2/catch.hpp or catch2/catch_all.hpp)" catch2
    ;;
  esac
  case " $* " in *" clang "*)
    has_clang || lack "clang++ with libFuzzer, OpenMP, llvm-cov and llvm-profdata" "clang libclang-rt-dev libomp-dev llvm"
    ;;
  esac
  case " $* " in *" everything "*)
    has_header httplib.h || lack "cpp-httplib (httplib.h)" libcpp-httplib-dev
    has_header hnswlib/hnswlib.h || lack "hnswlib (hnswlib/hnswlib.h)" libhnswlib-dev
    command -v curl >/dev/null || command -v wget >/dev/null || lack "curl or wget" curl
    command -v pkg-config >/dev/null || lack pkg-config pkg-config
    command -v doxygen >/dev/null || lack doxygen doxygen
    command -v python3 >/dev/null || lack "Python 3" python3
    ;;
  esac
}

install_packages() {
  local missing packages as_root="" report
  find_missing "$@"
  [ -z "$missing" ] && return 0
  if ! command -v apt-get >/dev/null; then
    echo "$0: this system has no apt-get; please install: $missing" >&2
    return 2
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "$0: neither root nor sudo; please run as root: apt-get install $packages" >&2
      return 2
    fi
    as_root=sudo
  fi
  echo "installing: $packages"
  report=$(mktemp) || return 2
  # Whether the update worked shows in the install: a broken foreign source need not stop us.
  $as_root apt-get -o DPkg::Lock::Timeout=120 update >"$report" 2>&1
  # $packages is a list of words.
  # shellcheck disable=SC2086
  if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y --no-install-recommends \
    $packages >>"$report" 2>&1 </dev/null; then
    tail -n 15 "$report" >&2
    rm -f "$report"
    echo "$0: could not install $packages; is the network there? By hand: apt-get update && apt-get install $packages" >&2
    return 2
  fi
  rm -f "$report"
  find_missing "$@"
  [ -z "$missing" ] && return 0
  echo "$0: this system's packages are too old or in an unusual place; please install: $missing" >&2
  return 2
}
