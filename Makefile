# The daily words. meson and ninja build; the scripts do what takes more than a line.
BUILD ?= build
PREFIX ?= /usr/local
LAB ?= --all
LAB_ARGS ?=
FUZZ_SECONDS ?= 60

all: $(BUILD)/build.ninja
	ninja -C $(BUILD)

# What is installed later is found by `make clean all`.
$(BUILD)/build.ninja:
	@scripts/deps build
	meson setup $(BUILD) --prefix=$(PREFIX)

help:
	@echo 'make          build $(BUILD)/contest; first install what is missing'
	@echo 'make lab      play every experiment; LAB=--quick or LAB="ID ID" plays some,'
	@echo '              LAB_ARGS="--jobs 4" adds options'
	@echo 'make check    lint, unit tests, scenarios, a build without optional parts, sanitizers,'
	@echo '              fuzz corpora, valgrind'
	@echo 'make lint     format, layers, clang-tidy, cppcheck, shellcheck'
	@echo 'make fuzz     every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS) seconds'
	@echo 'make bench    measure, side by side with other tools'
	@echo 'make install  below PREFIX=$(PREFIX) (DESTDIR is respected)'
	@echo 'make clean    remove what was built; results stay'

# The status is that of the run: 1 when a claim was not confirmed.
lab:
	@scripts/deps build
	@$(MAKE) --no-print-directory all
	@dir=results/$$(date -u +%Y%m%dT%H%M%SZ); \
	 echo "results go to $$dir" >&2; \
	 $(BUILD)/contest lab run $(LAB) --out "$$dir" $(LAB_ARGS); status=$$?; \
	 echo "results are in $$dir" >&2; \
	 exit $$status

check:
	@scripts/deps check
	@scripts/check

lint:
	@scripts/deps check
	@scripts/lint

fuzz:
	@scripts/deps check
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz

bench:
	@scripts/deps bench
	@$(MAKE) --no-print-directory all
	@scripts/bench $(BUILD)

install: all
	meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) build-check build-lean build-bare build-asan build-tsan build-fuzz build-lint

.PHONY: all help lab check lint fuzz bench install clean
