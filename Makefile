# SPDX-License-Identifier: MIT
# make: the library. make demo, make test: each installs what it needs by itself. make help lists the rest.
VERSION := 0.1.0
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
BUILD   ?= build

CC      ?= cc
WARN    := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wconversion -Werror
CFLAGS  ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE
ALL_CFLAGS = -std=gnu11 $(WARN) $(CPPFLAGS) $(CFLAGS)

SHIM    := $(wildcard shim/*.c)
HEADERS := $(wildcard shim/*.h) shim/hooks.def
OBJECTS := $(SHIM:shim/%.c=$(BUILD)/obj/%.o)
LIBRARY := $(BUILD)/libclosenotify.so

.PHONY: all install uninstall lint clean test demo help
.DELETE_ON_ERROR:

all: $(LIBRARY)

$(BUILD)/obj/%.o: shim/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -fPIC -fvisibility=hidden -fno-plt -c $< -o $@

# Exports the interposed names and nothing else.
$(BUILD)/exports.map: shim/hooks.def
	@mkdir -p $(@D)
	{ echo '{ global:'; $(CC) -E -P -xc '-DHOOK(ret, name, params, home, purpose)=name;' $<; \
	  echo 'local: *; };'; } > $@

$(LIBRARY): $(OBJECTS) $(BUILD)/exports.map
	$(CC) $(ALL_CFLAGS) -shared -Wl,--version-script=$(BUILD)/exports.map \
	  -Wl,-z,relro,-z,now,-z,nodelete,-z,defs -Wl,--as-needed $(OBJECTS) $(LDFLAGS) -o $@

# --- tests: programs with one sin each, the judge, and the bats files ---

TEST_PROGRAMS := $(patsubst tests/programs/%.c,$(BUILD)/tests/%,$(wildcard tests/programs/*.c)) \
                 $(patsubst tests/rude/%.c,$(BUILD)/tests/rude/%,$(wildcard tests/rude/*.c))

test-programs: $(TEST_PROGRAMS)

$(BUILD)/tests/%: tests/programs/%.c $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Ishim $< -o $@ -lssl -lcrypto -lpthread -ldl

$(BUILD)/tests/rude/%: tests/rude/%.c tests/rude/rude.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $< -o $@ -lssl -lcrypto -lpthread -ldl

clean:
	rm -rf $(BUILD)
