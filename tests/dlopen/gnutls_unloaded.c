/* SPDX-License-Identifier: MIT
 * Loads libgnutls, makes a session and unloads it, three times, as with a plugin. Where the library was nothing can be any more. */
#include <dlfcn.h>
#include <elf.h>
#include <gnutls/gnutls.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static uintptr_t start, end;

static void fail(const char *what)
{
	perror(what);
	exit(99);
}

static int find(struct dl_phdr_info *object, size_t size, void *name)
{
	(void)size;
	if (!strstr(object->dlpi_name, name))
		return 0;
	start = object->dlpi_addr;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &object->dlpi_phdr[i];

		if (segment->p_type == PT_LOAD)
			end = start + segment->p_vaddr + segment->p_memsz;
	}
	return 1;
}

static void *load(void)
{
	void *library = dlopen("libgnutls.so.30", RTLD_NOW | RTLD_GLOBAL);

	if (!library || !dl_iterate_phdr(find, "libgnutls"))
		fail("dlopen");
	return library;
}

static void unload(void *library)
{
	dlclose(library);
	if (dl_iterate_phdr(find, "libgnutls"))
		fail("dlclose");
	if (mmap((void *)start, end - start, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) == MAP_FAILED)
		fail("mmap");
}

/* By the handle: found by RTLD_DEFAULT they would keep the library loaded. What libgnutls itself calls comes by the hooks. */
static void make_session(void *library)
{
	__typeof__(&gnutls_init) init;
	__typeof__(&gnutls_deinit) deinit;
	gnutls_session_t session;

	*(void **)&init = dlsym(library, "gnutls_init");
	*(void **)&deinit = dlsym(library, "gnutls_deinit");
	if (init(&session, GNUTLS_CLIENT))
		fail("gnutls_init");
	deinit(session);
}

int main(void)
{
	for (int i = 0; i < 3; i++) {
		void *library = load();

		make_session(library);
		unload(library);
	}
	printf("done\n");
	return 0;
}
