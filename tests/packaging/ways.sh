#!/usr/bin/env bash
# Every way to use the library from a project of one's own, really gone: ways.sh SCRATCH WAY [BUILD]. Builds the programs of consumer/
# outside the tree, runs them and compares what they print; the way `install` comes before find_package and pkg_config.
# The way `programs` installs those of BUILD, a build folder that has them.
# Where CMAKE_PREFIX_PATH says, a list with colons, is looked for what the library needs.
# Exit status: 0 as expected, 1 not, 77 a tool is missing (it says which).
set -e -u -o pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$1 way=$2
work=$scratch/$way prefix=$scratch/prefix
rm -rf "$work"
mkdir -p "$work"
[ "$way" = install ] || cp "$root"/tests/packaging/consumer/* "$work"

needs() {
  command -v "$1" >/dev/null && return
  echo "skipped: $1 is not here"
  exit 77
}

# What a release holds, in a folder whose name is not kind to scripts.
source_tree() {
  local copy="$work/the source"
  mkdir -p "$copy"
  cp -r "$root"/{CMakeLists.txt,LICENSE,cmake,include} "$copy"
  echo "$copy"
}

# build FROM [CMAKE OPTION…]
build() {
  local from=$1
  shift
  cmake -S "$work" -B "$work/build" -DWAY="${cmake_way:-$way}" -DFROM="$from" -DCMAKE_CXX_FLAGS=-O1 "$@"
  cmake --build "$work/build"
}

# run FOLDER: the programs there print what they should.
run() {
  printf 'ann a b c\nbob b c\n' >"$work/log.txt"
  { "$1/consumer" && { [ ! -e "$1/reader" ] || "$1/reader" "$work/log.txt"; }; } | tee "$work/printed.txt"
  [ ! -e "$1/finder" ] || "$1/finder"
  [ -e "$1/reader" ] || echo "2 users, 3 items" >>"$work/printed.txt"
  diff "$work/expected.txt" "$work/printed.txt"
}

case $way in
  install) # what find_package and pkg_config need; moved, since an installation may be
    cmake -S "$root" -B "$scratch/library" -DCDDREC_BUILD_TESTS=OFF -DCDDREC_BUILD_EXAMPLES=OFF -DCDDREC_BUILD_BENCHMARKS=OFF
    cmake --install "$scratch/library" --prefix "$work/prefix"
    rm -rf "$prefix"
    mv "$work/prefix" "$prefix"
    ;;
  programs) # nothing else comes with them, and those that were not built are left out
    cmake --install "$3" --component programs --prefix "$work/prefix"
    [ "$(ls "$work/prefix")" = bin ]
    [ "$("$work/prefix/bin/cddrec" --version)" = "$("$3/bin/cddrec" --version)" ]
    [ ! -e "$3/bin/cddrec_serve" ] || "$work/prefix/bin/cddrec_serve" --help >/dev/null
    ;;
  find_package)
    build "" -DCMAKE_PREFIX_PATH="$prefix"
    run "$work/build"
    ;;
  add_subdirectory)
    build "$(source_tree)"
    run "$work/build"
    # A project that uses us does not install us.
    cmake --install "$work/build" --prefix "$work/prefix"
    [ ! -e "$work/prefix" ]
    ;;
  FetchContent)
    needs git
    # shellcheck disable=SC2046 # names; where git runs a hook they would lead to the repository around us
    unset $(git rev-parse --local-env-vars)
    tree=$(source_tree)
    git -C "$tree" init -q -b main
    git -C "$tree" add .
    git -C "$tree" -c user.name=nobody -c user.email=nobody@example.org -c commit.gpgsign=false -c core.hooksPath=/dev/null \
      commit -q -m "a release"
    mv "$tree" "$work/repository"
    build "file://$work/repository"
    run "$work/build"
    ;;
  pkg_config)
    needs pkg-config
    PKG_CONFIG_PATH="$prefix/share/pkgconfig:${PKG_CONFIG_PATH:-}"
    IFS=: read -r -a others <<<"${CMAKE_PREFIX_PATH:-}"
    for other in "${others[@]}"; do PKG_CONFIG_PATH="$PKG_CONFIG_PATH:$other/share/pkgconfig:$other/lib/pkgconfig"; done
    export PKG_CONFIG_PATH
    [ "$(pkg-config --modversion cddrec)" = "$(sed -n 's/#define CDDREC_VERSION "\(.*\)"/\1/p' "$root/include/cddrec/cddrec.hpp")" ]
    compile() { # PROGRAM PACKAGE; pkg-config quotes its words as a shell reads them
      local flags
      eval "flags=($(pkg-config --cflags --libs "$2"))"
      "${CXX:-c++}" -std=c++20 -O1 "$work/$1.cpp" "${flags[@]}" -o "$work/$1"
    }
    compile consumer cddrec
    compile reader cddrec-io
    [ ! -e "$prefix/share/pkgconfig/cddrec-hnsw.pc" ] || compile finder cddrec-hnsw
    run "$work"
    ;;
  without_openmp) # it may have been found before: by the project around it, or by itself when this build had it
    for openmp in ON OFF; do
      cmake -S "$root/tests/packaging/without_openmp" -B "$work/build" -DFROM="$root" -DCDDREC_OPENMP="$openmp" -DCDDREC_INSTALL=ON
    done
    installed=$(cat "$work/build/cddrec/cddrec.pc" "$work/build/cddrec/cddrecConfig.cmake")
    case $installed in
      *-fopenmp* | *'if("TRUE")'*)
        echo "FAILED: what is installed without OpenMP asks for it"
        exit 1
        ;;
    esac
    ;;
  single_header)
    needs python3
    python3 -B "$root/cmake/single_header.py" "$work/one/cddrec/cddrec.hpp"
    build "$work/one"
    run "$work/build"
    ;;
  conan)
    needs conan
    [ -e /usr/include/eigen3/Eigen/Core ] || { echo "skipped: Eigen is not in /usr/include/eigen3" && exit 77; }
    export CONAN_HOME=$work/home EIGEN_INCLUDE=/usr/include/eigen3
    conan profile detect
    echo "tools.cmake.cmaketoolchain:user_presets=" >>"$CONAN_HOME/global.conf" # none in the tree
    for package in eigen/3.4.0 nlohmann_json/3.11.2 zlib/1.2.13; do
      conan export "$root/tests/packaging/system_package.py" --name "${package%/*}" --version "${package#*/}"
    done
    conan create "$root/cmake/packaging/conan" -nr -b missing -s compiler.cppstd=20
    conan install --requires "cddrec/[*]" -nr -b missing -s compiler.cppstd=20 -g CMakeDeps -g CMakeToolchain -of "$work/conan"
    cmake_way=find_package build "" -DCMAKE_TOOLCHAIN_FILE="$work/conan/conan_toolchain.cmake" -DCMAKE_BUILD_TYPE=Release
    run "$work/build"
    ;;
  *)
    echo "$0: unknown way $way; the ways are install programs find_package add_subdirectory FetchContent pkg_config without_openmp single_header conan" >&2
    exit 2
    ;;
esac
