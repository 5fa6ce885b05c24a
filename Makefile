# SPDX-License-Identifier: MIT
# make: the library. make demo, make test: each installs what it needs by itself. make help lists the rest.
VERSION := 0.1.0
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
NAMED   ?= $(LIBDIR)
MANDIR  ?= $(PREFIX)/share/man
BUILD   ?= build

# make, LD_PRELOAD and PATH have meanings of their own for these, and no way to quote them.
ODD := $(shell printf %s '$(subst ','\'',$(CURDIR)$(BUILD))' | LC_ALL=C tr -d 'A-Za-z0-9/._+~@,=%\043\200-\377-')
$(if $(ODD),$(error closenotify: the path '$(CURDIR)' has '$(ODD)' in it; letters, digits and /._+~@,=%- are accepted))

CC      ?= cc
CC32    ?= $(CC) -m32
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wconversion
# Empty here, so that a newer compiler's warning stops nobody. make test sets -Werror; make lint takes each warning for an error too.
WERROR  ?=
CFLAGS  ?= -O2 -g
override CPPFLAGS += -D_GNU_SOURCE -DCN_VERSION='"$(VERSION)"'
ALL_CFLAGS = -std=gnu11 $(WARN) $(WERROR) $(CPPFLAGS) $(CFLAGS)

# The suite, which knows build/ by itself.
RUN = $(if $(filter-out build,$(BUILD)),CN_BUILD=$(abspath $(BUILD))) tests/run

BUILD_NEEDS := $(firstword $(CC))=$(if $(filter cc,$(firstword $(CC))),gcc,$(firstword $(CC))) /usr/include/stdio.h=libc6-dev /usr/include/linux/tcp.h=linux-libc-dev

SHIM    := $(filter-out shim/deep.c shim/patch.c shim/decode.c,$(wildcard shim/*.c))
HEADERS := $(wildcard shim/*.h) shim/hooks.def
# What every program runs at its start stands together: fewer page faults.
START   := hook_process libc object process older config sink event
OBJECTS := $(START:%=$(BUILD)/obj/%.o) $(filter-out $(START:%=$(BUILD)/obj/%.o),$(SHIM:shim/%.c=$(BUILD)/obj/%.o))
LIBRARY := $(BUILD)/libclosenotify.so
COMMANDS := closenotify closenotify-check closenotify-report
FLEET   := $(wildcard scripts/fleet/*)
REPORT  := $(wildcard scripts/report/*.py scripts/report/*.css scripts/report/*.js)
DEEP    := $(BUILD)/libclosenotify-deep.so
PATCH   := $(BUILD)/libclosenotify-patch.so
COMPLETIONS := bash-completion/completions zsh/site-functions fish/vendor_completions.d

.PHONY: dist deb rpm all 32 install install-both uninstall lint clean test soak matrix releases proofs peers peers-gnutls gnutls-orders bench coverage versions demo help needs-build needs-test needs-wine schannel test-programs \
  rude-programs gnutls-programs thread-programs fuzzers FORCE
.DELETE_ON_ERROR:

all: $(LIBRARY) $(DEEP) $(PATCH) ## build the library (the default)

32: ## the library for 32-bit programs on x86-64, build/32/libclosenotify.so
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/32 CC='$(CC32) -Wno-psabi' BUILD_NEEDS='$(BUILD_NEEDS) /usr/include/asm=gcc-multilib' all

# The directories that the loader puts in for $LIB.
LIB_OF_64 = $(or $(addprefix lib/,$(shell $(CC) -print-multiarch)),lib64)
LIB_OF_32 = $(or $(addprefix lib/,$(shell $(CC32) -print-multiarch)),lib)

install-both: all 32 ## as install, with the library for 32-bit programs beside it
	@$(MAKE) --no-print-directory install LIBDIR='$(PREFIX)/$(LIB_OF_64)' NAMED='$(PREFIX)/$$$$LIB'
	install -d $(DESTDIR)$(PREFIX)/$(LIB_OF_32)
	install -m 644 $(LIBRARY:$(BUILD)/%=$(BUILD)/32/%) $(DEEP:$(BUILD)/%=$(BUILD)/32/%) $(PATCH:$(BUILD)/%=$(BUILD)/32/%) $(DESTDIR)$(PREFIX)/$(LIB_OF_32)

# The static probes are there if their header is; it may come after the objects.
$(BUILD)/probes: FORCE
	@printf '%s\n' '#include <stdio.h>' '#include <linux/tcp.h>' | $(CC) -E -xc - >/dev/null 2>&1 || tests/needs --say $(BUILD_NEEDS)
	@mkdir -p $(@D)
	@now=$$(printf '%s\n' '#if __has_include(<sys/sdt.h>)' with '#else' without '#endif' | $(CC) $(CPPFLAGS) -E -P -xc -) && \
	  { [ "$$now" = "$$(cat $@ 2>/dev/null)" ] || echo "$$now" >$@; }

$(BUILD)/obj/%.o: shim/%.c $(HEADERS) $(BUILD)/probes Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -fPIC -fvisibility=hidden -fno-plt -fexceptions -include shim/older.h -c $< -o $@

# Exports the interposed names and nothing else. pthread and dl are libraries of their own before glibc 2.34. Few
# segments, because every program that starts with it pays for each.
$(BUILD)/exports.map: shim/hooks.def
	@mkdir -p $(@D)
	set -e; { echo '{ global:'; $(CC) -E -P -xc '-DHOOK(ret, name, params, home, purpose)=name;' $<; \
	  echo 'local: *; };'; } > $@

$(LIBRARY): $(OBJECTS) $(BUILD)/exports.map
	$(CC) $(ALL_CFLAGS) -shared -Wl,--version-script=$(BUILD)/exports.map \
	  -Wl,-z,relro,-z,now,-z,nodelete,-z,defs -Wl,-Bsymbolic-functions,--sort-section=name \
	  -Wl,--as-needed,--hash-style=both,-z,noseparate-code $(OBJECTS) $(LDFLAGS) -lpthread -ldl -o $@

# For LD_AUDIT; only the auditing functions are seen.
$(DEEP): $(BUILD)/obj/deep.o
	$(CC) $(ALL_CFLAGS) -shared -Wl,-z,relro,-z,now,-z,defs $< $(LDFLAGS) -o $@

# Preloaded beside the library, if asked for.
$(PATCH): $(BUILD)/obj/patch.o $(BUILD)/obj/decode.o $(BUILD)/obj/object.o
	$(CC) $(ALL_CFLAGS) -shared -Wl,-z,relro,-z,now,-z,defs $^ $(LDFLAGS) -o $@

install: all ## install below PREFIX (/usr/local), honouring DESTDIR
	@at='$(DESTDIR)$(PREFIX)/bin'; until [ -e "$$at" ]; do at=$$(dirname "$$at"); done; \
	  [ -w "$$at" ] || echo "make install: $$at is not yours to write: take sudo, or another place by PREFIX=" >&2
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man7
	install -m 644 $(LIBRARY) $(DEEP) $(PATCH) $(DESTDIR)$(LIBDIR)
	for command in $(COMMANDS); do \
	  sed -e 's|@LIBDIR@|$(NAMED)|g' -e 's|@VERSION@|$(VERSION)|g' scripts/$$command \
	    > $(DESTDIR)$(PREFIX)/bin/$$command && chmod 755 $(DESTDIR)$(PREFIX)/bin/$$command || exit 1; \
	done
	install -m 644 $(COMMANDS:%=scripts/%.1) $(DESTDIR)$(MANDIR)/man1
	install -d $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(PREFIX)/share/closenotify
	install -m 644 scripts/closenotify-log.5 $(DESTDIR)$(MANDIR)/man5
	install -m 644 scripts/libclosenotify.7 scripts/closenotify-recipes.7 $(DESTDIR)$(MANDIR)/man7
	install -d $(DESTDIR)$(PREFIX)/share/closenotify/report
	install -m 644 scripts/closenotify-record.schema.json $(DESTDIR)$(PREFIX)/share/closenotify
	install -m 644 $(REPORT) $(DESTDIR)$(PREFIX)/share/closenotify/report
	install -d $(DESTDIR)$(PREFIX)/share/closenotify/fleet
	install -m 644 $(filter-out %/journal-to-file,$(FLEET)) $(DESTDIR)$(PREFIX)/share/closenotify/fleet
	install -m 755 scripts/fleet/journal-to-file $(DESTDIR)$(PREFIX)/share/closenotify/fleet
	install -d $(COMPLETIONS:%=$(DESTDIR)$(PREFIX)/share/%)
	for command in $(COMMANDS); do \
	  install -m 644 scripts/packaging/completions/closenotify.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/$$command || exit 1; \
	done
	install -m 644 scripts/packaging/completions/_closenotify $(DESTDIR)$(PREFIX)/share/zsh/site-functions
	install -m 644 scripts/packaging/completions/closenotify.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

uninstall: ## remove what install put there
	rm -f $(foreach directory,$(LIBDIR) $(PREFIX)/$(LIB_OF_64) $(PREFIX)/$(LIB_OF_32), \
	  $(DESTDIR)$(directory)/libclosenotify.so $(DESTDIR)$(directory)/libclosenotify-deep.so \
	  $(DESTDIR)$(directory)/libclosenotify-patch.so) \
	  $(COMMANDS:%=$(DESTDIR)$(PREFIX)/bin/%) $(COMMANDS:%=$(DESTDIR)$(MANDIR)/man1/%.1) \
	  $(DESTDIR)$(MANDIR)/man5/closenotify-log.5 $(DESTDIR)$(MANDIR)/man7/libclosenotify.7 $(DESTDIR)$(MANDIR)/man7/closenotify-recipes.7 \
	  $(DESTDIR)$(PREFIX)/share/closenotify/closenotify-record.schema.json
	rm -f $(COMMANDS:%=$(DESTDIR)$(PREFIX)/share/bash-completion/completions/%) \
	  $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_closenotify $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/closenotify.fish
	rm -rf $(DESTDIR)$(PREFIX)/share/closenotify/report $(DESTDIR)$(PREFIX)/share/closenotify/fleet
	[ ! -d $(DESTDIR)$(PREFIX)/share/closenotify ] || rmdir $(DESTDIR)$(PREFIX)/share/closenotify

dist: ## a tarball and its checksum, in build/packages
	@scripts/packaging/build dist $(VERSION) $(BUILD)

DEB_NEEDS_i386  := i686-linux-gnu-strip=binutils-i686-linux-gnu
DEB_NEEDS_arm64 := aarch64-linux-gnu-strip=binutils-aarch64-linux-gnu clang=clang ld.lld=lld

deb: needs-build ## a package for Debian 11 and later, in build/packages; ARCH=i386 or arm64 compiles for these
	@tests/needs dh=debhelper dpkg-buildpackage=dpkg-dev readelf=binutils $(DEB_NEEDS_$(ARCH))
	@scripts/packaging/build deb $(VERSION) $(BUILD) $(ARCH)

.PHONY: packages
packages: needs-test ## all of these, for i386 and arm64 as well, installed, used and removed in roots of Debian 11, 12 and 13 (3 minutes)
	@tests/needs dh=debhelper dpkg-buildpackage=dpkg-dev lintian=lintian rpmbuild=rpm qemu-aarch64-static=qemu-user-static $(DEB_NEEDS_i386) $(DEB_NEEDS_arm64)
	@$(MAKE) --no-print-directory all test-programs
	@PLACES='bullseye bookworm trixie bookworm:i386 bookworm:arm64' $(RUN) tests/packages.bats

rpm: needs-build ## an RPM, in build/packages
	@tests/needs rpmbuild=rpm
	@scripts/packaging/build rpm $(VERSION) $(BUILD)

# --- tests: the judge, programs with one sin each, and the bats files ---

RUDE    := $(patsubst tests/rude/%.c,$(BUILD)/tests/rude/%,$(wildcard tests/rude/*.c))
GNUTLS  := $(patsubst tests/gnutls/%.c,$(BUILD)/tests/gnutls/%,$(wildcard tests/gnutls/*.c))
THREADS := $(patsubst tests/threads/%.c,$(BUILD)/tests/threads/%,$(wildcard tests/threads/*.c))
TEST_PROGRAMS := $(BUILD)/tests/judge $(patsubst tests/programs/%.c,$(BUILD)/tests/%,$(wildcard tests/programs/*.c)) \
                 $(RUDE) $(THREADS) \
                 $(GNUTLS) \
                 $(patsubst tests/transports/%.c,$(BUILD)/tests/transports/%,$(wildcard tests/transports/*.c)) \
                 $(BUILD)/tests/storm/faults.so $(BUILD)/tests/storm/forks \
                 $(BUILD)/tests/dlopen/load_plugin $(BUILD)/tests/dlopen/load_plugin.plugin $(BUILD)/tests/dlopen/by_name $(BUILD)/tests/dlopen/gnutls_unloaded \
                 $(BUILD)/tests/bench/instructions $(BUILD)/tests/bench/startup
BENCHMARKS    := $(patsubst tests/bench/%.c,$(BUILD)/tests/bench/%,$(wildcard tests/bench/*.c))

test-programs: $(TEST_PROGRAMS)
rude-programs: $(RUDE)
gnutls-programs: $(GNUTLS)
thread-programs: $(THREADS)

$(BUILD)/tests/judge: $(wildcard tests/judge/*.[ch])
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(filter %.c,$^) -o $@ -lssl -lcrypto

$(BUILD)/tests/%: tests/programs/%.c $(wildcard tests/rude/*.h) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Ishim $< -o $@ -lssl -lcrypto -lpthread -ldl

$(BUILD)/tests/rude/forkpty_killed: MORE_LIBRARIES := -lutil
$(BUILD)/tests/rude/%: tests/rude/%.c $(wildcard tests/rude/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< -o $@ $(MORE_LIBRARIES) -lssl -lcrypto -lpthread -ldl

$(BUILD)/tests/threads/%: tests/threads/%.c tests/threads/carried.h $(wildcard tests/rude/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests/rude $< -o $@ -lssl -lcrypto -lpthread -ldl

$(BUILD)/tests/gnutls/two_libraries: MORE_LIBRARIES := -lssl -lcrypto
$(BUILD)/tests/gnutls/%: tests/gnutls/%.c tests/gnutls/party.h $(wildcard tests/rude/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests/rude $< -o $@ -lgnutls $(MORE_LIBRARIES) -lpthread -ldl

$(BUILD)/tests/transports/%: tests/transports/%.c tests/rude/rude.h tests/rude/old_libc.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< -o $@ -lssl -lcrypto -lpthread -ldl

$(BUILD)/tests/storm/faults.so: tests/storm/faults.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -shared -fPIC -fvisibility=hidden $< -o $@ -ldl

$(BUILD)/tests/storm/%: tests/storm/%.c tests/rude/rude.h tests/rude/old_libc.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< -o $@ -lssl -lcrypto

$(BUILD)/tests/dlopen/load_plugin.plugin: tests/dlopen/plugin.c tests/rude/rude.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -shared -fPIC $< -o $@ -lssl -lcrypto

$(BUILD)/tests/dlopen/%: tests/dlopen/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< -o $@ -ldl

$(BUILD)/tests/bench/instructions: MORE_LIBRARIES := -lgnutls
$(BUILD)/tests/bench/%: tests/bench/%.c tests/bench/bench.h tests/rude/rude.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Itests/rude $< -o $@ $(MORE_LIBRARIES) -lssl -lcrypto -lpthread -ldl

# clang, because gcc has no libFuzzer.
FUZZERS := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/*.c))

fuzzers: $(FUZZERS)

$(BUILD)/fuzz/%: tests/fuzz/%.c $(wildcard tests/fuzz/*.h shim/*.[ch])
	@mkdir -p $(@D)
	clang -std=gnu11 $(WARN) $(WERROR) -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
	  -fno-sanitize-recover=undefined $< -o $@

needs-build:
	@tests/needs $(BUILD_NEEDS)

needs-test: needs-build
	@tests/needs clang=clang bats=bats /usr/include/openssl/ssl.h=libssl-dev openssl=openssl \
	  /usr/include/gnutls/gnutls.h=libgnutls28-dev \
	  jq=jq tcpdump=tcpdump strace=strace python3=python3 valgrind=valgrind readelf=binutils \
	  curl=curl g++=g++ setpriv=util-linux flock=util-linux setcap=libcap2-bin dpkg-deb=dpkg dpkg-source=dpkg-dev \
	  gdb=gdb musl-gcc=musl-tools dtrace=systemtap-sdt-dev ld.lld=lld chromium=chromium /usr/lib/python3/dist-packages/yaml/__init__.py=python3-yaml
	@CN_BUILD=$(abspath $(BUILD)) tests/need-bats

demo: needs-build ## see it: four real programs, without and with
	@tests/needs dpkg-deb=dpkg unshare=util-linux flock=util-linux
	@$(MAKE) --no-print-directory all >/dev/null
	@CN_BUILD=$(abspath $(BUILD)) scripts/demo

# To compile the Windows programs of tests/schannel; Wine itself is unpacked by the tests.
needs-wine: needs-test
	@[ "$$(uname -m)" != x86_64 ] || tests/needs x86_64-w64-mingw32-gcc=gcc-mingw-w64-x86-64

test: needs-wine ## build and run the whole suite
	@umask 022; $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j "$$(nproc)") WERROR=-Werror all test-programs
	@$(RUN)

matrix: needs-test ## all 7,244 cases of the fork matrix, of which make test plays a sample
	@$(MAKE) --no-print-directory all test-programs
	@MATRIX=all $(RUN) tests/matrix.bats

schannel: needs-wine ## SChannel: all of it, under Wine 8 and 10 (two minutes, 1 GB)
	@$(MAKE) --no-print-directory all $(BUILD)/tests/judge
	@$(RUN) tests/schannel.bats tests/schannel/whole.bats

releases: ## demo and suite in bare systems of Debian 11, 12, 13, as root with all rights and as in an ordinary container
	@CN_BUILD=$(abspath $(BUILD)) tests/releases

.PHONY: walk
walk: ## demo, build, install, package, use and remove, in bare systems of Debian 11, 12, 13 (root; 20 minutes)
	@CN_BUILD=$(abspath $(BUILD)) COMMANDS=walk tests/releases

versions: needs-build ## the suite against OpenSSL 1.1.1, 3.0, 3.5 and 3.6, each in its own Debian release
	@tests/needs dpkg-deb=dpkg unshare=util-linux flock=util-linux
	@tests/versions

.PHONY: programs
programs: needs-test ## demo and real programs in Debian 11, 12, 13 and sid, as a table (a quarter of an hour, 6 GB)
	@tests/needs dpkg-deb=dpkg unshare=util-linux
	@$(MAKE) --no-print-directory all test-programs
	@CN_BUILD=$(abspath $(BUILD)) tests/programs-in --demo

.PHONY: fuzz
fuzz: needs-test ## FUZZ_SECONDS (60) for each: flags, configuration file, hellos, records, reader of the log
	@CN_BUILD=$(abspath $(BUILD)) tests/fuzz/run "$(or $(FUZZ_SECONDS),60)"

.PHONY: agreement
agreement: needs-build ## 3,000 random connections, records against the judge, in Debian 11, 12, 13 and sid each (an hour)
	@tests/needs dpkg-deb=dpkg unshare=util-linux flock=util-linux
	@tests/versions --agreement 3000

SANITIZED := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined
gnutls-orders: needs-test ## ORDERS (3000) random orders of GnuTLS's calls against the judge, and a tenth of that under ASan
	@$(MAKE) --no-print-directory all test-programs
	@CN_BUILD=$(abspath $(BUILD)) tests/agreement --gnutls $(or $(ORDERS),3000)
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/asan CFLAGS='$(SANITIZED)' all gnutls-programs $(BUILD)/asan/tests/judge >/dev/null
	@ASAN_OPTIONS=detect_leaks=0:exitcode=66:handle_segv=1 CN_BUILD=$(abspath $(BUILD)/asan) \
	  AGREEMENT_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libubsan.so)" \
	  tests/agreement --gnutls $$(( $(or $(ORDERS),3000) / 10 ))

soak: ## SOAK_SECONDS (600): 100,000 connections, random programs, peers and faults, agreement, fuzzing
	@CN_BUILD=$(abspath $(BUILD)) tests/soak "$(or $(SOAK_SECONDS),600)"

proofs: needs-test ## the model by SPIN, and the races with each check taken out (some 4 minutes)
	@$(MAKE) --no-print-directory all test-programs
	@tests/model/run
	@CN_BUILD=$(abspath $(BUILD)) tests/races

peers: needs-test ## the suites of CPython, OpenSSL, GnuTLS, libevent and Boost.Asio, nginx and Apache under load: as without (an hour, 2 GB)
	@tests/needs unshare=util-linux
	@status=0; export CN_BUILD=$(abspath $(BUILD)); tests/cpython || status=1; tests/peers || status=1; exit $$status

peers-gnutls: needs-test ## of these that of GnuTLS alone
	@CN_BUILD=$(abspath $(BUILD)) tests/peers gnutls

.PHONY: totals fleet dotnet
dotnet: needs-test ## every scenario of .NET 8, 9 and the SDK's own: without, with --deep, with --quiet override (15 minutes)
	@$(MAKE) --no-print-directory all test-programs
	@DOTNET=all $(RUN) tests/dotnet.bats

.PHONY: node
node: needs-test ## every scenario of official node 18, 20, 22, 24, their tests of tls and https, the decoder on all they export (40 minutes)
	@tests/needs npm=npm
	@$(MAKE) --no-print-directory all test-programs
	@NODE=all $(RUN) tests/node.bats
	@$(MAKE) --no-print-directory decoder
	@CN_BUILD=$(abspath $(BUILD)) tests/node/suite

.PHONY: decoder
decoder: needs-test ## the decoder of --patch against objdump: encodings of every kind, all that the node builds at hand export (15 minutes)
	@CN_BUILD=$(abspath $(BUILD)) tests/patch/decoded encodings
	@CN_BUILD=$(abspath $(BUILD)) tests/patch/decoded $$(find $(BUILD)/node/*/node_modules -path '*/node-linux-*/bin/node' -size +10M)

totals: ## scripts/fleet/totals.sql gives the totals of closenotify-report (DuckDB by npm)
	@tests/needs npm=npm node=nodejs python3=python3
	@CN_BUILD=$(abspath $(BUILD)) tests/report/duckdb

fleet: needs-test ## the recipes of scripts/fleet, run: rsyslog, node exporter, Prometheus and the dashboard's queries
	@tests/needs dpkg-deb=dpkg unshare=util-linux flock=util-linux
	@$(MAKE) --no-print-directory all test-programs
	@CN_BUILD=$(abspath $(BUILD)) tests/report/fleet

coverage: needs-test ## which lines and branches of shim/ the suite runs through
	@tests/needs llvm-cov=llvm
	@CN_BUILD=$(abspath $(BUILD)) tests/coverage

bench: needs-build ## what the library costs, beside doing it by hand, proxies, tracers, libeatmydata and torsocks (16 minutes; BENCH=--results keeps the figures in tests/bench/results.md)
	@tests/needs /usr/include/openssl/ssl.h=libssl-dev python3=python3 openssl=openssl valgrind=valgrind readelf=binutils \
	  dpkg-deb=dpkg unshare=util-linux flock=util-linux
	@$(MAKE) --no-print-directory all $(BENCHMARKS)
	@tests/sysroot add -q host openssl python3 libeatmydata1 torsocks nginx-light apache2-bin wrk stunnel4 haproxy \
	  strace ltrace uftrace bpftrace
	@tests/bench/run $(BENCH)

lint: ## clang-format, clang-tidy, shellcheck, pyflakes, mandoc
	@tests/needs clang-format=clang-format clang-tidy=clang-tidy shellcheck=shellcheck mandoc=mandoc \
	  pyflakes3=pyflakes3
	clang-format --dry-run -Werror shim/*.c shim/*.h tests/programs/*.c tests/judge/*.[ch] \
	  $(wildcard tests/rude/*.[ch] tests/gnutls/*.[ch] tests/patch/*.c tests/threads/*.[ch] tests/transports/*.c tests/dlopen/*.c tests/loaders/*.[ch] tests/bench/*.[ch] tests/fuzz/*.[ch] tests/storm/*.c tests/schannel/*.[ch] tests/coverage.c)
	for file in shim/*.c; do \
	  clang-tidy --quiet --warnings-as-errors='*' $$file -- $(ALL_CFLAGS) -include shim/older.h 2>/dev/null || exit 1; \
	done
	shellcheck tests/node/suite scripts/packaging/build scripts/packaging/completions/closenotify.bash scripts/closenotify scripts/closenotify-check scripts/fleet/journal-to-file tests/report/duckdb scripts/demo tests/environment scripts/coverage tests/needs tests/need-bats tests/capability tests/run tests/releases tests/walk tests/sysroot tests/versions \
	  tests/bench/instructions tests/fuzz/run tests/coverage tests/soak tests/asio/lanes.bash .ci/run tests/*.bash tests/gnutls/*.bash tests/schannel/*.bash tests/*.bats tests/schannel/*.bats
	shellcheck -x tests/table tests/programs-in tests/races tests/asio/table
	pyflakes3 tests/patch/decoded tests/patch/denies.py scripts/closenotify-report scripts/report/*.py tests/report/generate tests/report/browse tests/report/fleet tests/validate tests/ways tests/agreement tests/storm/run \
	  tests/fuzz/report tests/bench/run tests/bench/table tests/cpython tests/peers tests/compare.py
	mandoc -Tlint -W warning scripts/*.[157]

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20
