#!/bin/sh
# tests/gpu/run.sh and pack.sh without a GPU: test_run.sh HOST_BUILD, prints TAP.  HOST_BUILD has CUDA's kernels as programs
# of the CPU (make cuda-host), and stand-ins for cuDNN and cuBLAS in the folder "fake".
set -u
build=$1
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export KOHL_GPU_STATE="$scratch/state"

# say NAME CONDITION..., with what the last run printed where it does not hold.
say() {
  name=$1
  shift
  if "$@"; then
    echo "ok - $name"
  else
    echo "not ok - $name"
    sed 's/^/# /' "$scratch/log" | tail -20
  fi
}
run() { tests/gpu/run.sh --build "$build" --out "$scratch" --tiny --commit none "$@" >"$scratch/log" 2>&1; }
code() { [ "$status" = "$1" ]; }
rows() { [ "$(grep -cE "$2" "$scratch/gpu_$1.csv")" = "$3" ]; }
logged() { grep -qE "$1" "$scratch/log"; }

run --part check --vendor-path fake
status=$?
say "check ends well" code 0
say "every unit of check passed or says why not" rows check '^[a-z_]+,(passed,[1-9]|skipped,0)' 10
say "networks have the CPU's bits" rows check "^network_(infer|train),passed,1,0,.*CPU's bits" 2

run --part check --resume --vendor-path fake
status=$?
say "a resumed part has nothing left to do" logged ': 6 units done, 0 failed, 0 left'
rm "$scratch/state/check/gradients.done"
run --part check --resume --minutes 0.1 --vendor-path fake
status=$?
say "a resumed part does what is left" logged '^done     gradients'

run --part layers --vendor-path fake
status=$?
say "layers ends well" code 0
say "cuDNN and cuBLAS are timed, in f32 and TF32, all directions" rows layers '^(conv2d|dense),(fwd|dgrad|wgrad),cu(dnn|blas)(_tf32)?,' 12
say "beside our kernels" grep -qE '^conv2d,wgrad,[a-z0-9_]*cuda,kernel,CHAIN,' "$scratch/gpu_layers.csv"
say "one head stands over all units" rows layers '^(#|op,direction)' 2
run --part layers --vendor-path "$scratch"
status=$?
say "without the libraries layers goes on" code 0
say "the missing ones are named" logged 'libcudnn.so.9 is not there'

for part in nets train; do
  run --part $part
  status=$?
  say "$part ends well" code 0
  say "$part has kohl's rows" rows $part "^$part,cleo_small,32,2,.*,kohl,,f32,.*[1-9]" "$([ $part = nets ] && echo 1 || echo 2)"
done

run --part check --device cuda:7
status=$?
say "a GPU that is not there is said" code 4
run --part sleep
status=$?
say "an unknown part is said" code 1

# A build whose kernelcheck fails.
mkdir "$scratch/bad"
root=$(cd "$build" && pwd)
ln -s "$root/kohl" "$scratch/bad/kohl"
ln -s "$root/gpu/compare_networks" "$scratch/bad/compare_networks"
printf '#!/bin/sh\necho "FAILED on purpose"\necho "1 passed, 1 failed"\nexit 2\n' >"$scratch/bad/kernelcheck"
chmod +x "$scratch/bad/kernelcheck"
tests/gpu/run.sh --build "$scratch/bad" --out "$scratch" --tiny --part check >"$scratch/log" 2>&1
status=$?
say "a failed unit is a failure" code 2
say "and its row says so" rows check '^(baselines|gradients),failed,1,1,.*FAILED on purpose' 2

if tests/gpu/pack.sh "$build" "$scratch/pack" >"$scratch/log" 2>&1 && "$scratch/pack/kohl" --version >>"$scratch/log" 2>&1; then
  say "a pack runs" logged '^kohl [0-9]'
else
  say "a pack is made and runs" false
fi
say "its own C library does" sh -c "'$scratch/pack/c/loader' --library-path '$scratch/pack/c:$scratch/pack/lib' '$scratch/pack/bin/kohl' --version >/dev/null"
