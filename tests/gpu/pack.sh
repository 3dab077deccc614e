#!/bin/sh
# Puts a build into one folder that runs on a machine without its Debian packages and without a compiler:
#
#   tests/gpu/pack.sh [BUILD] [OUT]      (build/release and build/gpu_pack)
#
# OUT holds the programs that tests/gpu/run.sh needs, without debugging symbols, the libraries that they name, the C
# library for machines whose own is older, and for each program a script of its name that finds all that.  CUDA's driver,
# cuDNN and cuBLAS are the other machine's.  Prints what it made and its size; more than 40 MiB is an error.
set -eu
build=${1:-build/release}
out=${2:-build/gpu_pack}
most_kib=$((40 * 1024))
programs="kohl kernelcheck gpu/compare_networks"

for program in $programs; do
  [ -x "$build/$program" ] && continue
  echo "pack.sh: $build/$program: no such program, expected a build with CUDA: make CUDA=1" >&2
  exit 2
done
rm -rf "$out"
mkdir -p "$out/bin" "$out/lib" "$out/c"

for program in $programs; do
  name=${program##*/}
  cp "$build/$program" "$out/bin/$name"
  strip --strip-all "$out/bin/$name"
  ldd "$build/$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3} $1 ~ /^\/.*ld-linux/ {print $1}' | sort -u | while read -r library; do
    case ${library##*/} in
    ld-linux*) cp -L "$library" "$out/c/loader" ;;
    libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.*) cp -L "$library" "$out/c/" ;;
    *) cp -L "$library" "$out/lib/" ;;
    esac
  done
  cat >"$out/$name" <<'END'
#!/bin/sh
# By the machine's C library where that is new enough, else by the one that was packed.
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$0")
libraries=$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
LD_LIBRARY_PATH=$libraries "$here/bin/kohl" --version >/dev/null 2>&1 && LD_LIBRARY_PATH=$libraries exec "$here/bin/$name" "$@"
exec "$here/c/loader" --library-path "$here/c:$libraries" "$here/bin/$name" "$@"
END
  chmod +x "$out/$name"
done
# What glibc loads by itself when a library asks for it (the driver, Python's cuDNN).
c_folder=$(dirname "$(ldd "$build/kohl" | awk '$1 == "libc.so.6" {print $3}')")
for library in libdl.so.2 libpthread.so.0 librt.so.1 libm.so.6; do
  [ -e "$out/c/$library" ] || cp -L "$c_folder/$library" "$out/c/"
done
strip --strip-unneeded "$out"/lib/*.so* 2>/dev/null || true

size=$(du -sk "$out" | cut -f1)
for file in "$out"/bin/* "$out"/lib/* "$out"/c/*; do
  printf '%9d KiB  %s\n' "$(du -k "$file" | cut -f1)" "${file#"$out"/}"
done
echo "$out: $size KiB"
if [ "$size" -gt $most_kib ]; then
  echo "pack.sh: $out: $size KiB, expected at most $most_kib" >&2
  exit 2
fi
