# The front door. `make help` lists the targets; CMakeLists.txt has the build itself.

# 1: without TLS, at half the size, in a build folder of its own.
HTTP_ONLY ?=
BUILD ?= build$(if $(HTTP_ONLY),-http)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PROCESSOR ?= $(patsubst arm64,aarch64,$(patsubst armv7l,armv7hf,$(shell uname -m)))
TOOLCHAIN ?= toolchains/$(PROCESSOR)-linux-musl.cmake
TESTS := $(BUILD)/tests
PYTHON := /usr/bin/python3
GATE = $(PYTHON) tests/gates/$(1)_gate.py --product $(BUILD) --tests $(TESTS)
CXX_FILES = $(shell find agent platform tests -name '*.cpp' -o -name '*.h')

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: all run test check sim bench torture fuzz planted coverage mutation fleet scenario size format clean help test-clients \
  product tests setup-% cross cross-product cross-test cross-check dist \
  campaign packaging-test image image-test image-product

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
SEEDS ?= 1
sim: setup-build product ## live YEARS years of faults drawn from SEED, or each of SEEDS seeds from there
	@$(PYTHON) tests/sim/shrink.py $(BUILD)/miagent-sim $(SEED) $(YEARS) $(SEEDS)

# QUICK=1: a minute, rough, into $(BUILD)/bench/results. WITH=az: installs azure-cli to compare with.
bench: setup-bench product ## measure miagent beside the least possible and what users run instead
	@$(PYTHON) tests/bench/bench.py --product $(BUILD) $(if $(QUICK),--quick) \
	  $(addprefix --with ,$(WITH))

torture: setup-test product ## fail every system call of the binary, cut every exchange (4 minutes)
	@MIAGENT=$(BUILD)/miagent $(PYTHON) tests/torture/torture.py

T ?= 60
TARGETS ?=
fuzz: setup-test product tests ## fuzz each of TARGETS (all) for T seconds, one after the other
	@$(PYTHON) tests/fuzz/fuzz.py --tests $(TESTS) --seconds $(T) $(TARGETS)

# HOURS, or SIM_YEARS for years of simulation alone, from SEED on.
HOURS ?= 1
campaign: setup-test product tests ## simulate, torture and fuzz in turns for HOURS hours, and sum it up
	@MIAGENT=$(BUILD)/miagent $(PYTHON) tests/campaign.py --product $(BUILD) --tests $(TESTS) \
	  --jobs $(JOBS) --seed $(SEED) $(if $(SIM_YEARS),--sim-years $(SIM_YEARS),--hours $(HOURS))

FAULTS ?=
planted: setup-test ## plant each of FAULTS (all) in a copy, and see that a test finds it (5 minutes)
	@$(PYTHON) tests/planted/planted.py --build $(BUILD)/planted --jobs $(JOBS) $(FAULTS)

coverage: setup-coverage product ## which branches of agent/ the tests take (3 minutes)
	@$(PYTHON) tests/coverage/coverage.py --product $(BUILD) --build $(BUILD)/coverage --jobs $(JOBS)

SHARE ?= 1
ROOM ?=
mutation: setup-mutation product ## change agent/ (ROOM="agent/json ...") in small ways: does a test fail?
	@$(PYTHON) tests/mutation/mutation.py --product $(BUILD) --build $(BUILD)/coverage \
	  --jobs $(JOBS) --share $(SHARE) --seed $(SEED) $(ROOM)

AGENTS ?= 100000
fleet: setup-test product $(TESTS)/build.ninja ## AGENTS agents and one endpoint with a limit: bench/fleet.md (a minute)
	@cmake --build $(TESTS) --parallel $(JOBS) --target miagent-fleet
	@$(PYTHON) tests/fleet/report.py $(TESTS)/tests/miagent-fleet --agents $(AGENTS)

FILE ?= tests/scenarios
scenario: setup-test product $(TESTS)/build.ninja ## live the scenario FILE (all), and print what happened
	@cmake --build $(TESTS) --parallel $(JOBS) --target scenario
	@$(TESTS)/tests/scenario --timeline $(FILE)

size: setup-build product ## what the binary's bytes and memory go to
	@$(call GATE,size) --report

format: setup-test ## format all C++ files in place
	@clang-format-19 -i $(CXX_FILES)

# For other processors. Each of TARGET is built in each of VARIANTS: a variant is what the folder's
# name ends with, a colon, and what make is told.
CROSS := $(BUILD)/cross
TARGET ?= x86_64 aarch64 armv7hf riscv64
VARIANTS := : -http:HTTP_ONLY=1

cross: setup-cross cross-product ## build for TARGET="x86_64 aarch64 armv7hf riscv64", into build/cross
	@$(PYTHON) tests/cross/sizes.py $(CROSS) $(TARGET)

cross-product:
	@for target in $(TARGET); do for variant in $(VARIANTS); do \
	  $(MAKE) --no-print-directory product BUILD=$(CROSS)/$$target$${variant%%:*} \
	    PROCESSOR=$$target $${variant#*:} || exit; done; done

dist: setup-cross cross-product ## pack those: .tar.gz, .deb, SBOM and checksums in build/dist
	@packaging/dist.sh $(BUILD)/dist $(foreach target,$(TARGET),$(CROSS)/$(target)*)

cross-test: setup-cross setup-cross-test cross-product ## run those in qemu: simulations, check, get, once; the unit tests in 32 bits
	@$(PYTHON) tests/cross/run.py $(CROSS) $(TARGET)
	@$(PYTHON) tests/cross/unit.py $(BUILD)/cross-tests $(JOBS) $(CROSS) $(filter armv7hf,$(TARGET))
	@$(PYTHON) tests/cross/gcc.py $(BUILD)/gcc $(CROSS) $(TARGET)

cross-check: dist ## build and pack those once more, in another folder: are they the same bytes?
	@$(PYTHON) tests/cross/same_bytes.py $(BUILD) $(TARGET)

# Machines are emulated for two of them.
image image-test: TARGET := x86_64 aarch64

image: setup-cross setup-image cross-product image-product ## minimal VM images: a kernel, an initramfs, into build/image
	@$(PYTHON) tests/image/show.py $(BUILD)/image $(CROSS) $(TARGET)

image-test: setup-cross setup-image cross-product image-product ## boot those in qemu: tokens, an outage, 1970; their figures
	@$(PYTHON) tests/image/run.py $(BUILD)/image $(CROSS) $(TARGET)

image-product:
	@for target in $(TARGET); do cmake --build $(CROSS)/$$target --target image_start || exit; done

test-clients: setup-build setup-run product ## real clients and a real service (npm: @azure/identity, Azurite) with the emulator
	@MIAGENT=$(abspath $(BUILD))/miagent $(PYTHON) tests/clients/run.py $(BUILD)/clients

FAMILY ?=
packaging-test: setup-build setup-packaging-test ## check the package recipes of each FAMILY (all) with its own tools
	@$(PYTHON) tests/packaging/recipes.py --build $(BUILD) $(FAMILY)

clean: ## remove what was built (downloads stay in ~/.cache/miagent)
	@rm -rf $(BUILD)

help: ## this list
	@sed -nE 's/^([a-z-]+):.* ## (.*)/\1\t\2/p' Makefile | expand -t 16

setup-%:
	@toolchains/setup.sh $* $(TARGET)

product: $(BUILD)/build.ninja
	@cmake --build $(BUILD) --parallel $(JOBS)

tests: product $(TESTS)/build.ninja
	@cmake --build $(TESTS) --parallel $(JOBS)

$(BUILD)/build.ninja:
	@test -f $(TOOLCHAIN) || { echo "make: there is no $(TOOLCHAIN) for this processor yet" >&2; exit 1; }
	@cmake -S . -B $(BUILD) -G Ninja --toolchain $(CURDIR)/$(TOOLCHAIN) $(if $(HTTP_ONLY),-DMIAGENT_TLS=OFF)

# The tests link what the product's build made, so it comes first.
$(TESTS)/build.ninja: | product
	@cmake -S . -B $(TESTS) -G Ninja --toolchain $(CURDIR)/toolchains/host-clang.cmake \
	  -DMIAGENT_TESTS=ON -DMIAGENT_PRODUCT_DIR=$(abspath $(BUILD)) $(if $(HTTP_ONLY),-DMIAGENT_TLS=OFF)
