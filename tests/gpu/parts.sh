# The units of each part, and how their outputs become one CSV; read by run.sh, whose variables and functions it uses.
# shellcheck shell=bash disable=SC2154

# Ops with CUDA kernels of our own.
cuda_ops() { "${kernels[@]}" list --impl '*cuda' | awk 'NR > 1 {print $1}' | sort -u; }

check_networks() { # LIMIT NAME ARCHITECTURE SIZE CLASSES BATCH MODE STEPS
  unit "$2" "$1" "$compare" "$device" "$3" "$4" "$5" "$6" 1 "$7" "$8"
}

check_sanitizers() { # OPS
  local tool op
  for tool in memcheck racecheck synccheck initcheck; do
    if [ -z "$sanitizer" ]; then
      skip "$tool" "compute-sanitizer is not there"
      continue
    fi
    for op in $1; do
      unit "${tool}_$op" 60 "$sanitizer" --tool $tool --target-processes all --error-exitcode 9 "${kernels[@]}" check "$op" --impl '*cuda' \
        --device "$device" --fast --cases 1
    done
  done
}

part_check() {
  local ops op
  ops=$(cuda_ops)
  if [ $tiny = 1 ]; then
    ops="add softmax"
    unit baselines 20 "${kernels[@]}" check dense --impl 'cublas*' --device "$device" "${vendor_option[@]}" --fast --cases 2
    unit gradients 20 "${kernels[@]}" grad softmax --impl '*cuda' --device "$device"
    check_networks 20 network_infer cleo_small 32 5 3 infer 2
    check_networks 20 network_train cleo_small 32 5 2 train 2
    for op in $ops; do unit "kernels_$op" 20 "${kernels[@]}" check "$op" --impl '*cuda' --device "$device" --fast --cases 2; done
    check_sanitizers "$ops"
    return
  fi
  for op in $ops; do unit "kernels_$op" 200 "${kernels[@]}" check "$op" --impl '*cuda' --device "$device"; done
  unit cudnn 200 "${kernels[@]}" check conv2d --impl 'cudnn*' --device "$device" "${vendor_option[@]}" --fast
  unit cublas 100 "${kernels[@]}" check dense --impl 'cublas*' --device "$device" "${vendor_option[@]}"
  unit gradients 100 "${kernels[@]}" grad --impl '*cuda' --device "$device"
  check_networks 100 infer_vgg19_224 vgg19 224 1000 4 infer 2
  check_networks 60 infer_vgg19_128 vgg19 128 23 5 infer 2
  check_networks 60 infer_inception_v3 inception_v3 299 1000 5 infer 2
  check_networks 60 infer_resnet101 resnet101 224 1000 5 infer 2
  check_networks 60 infer_alexnet alexnet 224 1000 17 infer 2
  check_networks 60 infer_alexnet2012 alexnet2012 227 1000 9 infer 2
  check_networks 60 infer_squeezenet squeezenet1_1 227 1000 9 infer 2
  check_networks 200 train_vgg19 vgg19_cleo 128 23 8 train 50
  check_networks 60 train_vgg19_head vgg19_cleo 128 23 8 train:head 50
  check_networks 200 train_inception_v3 inception_v3 139 23 6 train 50
  check_sanitizers "$ops"
}

layers() { # SHAPES BATCH
  unit "$1_b$2_conv2d" 240 "${kernels[@]}" bench conv2d --shapes "$1" --batch "$2" "${bench[@]}"
}

part_layers() {
  local batch op
  if [ $tiny = 1 ]; then
    unit conv2d 20 "${kernels[@]}" bench conv2d --case "h=7 w=6 c=5 k=8 r=3 s=3 pad=1 bias=1 relu=1" --batch 2 --fast "${bench[@]}"
    unit dense 20 "${kernels[@]}" bench dense --case "n=3 c=17 k=9 bias=1" --fast "${bench[@]}"
    unit pool 20 "${kernels[@]}" bench pool --case "h=6 w=6 c=4 r=2 s=2 stride=2" --fast "${bench[@]}"
    return
  fi
  for batch in 16 1; do layers vgg19_224 $batch; done
  unit dense 120 "${kernels[@]}" bench dense --shapes dense "${bench[@]}"
  layers vgg19_128 32
  for batch in 16 1; do layers inception_v3_299 $batch; done
  for batch in 16 1; do layers resnet101_224 $batch; done
  unit elementwise_b32 120 "${kernels[@]}" bench --shapes elementwise --batch 32 "${bench[@]}"
  unit pictures_b32 120 "${kernels[@]}" bench --shapes pictures --batch 32 "${bench[@]}"
  for op in pool softmax; do unit "vgg19_224_b16_$op" 60 "${kernels[@]}" bench $op --shapes vgg19_224 --batch 16 "${bench[@]}"; done
}

peer() { # LIMIT NAME COMMAND...
  local limit=$1 name=$2
  shift 2
  unit "$name" "$limit" "$python" bench/peers/gpu.py "$@" --build "$build" --device "$device" --commit "$commit"
}

part_nets() {
  local net batch
  if [ $tiny = 1 ]; then
    peer 20 cleo nets --net cleo_small --size 32 --batch 2 --rounds 1 --runs 1
    return
  fi
  for batch in 16 1 64; do
    for net in vgg19:224 inception_v3:299 resnet101:224 vgg19:128 alexnet:224; do
      peer 60 "${net/:/_}_b$batch" nets --net ${net%:*} --size ${net#*:} --batch $batch
    done
  done
  for net in vgg19:224 resnet101:224 inception_v3:299 vgg19:128 alexnet:224; do
    peer 150 "${net/:/_}_b16_compiled" nets --net ${net%:*} --size ${net#*:} --batch 16 --compile
  done
}

part_train() {
  local mode net
  if [ $tiny = 1 ]; then
    peer 20 cleo_head train --net cleo_small --size 32 --batch 2 --mode head --rounds 1 --runs 1
    peer 20 cleo_all train --net cleo_small --size 32 --batch 2 --mode all --rounds 1 --runs 1
    return
  fi
  for net in vgg19_cleo:128:32 inception_v3:299:16 resnet101:224:16 vgg19_cleo:128:8; do
    IFS=: read -r name size batch <<<"$net"
    for mode in head block all; do
      peer 60 "${name}_${size}_b${batch}_$mode" train --net "$name" --size "$size" --batch "$batch" --mode $mode
    done
  done
  peer 200 vgg19_cleo_128_b32_all_compiled train --net vgg19_cleo --size 128 --batch 32 --mode all --compile
}

# One row per unit of check: what kernelcheck, TAP or the exit code say.
collect_check() {
  local name code taken passed bad result detail
  echo "# device: $(echo "$gpu" | tr , ' '), commit: $commit"
  echo "unit,result,passed,failed,seconds,detail"
  while read -r name; do
    if [ -e "$state/$name.skipped" ]; then
      echo "$name,skipped,0,0,0,$(tr ,'\n' '; ' <"$state/$name.skipped")"
      continue
    fi
    [ -e "$state/$name.code" ] || { echo "$name,left,0,0,0,"; continue; }
    read -r code taken <"$state/$name.code"
    passed=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1/p' "$state/$name.out" | tail -1)
    bad=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\2/p' "$state/$name.out" | tail -1)
    [ -n "$passed" ] || { passed=$(grep -c '^ok ' "$state/$name.out"); bad=$(grep -c '^not ok ' "$state/$name.out"); }
    result=passed
    [ "$code" = 0 ] && [ "$passed" -gt 0 ] && [ "$bad" = 0 ] || result=failed
    # a library that is not there: nothing was compared
    [ $result = passed ] && grep -q '^skipped' "$state/$name.out" && ! grep -qE ': [0-9]+ integer|^ok ' "$state/$name.out" && result=skipped
    case $code in 124 | 137) result=late ;; esac
    detail=$(grep -hE '^(ok|not ok|FAILED|skipped)' "$state/$name.out" | head -1 | tr ',\n' '; ')
    echo "$name,$result,$passed,$bad,$taken,$detail"
  done <"$state/order"
}

# The rows of every unit below one head.
collect_rows() {
  local name first=1
  while read -r name; do
    [ -e "$state/$name.done" ] || continue
    awk -v first=$first '/^#/ {if (first) print; next} !head {head = 1; if (first) print; next} {print}' "$state/$name.out"
    first=0
  done <"$state/order"
}
