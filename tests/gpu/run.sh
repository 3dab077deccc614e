#!/usr/bin/env bash
# What only a GPU can show, in four parts of less than nine minutes each:
#
#   tests/gpu/run.sh --part check|layers|nets|train [--build DIR] [--out DIR] [--resume] [--device cuda:N] [--minutes M]
#                    [--vendor-path DIR] [--commit TEXT] [--tiny]
#
# check    every CUDA kernel against double and ref's bits, gradients, the vendors' libraries, whole networks and 50 steps
#          of training against the CPU bit for bit, and compute-sanitizer's four tools where it is there
# layers   kernelcheck bench: our kernels, the teaching steps, cuDNN and cuBLAS on the layers of real networks
# nets     pictures a second of whole networks, kohl and PyTorch in turn
# train    steps of training, likewise
#
# DIR of --build is a finished build with CUDA (build/release) or what pack.sh made of one; no network, no compiler.  Each
# part writes OUT/gpu_PART.csv (bench/results).  A part is made of units; those that do not fit into M minutes (8.5) are
# left for the next call with --resume, which takes up what is in build/gpu_runs.  PYTHON says which interpreter has
# PyTorch.  What is missing is said, and the rest goes on.  --tiny: a minute of the same on the smallest sizes.
# Exit codes: 0 all units are done, 1 usage, 2 something failed, 3 units are left, 4 there is no GPU.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
part="" build=build/release out=bench/results device=cuda minutes=8.5 vendor="" commit="" resume=0 tiny=0
python=${PYTHON:-python3}
while [ $# -gt 0 ]; do
  case $1 in
  --resume) resume=1 ;;
  --tiny) tiny=1 ;;
  --part | --build | --out | --device | --minutes | --vendor-path | --commit)
    [ $# -gt 1 ] || { echo "run.sh: $1 has no value" >&2; exit 1; }
    case $1 in --part) part=$2 ;; --build) build=$2 ;; --out) out=$2 ;; --device) device=$2 ;; --minutes) minutes=$2 ;;
    --vendor-path) vendor=$2 ;; --commit) commit=$2 ;; esac
    shift ;;
  *) echo "run.sh: there is no option $1" >&2; exit 1 ;;
  esac
  shift
done
case $part in check | layers | nets | train) ;; *) echo "run.sh: --part '$part', expected check, layers, nets or train" >&2; exit 1 ;; esac
[ -n "$commit" ] || commit=$(git rev-parse --short HEAD 2>/dev/null || echo "not given")
seconds_left=$(awk "BEGIN {print int($minutes * 60)}")
compare=$build/compare_networks
[ -x "$compare" ] || compare=$build/gpu/compare_networks
for program in "$build/kohl" "$build/kernelcheck" "$compare"; do
  [ -x "$program" ] || { echo "run.sh: $program: no such program, expected a build with CUDA or a pack of one" >&2; exit 1; }
done
state=${KOHL_GPU_STATE:-build/gpu_runs}/$part
[ $resume = 1 ] || rm -rf "$state"
mkdir -p "$state" "$out"
log=$state/log
: >"$state/order"

# What is here.
if [ -z "$vendor" ]; then
  vendor=$("$python" -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null || true)
fi
if [ -d "$vendor" ]; then
  for folder in "$vendor"/*/lib; do [ -d "$folder" ] && LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder; done
  export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}
fi
vendor_option=()
[ -n "$vendor" ] && vendor_option=(--vendor-path "$vendor")
if ! devices=$("$build/kohl" devices --format csv 2>"$log"); then
  echo "run.sh: $build/kohl devices: $(tail -1 "$log")" >&2
  exit 2
fi
number=${device#cuda}
gpu=$(echo "$devices" | grep "^cuda:$(echo "${number#:}" | sed 's/^$/0/')," || true)
if [ -z "$gpu" ]; then
  echo "no GPU: $("$build/kohl" devices | sed -n 's/^no GPU: //p')"
  exit 4
fi
echo "device: $gpu"
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null || true)
torch=$("$python" -c 'import torch; print(torch.__version__, "with CUDA" if torch.cuda.is_available() else "without CUDA")' 2>/dev/null || echo "not there")
echo "PyTorch: $torch; compute-sanitizer: ${sanitizer:-not there}; vendors' libraries: ${vendor:-where the loader looks}"

failed=0 left=0 finished=0
# unit NAME SECONDS COMMAND...: runs it unless it is done; its standard output is kept, the last line of its errors shown.
unit() {
  local name=$1 limit=$2 begin=$SECONDS code
  shift 2
  echo "$name" >>"$state/order"
  [ -e "$state/$name.done" ] && { finished=$((finished + 1)); return; }
  local rest=$((seconds_left - SECONDS))
  [ $rest -lt "$limit" ] && [ $rest -lt $((seconds_left * 3 / 4)) ] && { left=$((left + 1)); echo "left     $name"; return; }
  [ $rest -lt "$limit" ] && limit=$rest
  timeout -k 5 "$limit" "$@" >"$state/$name.out" 2>"$state/$name.err" </dev/null
  code=$?
  echo "$code $((SECONDS - begin))" >"$state/$name.code"
  if [ $code = 0 ]; then
    finished=$((finished + 1))
    touch "$state/$name.done"
    echo "done     $name, $((SECONDS - begin)) s"
  elif [ $code = 124 ] || [ $code = 137 ]; then
    left=$((left + 1))
    echo "late     $name: stopped after $limit s"
  else
    failed=$((failed + 1))
    echo "FAILED   $name: exit code $code: $(grep -hE 'FAILED|not ok|^#' "$state/$name.out" "$state/$name.err" | head -3; tail -1 "$state/$name.err")"
  fi
}

skip() { # NAME WHY
  echo "$1" >>"$state/order"
  echo "skipped  $1: $2"
  echo "$2" >"$state/$1.skipped"
}

kernels=("$build/kernelcheck")
bench=(--device "$device" "${vendor_option[@]}" --csv --commit "$commit")
. "$here/parts.sh"
"part_$part"

csv=$out/gpu_$part.csv
if [ "$part" = check ]; then collect_check >"$csv.new"; else collect_rows >"$csv.new"; fi
mv "$csv.new" "$csv"
grep -hE '^not timed|left out' "$state"/*.err 2>/dev/null | sed -E 's/^not timed: [^ ]+ /not timed: /' | sort | uniq -c | sort -rn | head -20
echo "$csv: $finished units done, $failed failed, $left left$([ $left = 0 ] || echo '; go on with --resume')"
[ $failed = 0 ] || exit 2
[ $left = 0 ] || exit 3
