# The front door. `make help` lists the targets; CMakeLists.txt has the build itself.

BUILD ?= build
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PROCESSOR ?= $(patsubst arm64,aarch64,$(patsubst armv7l,armv7hf,$(shell uname -m)))
TOOLCHAIN ?= toolchains/$(PROCESSOR)-linux-musl.cmake
TESTS := $(BUILD)/tests
PYTHON := /usr/bin/python3
GATE = $(PYTHON) tests/gates/$(1)_gate.py --product $(BUILD) --tests $(TESTS)
CXX_FILES = $(shell find agent platform tests -name '*.cpp' -o -name '*.h')

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: all run test check sim torture size format clean help test-clients product tests setup-%

all: setup-build product ## build build/miagent (installs and fetches what is missing, once)

run: setup-run product ## show the main job on real input, with an emulated endpoint
	@$(PYTHON) tests/e2e/demo.py $(BUILD)/miagent

test: setup-test product tests ## build and run every test and gate
	@ctest --test-dir $(TESTS) --output-on-failure -j2

check: setup-test product $(TESTS)/build.ninja ## format, clang-tidy and layering only
	@$(call GATE,format)
	@$(call GATE,layering)
	@$(call GATE,function_size)
	@$(call GATE,tidy)

SEED ?= 1
YEARS ?= 10
sim: setup-build product ## live YEARS years of faults drawn from SEED, on a simulated machine
	@$(BUILD)/miagent-sim $(SEED) $(YEARS)

torture: setup-test product ## fail every system call of the binary, cut every exchange (4 minutes)
	@MIAGENT=$(BUILD)/miagent $(PYTHON) tests/torture/torture.py

size: setup-build product ## what the binary's bytes and memory go to
	@$(call GATE,size) --report

format: setup-test ## format all C++ files in place
	@clang-format-19 -i $(CXX_FILES)

test-clients: setup-run ## let a real client (npm, @azure/identity) take tokens from the emulator
	@$(PYTHON) tests/clients/run.py $(BUILD)/clients

clean: ## remove what was built (downloads stay in ~/.cache/miagent)
	@rm -rf $(BUILD)

help: ## this list
	@sed -nE 's/^([a-z-]+):.* ## (.*)/\1\t\2/p' Makefile | expand -t 16

setup-%:
	@toolchains/setup.sh $*

product: $(BUILD)/build.ninja
	@cmake --build $(BUILD) --parallel $(JOBS)

tests: product $(TESTS)/build.ninja
	@cmake --build $(TESTS) --parallel $(JOBS)

$(BUILD)/build.ninja:
	@test -f $(TOOLCHAIN) || { echo "make: there is no $(TOOLCHAIN) for this processor yet" >&2; exit 1; }
	@cmake -S . -B $(BUILD) -G Ninja --toolchain $(CURDIR)/$(TOOLCHAIN)

# The tests link what the product's build made, so it comes first.
$(TESTS)/build.ninja: | product
	@cmake -S . -B $(TESTS) -G Ninja --toolchain $(CURDIR)/toolchains/host-clang.cmake \
	  -DMIAGENT_TESTS=ON -DMIAGENT_PRODUCT_DIR=$(abspath $(BUILD))
