#!/usr/bin/env bash
# Fetches the four logs that the paper used, 3 MB together; they are not part of this repository.
#   ./examples/data/get.sh [--from ADDRESS] [--to DIR] [NAME…]      NAME: Beauty, Office_Products, Tools_and_Home_Improvement, Toys_and_Games
# ADDRESS/NAME.txt is fetched (default: $CDDREC_DATA_URL, else the authors' repository) into DIR (default: data). A file takes its name only when
# its SHA-256 is right; one cut off on the way stays beside it as NAME.txt.part, and the next run goes on where that ends.
# Exit status: 0 all are there, 1 one could not be fetched, 2 wrong usage or a tool is missing.
set -u -o pipefail

address=${CDDREC_DATA_URL:-https://raw.githubusercontent.com/YuWang-1024/CDDRec/main/data}
folder=data
names=()

fail() { # STATUS MESSAGE
  echo "get.sh: $2" >&2
  exit "$1"
}

checksum_of() {
  case $1 in
    Beauty) echo 226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8 ;;
    Office_Products) echo adc4056de39e8bf939ddc9fd059e555b5f940fbdce33f9aaf4bcbb6dd4aa36e2 ;;
    Tools_and_Home_Improvement) echo 16eebac18159504fe32d42bb650d157fb535d04b20e2bb43b452b33450d2677b ;;
    Toys_and_Games) echo 176c680c688d497598c4a89a03b402c0fe78d795e5db335c2e78dd5f2d778a3f ;;
    *) return 1 ;;
  esac
}

while [ $# -gt 0 ]; do
  case $1 in
    --from | --to)
      [ $# -ge 2 ] || fail 2 "$1 needs a value"
      if [ "$1" = --from ]; then address=$2; else folder=$2; fi
      shift
      ;;
    -h | --help)
      sed -n '2,6s/^# //p' "$0"
      exit 0
      ;;
    *)
      checksum_of "$1" >/dev/null || fail 2 "unknown log '$1'; the logs are Beauty, Office_Products, Tools_and_Home_Improvement, Toys_and_Games"
      names+=("$1")
      ;;
  esac
  shift
done
[ ${#names[@]} -gt 0 ] || names=(Beauty Office_Products Tools_and_Home_Improvement Toys_and_Games)
[ -n "$address" ] || fail 2 "the address is empty; give one with --from or CDDREC_DATA_URL"
address=${address%/}

if command -v sha256sum >/dev/null; then
  sha256() { sha256sum "$1" | cut -d ' ' -f 1; }
elif command -v shasum >/dev/null; then
  sha256() { shasum -a 256 "$1" | cut -d ' ' -f 1; }
else
  fail 2 "needs sha256sum or shasum; install coreutils"
fi

# fetch ADDRESS FILE: goes on where FILE ends.
shown=--silent
[ ! -t 2 ] || shown=--progress-bar
if command -v curl >/dev/null; then
  fetch() { curl --fail --location $shown --show-error --connect-timeout 20 --speed-limit 1 --speed-time 20 --retry 2 --continue-at - --output "$2" "$1"; }
elif command -v wget >/dev/null; then
  fetch() { wget --no-verbose --timeout=20 --tries=3 --continue --output-document="$2" "$1"; }
else
  fail 2 "needs curl or wget; install one of them"
fi

size() { if [ -e "$1" ]; then wc -c <"$1"; else echo 0; fi; }

# The same from the start where nothing can be added to a part: a server without ranges, or a part that is as long as the file or longer.
fetch_anew() {
  local before
  before=$(size "$2")
  fetch "$1" "$2" && return
  if [ "$before" -eq 0 ] || [ "$(size "$2")" -ne "$before" ]; then return 1; fi
  mv "$2" "$2.old"
  if fetch "$1" "$2"; then
    rm -f "$2.old"
    return 0
  fi
  # It is the network: what is longer stays.
  if [ "$(size "$2")" -ge "$before" ]; then rm -f "$2.old"; else mv "$2.old" "$2"; fi
  return 1
}

mkdir -p "$folder" || fail 1 "$folder: the directory cannot be created"
failed=0
for name in "${names[@]}"; do
  file=$folder/$name.txt part=$folder/$name.txt.part wanted=$(checksum_of "$name")
  if [ -e "$file" ]; then
    if [ "$(sha256 "$file")" = "$wanted" ]; then
      echo "$file: already there"
    else
      echo "get.sh: $file: is there, but is not the paper's file; move it away" >&2
      failed=1
    fi
    continue
  fi
  # A part that is whole already, stopped before it took its name, would be asked for from its end on.
  if [ ! -e "$part" ] || [ "$(sha256 "$part")" != "$wanted" ]; then
    if ! fetch_anew "$address/$name.txt" "$part"; then
      echo "get.sh: $address/$name.txt: cannot be fetched; check the network, or name another source: --from ADDRESS" >&2
      [ -s "$part" ] || rm -f "$part"
      failed=1
      continue
    fi
  fi
  found=$(sha256 "$part")
  if [ "$found" != "$wanted" ]; then
    rm -f "$part"
    echo "get.sh: $address/$name.txt: its SHA-256 is $found, not $wanted: not kept; try again, or name another source: --from ADDRESS" >&2
    failed=1
    continue
  fi
  mv "$part" "$file" || fail 1 "$file cannot be written"
  echo "$file: fetched"
done
exit "$failed"
