# kohl: `make` builds library and command, `make check` tests them.  `make help` lists the rest.
#
#   MODE=release|debug|asan|tsan   chooses flags and the folder build/MODE (default release)
#   CC=clang-14                    any C11 compiler with GNU extensions
#   CUDA=0|1|host                  without CUDA; with nvcc's (the default where nvcc is found); CUDA's kernels as programs
#                                  of the CPU, for tests/cuda_on_cpu, in build/cuda_on_cpu
#   CUDA_ARCHS="80 90a"            the GPUs that nvcc compiles for, besides PTX for all from 80 on

MODE ?= release
CC ?= cc
NVCC ?= nvcc
NVCC_TOP := $(if $(filter 0 host,$(CUDA)),,$(shell $(NVCC) --dryrun -x cu /dev/null 2>&1 | sed -n 's/^\#$$ TOP=//p'))
CUDA ?= $(if $(NVCC_TOP),1,0)
B := build/$(if $(filter host,$(CUDA)),cuda_on_cpu$(if $(filter-out release,$(MODE)),_$(MODE)),$(MODE))
PYTHON ?= /usr/bin/python3

comma := ,
# One short line per file; V=1 shows the commands.
say = $(if $(V),,@echo "  $1";)
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Werror
BASE := -std=c11 -D_POSIX_C_SOURCE=200809L -D_DEFAULT_SOURCE -ffp-contract=off -fno-math-errno -fPIC -fvisibility=hidden -I. -Iinclude $(WARN)

# convert/ opens these three at run time, by these names (libcurl by its own two); only their headers are needed here.
# Without them .h5 files are refused, `kohl convert` runs unconfined, and `kohl fetch` takes files from folders only.
HDF5_SONAME := $(if $(shell pkg-config --atleast-version=1.10.7 hdf5 2>/dev/null && echo yes),$(shell \
  objdump -p "$$(pkg-config --libs-only-L hdf5 | sed 's/^-L//; s/ *$$//')/libhdf5.so" 2>/dev/null | awk '$$1 == "SONAME" {print $$2}'))
SECCOMP_SONAME := $(if $(shell pkg-config --exists libseccomp 2>/dev/null && echo yes),libseccomp.so.2)
BASE += $(if $(HDF5_SONAME),$(shell pkg-config --cflags-only-I hdf5) -DKOHL_HDF5='"$(HDF5_SONAME)"')
BASE += $(if $(SECCOMP_SONAME),-DKOHL_SECCOMP='"$(SECCOMP_SONAME)"')
BASE += $(shell pkg-config --atleast-version=7.85 libcurl 2>/dev/null && echo -DKOHL_CURL $$(pkg-config --cflags-only-I libcurl))
BASE += $(if $(filter 0,$(CUDA)),,-DKOHL_CUDA)

OPT_release := -O2 -g -DNDEBUG
OPT_debug := -O0 -g
OPT_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
OPT_tsan := -O1 -g -fsanitize=thread
# CUDA=host: MODE says how the kernels are compiled; the library in C is the same for all, but for MODE=debug.
C_MODE := $(if $(filter host,$(CUDA)),$(patsubst asan,release,$(patsubst tsan,release,$(MODE))),$(MODE))
C_B := $(if $(filter host,$(CUDA)),build/cuda_on_cpu$(if $(filter-out release,$(C_MODE)),_$(C_MODE)),$B)
CFLAGS_ALL := $(BASE) $(OPT_$(C_MODE)) $(CFLAGS)
LDFLAGS_ALL := $(if $(filter hosttsan,$(CUDA)$(MODE)),,$(filter -fsanitize%,$(OPT_$(MODE)))) $(LDFLAGS)
LIBS = -lpthreadpool -lcyaml -lyaml -ljpeg -lpng -lz -lm -lpthread $(CUDA_LIBS)

# The last word of a file's name sets its instruction set; everything else is baseline.
ISA_avx2 := -mavx2 -mfma
ISA_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512
ISA_avx512vnni := $(ISA_avx512) -mavx512vnni
isa = $(ISA_$(lastword $(subst _, ,$(basename $(notdir $1)))))

LIB_ROOMS := kernels/core $(filter-out kernels/core,$(patsubst %/,%,$(sort $(dir $(wildcard kernels/*/*.c))))) nn nn/models datasets convert $(patsubst %/,%,$(sort $(dir $(wildcard convert/*/*.c)))) train train/report infer
# Of a build without CUDA, and of one with it (that of the tests has its own loader).
WITHOUT_CUDA := kernels/core/device_none.c
WITH_CUDA := $(wildcard kernels/core/vendor*.c) kernels/conv2d/cudnn.c
LIB_SRC := $(filter-out $(if $(filter 0,$(CUDA)),$(WITH_CUDA),$(WITHOUT_CUDA) $(if $(filter host,$(CUDA)),kernels/core/vendor_library.c)),\
  $(foreach d,$(LIB_ROOMS),$(wildcard $d/*.c)))
CLI_SRC := $(wildcard cli/*.c)
CHECK_SRC := $(wildcard tests/kernelcheck/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
UNIT_HELP_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
obj = $(patsubst %.c,$(C_B)/obj/%.o,$1)

# CUDA: the kernels of the op folders and the device layer.  Products and sums are rounded one by one, denormals stay,
# division and square root are correct: as on the CPU.
CUDA_SRC := $(if $(filter 0,$(CUDA)),,$(wildcard kernels/*/*.cu))
CUDA_ARCHS ?= 80 90a
CUDA_FLAGS := -std=c++20 -O3 -I. -Iinclude -DKOHL_CUDA -fmad=false -ftz=false -prec-div=true -prec-sqrt=true -Werror all-warnings \
  $(foreach a,$(CUDA_ARCHS),-gencode arch=compute_$a,code=sm_$a) -gencode arch=compute_80,code=compute_80 --threads 2 \
  -Xptxas -v -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-rtti,-fno-threadsafe-statics,-ffp-contract=off,-Wall,-Wextra,-Wno-unused-parameter,-Werror
CUDA_LIBS := $(if $(filter 1,$(CUDA)),-L$(NVCC_TOP)/targets/x86_64-linux/lib -lcudart_static -ldl -lrt -Wl$(comma)--exclude-libs$(comma)ALL)
CUDA_OBJ := $(patsubst %.cu,$B/obj/%.cu.o,$(CUDA_SRC))
# CUDA=host: tests/cuda_on_cpu stands where CUDA's runtime would.  MODE=tsan instruments the kernels alone: what it calls
# is race.cpp, which knows the order of CUDA's threads.
ifeq ($(CUDA),host)
HOST_OPT := $(if $(filter tsan,$(MODE)),$(OPT_release) -DKOHL_CUDA_RACES,$(OPT_$(MODE)))
HOST_FLAGS := -std=c++20 -ffp-contract=off -fno-math-errno -fno-exceptions -fno-rtti -fPIC -fvisibility=hidden -I. -Iinclude -Itests/cuda_on_cpu/include -DKOHL_CUDA \
  -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror $(HOST_OPT) $(CXXFLAGS)
HOST_SRC := $(wildcard tests/cuda_on_cpu/*.cpp)
CUDA_OBJ += $(patsubst %.cpp,$B/obj/%.o,$(HOST_SRC))
CUDA_LIBS := -lstdc++
endif
ORACLE_BIN := $(patsubst tests/oracle/%.c,$B/oracle/%,$(wildcard tests/oracle/*.c))
# What tests/gpu needs besides kohl and kernelcheck.
GPU_BIN := $(if $(filter 0,$(CUDA)),,$(patsubst tests/gpu/%.c,$B/gpu/%,$(wildcard tests/gpu/*.c)))
UNIT_BIN := $(patsubst tests/unit/%.c,$B/unit/%,$(UNIT_SRC))

.PHONY: FORCE all bench-peers bench-peers-train lib cuda-host host-flags check test asan tsan install-deps clean help unit fuzz
all: $B/kohl $B/kernelcheck $B/libkohl.so $(GPU_BIN)

help:
	@echo "make              library and command: build/release/{kohl,kernelcheck,libkohl.a,libkohl.so}"
	@echo "make MODE=debug   the same without optimisation, in build/debug"
	@echo "make check        installs missing Debian packages, builds, runs every test"
	@echo "make test         the tests alone, packages being there"
	@echo "make cuda-host    builds what tests/cuda_on_cpu runs: CUDA's kernels as programs of the CPU"
	@echo "make asan, tsan   the unit tests and kernelcheck under the sanitizers"
	@echo "make fuzz         builds the fuzz targets of tests/fuzz with clang"
	@echo "make bench-peers  inference beside PyTorch, ONNX Runtime, OpenVINO, ncnn, TensorFlow: bench/peers/README.md;"
	@echo "                  PEERS_PYTHON=FILE is the interpreter that has them, PEERS_ARGS='--rounds 2 ...' goes to infer.py"
	@echo "make bench-peers-train  training steps beside PyTorch and TensorFlow, with the same variables"
	@echo "make install-deps installs the Debian packages"

# The value of CUDA that the objects were compiled with: another one compiles them again.
$(C_B)/cuda: FORCE
	@mkdir -p $(@D); echo '$(CUDA)' | cmp -s - $@ || echo '$(CUDA)' >$@
FORCE:

$(C_B)/obj/%.o: %.c $(C_B)/cuda
	@mkdir -p $(@D)
	$(call say,CC $<) $(CC) $(CFLAGS_ALL) $(call isa,$<) -MMD -MP -c $< -o $@

# What ptxas says of registers and spills is kept beside the object, for tests/house/cuda_spills.
ifeq ($(CUDA),1)
$B/obj/%.cu.o: %.cu
	@mkdir -p $(@D)
	$(call say,NVCC $<) $(NVCC) $(CUDA_FLAGS) -MMD -MP -MF $(@:.o=.d) -c $< -o $@ 2>$(@:.o=.ptxas) || { cat $(@:.o=.ptxas) >&2; exit 1; }
endif
ifeq ($(CUDA),host)
$B/obj/%.cu.o: %.cu
	@mkdir -p $(@D)
	$(call say,CXX $<) $(CXX) -x c++ $(HOST_FLAGS) $(if $(filter tsan,$(MODE)),-fsanitize=thread) -MMD -MP -c $< -o $@
$B/obj/tests/cuda_on_cpu/%.o: tests/cuda_on_cpu/%.cpp
	@mkdir -p $(@D)
	$(call say,CXX $<) $(CXX) $(HOST_FLAGS) -MMD -MP -c $< -o $@
endif
ifeq ($(CUDA),host)
all: $B/cuda_selftest
# For tests/cuda_on_cpu/mutants.py: how a kernel is compiled, and kernelcheck linked.
host-flags:
	@echo $(CXX) -x c++ $(HOST_FLAGS) $(if $(filter tsan,$(MODE)),-fsanitize=thread)
	@echo $(CC) $(LDFLAGS_ALL)
	@echo $(LIBS)
$B/cuda_selftest: $(patsubst %.cu,$B/obj/%.cu.o,$(wildcard tests/cuda_on_cpu/*.cu)) $B/libkohl.a
	$(call say,LD $@) $(CC) $(LDFLAGS_ALL) $^ $(LIBS) -o $@
endif

$B/libkohl.a: $(call obj,$(LIB_SRC)) $(CUDA_OBJ)
	@rm -f $@
	$(call say,AR $@) $(AR) rcs $@ $^

$B/libkohl.so: $(call obj,$(LIB_SRC)) $(CUDA_OBJ) libkohl.map
	$(call say,LD $@) $(CC) -shared -Wl,-soname,libkohl.so.0 -Wl,--version-script=libkohl.map -Wl,--no-undefined $(LDFLAGS_ALL) $(filter %.o,$^) $(LIBS) -o $@

$B/kohl: $(call obj,$(CLI_SRC)) $B/libkohl.a
	$(call say,LD $@) $(CC) $(LDFLAGS_ALL) $^ $(LIBS) -o $@

$B/kernelcheck: $(call obj,$(CHECK_SRC)) $B/libkohl.a
	$(call say,LD $@) $(CC) $(LDFLAGS_ALL) $^ $(LIBS) -o $@

$B/unit/%: $(C_B)/obj/tests/unit/%.o $(call obj,$(UNIT_HELP_SRC)) $B/libkohl.a
	@mkdir -p $(@D)
	$(call say,LD $@) $(CC) $(LDFLAGS_ALL) $^ $(LIBS) $$(pkg-config --libs check) -o $@

$B/oracle/%: $(C_B)/obj/tests/oracle/%.o $B/libkohl.a
	@mkdir -p $(@D)
	$(call say,LD $@) $(CC) $(LDFLAGS_ALL) $^ $(LIBS) -o $@

# Beside other engines, in PEERS_PYTHON's environment (bench/peers/README.md); PEERS_ARGS goes to infer.py, or train.py.
PEERS_PYTHON ?= python3
PEERS_CSV ?= bench/results/infer_peers.csv
PEERS_TRAIN_CSV ?= bench/results/train_peers.csv
bench-peers: $B/kohl $B/oracle/random_model $B/peers/kohl_serve
	@$(PEERS_PYTHON) bench/peers/infer.py $B --csv $(PEERS_CSV) $(PEERS_ARGS)
	@$(PEERS_PYTHON) bench/peers/plot.py $(PEERS_CSV) $(PEERS_CSV:.csv=.png)

bench-peers-train: $B/kohl $B/oracle/train_step $B/peers/kohl_serve
	@$(PEERS_PYTHON) bench/peers/train.py $B --csv $(PEERS_TRAIN_CSV) $(PEERS_ARGS)

$B/peers/%: $(C_B)/obj/bench/peers/%.o $B/libkohl.a
	@mkdir -p $(@D)
	$(call say,LD $@) $(CC) $(LDFLAGS_ALL) $^ $(LIBS) -o $@

$B/gpu/%: $(C_B)/obj/tests/gpu/%.o $B/libkohl.a
	@mkdir -p $(@D)
	$(call say,LD $@) $(CC) $(LDFLAGS_ALL) $^ $(LIBS) -o $@

# Stands between a program and its files, for tests/faults; not for the sanitizers, which must be loaded first.
$B/faults/%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(call say,LD $@) $(CC) $(BASE) -O2 -fvisibility=default -shared $< -ldl -o $@

unit: $(UNIT_BIN) $(ORACLE_BIN) $B/peers/kohl_serve $B/faults/fail_io.so

.SECONDARY:

install-deps:
	@.ci/install-deps

check: install-deps
	@$(MAKE) --no-print-directory test

# CUDA's kernels as programs of the CPU: plain, with AddressSanitizer, with the detector of races.
cuda-host:
	@$(MAKE) --no-print-directory CUDA=host MODE=release build/cuda_on_cpu/kernelcheck build/cuda_on_cpu/kohl build/cuda_on_cpu/cuda_selftest \
	  build/cuda_on_cpu/gpu/compare_networks build/cuda_on_cpu/unit/test_device
	@$(MAKE) --no-print-directory CUDA=host MODE=asan build/cuda_on_cpu_asan/kernelcheck build/cuda_on_cpu_asan/kohl build/cuda_on_cpu_asan/cuda_selftest
	@$(MAKE) --no-print-directory CUDA=host MODE=tsan build/cuda_on_cpu_tsan/kernelcheck build/cuda_on_cpu_tsan/cuda_selftest

test: all unit cuda-host
	@MODE=$(MODE) CUDA=$(CUDA) PYTHON=$(PYTHON) CC="$(CC)" tests/run

asan:
	@$(MAKE) --no-print-directory MODE=asan all unit
	@MODE=asan PYTHON=$(PYTHON) CC="$(CC)" tests/run unit kernelcheck errors

tsan:
	@$(MAKE) --no-print-directory MODE=tsan all unit
	@MODE=tsan PYTHON=$(PYTHON) CC="$(CC)" tests/run unit kernelcheck

# Fuzz targets: libFuzzer, NDEBUG, ASan and UBSan; run as build/fuzz/<name> -max_total_time=60 tests/fuzz/corpus/<name>
FUZZ_CC ?= clang-14
FUZZ_FLAGS := $(BASE) -O1 -g -DNDEBUG -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
# Kernels see no bytes of a file; one of them takes clang minutes with the sanitizers.
FUZZ_PLAIN := $(BASE) -O2 -g -DNDEBUG
FUZZ_BIN := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
build/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC $<) $(FUZZ_CC) $(if $(call isa,$<),$(FUZZ_PLAIN),$(FUZZ_FLAGS)) $(call isa,$<) -MMD -MP -c $< -o $@
build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o $(patsubst %.c,build/fuzz/obj/%.o,$(LIB_SRC))
	$(call say,LD $@) $(FUZZ_CC) -fsanitize=fuzzer,address,undefined $^ $(LIBS) -o $@
fuzz: $(FUZZ_BIN)

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
