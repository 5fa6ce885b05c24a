/* SPDX-License-Identifier: MIT
 * Finds the real functions. Invariant: a libssl is identified by the object that defines its SSL_free, and
 * its functions are looked up in that object alone, so two versions in one process never mix.
 *
 * RTLD_NEXT will not do for SSL_*: under python3, perl and ruby libssl is loaded RTLD_LOCAL and RTLD_NEXT
 * finds nothing; with two versions loaded it finds the wrong one. */
#include "real.h"
#include "tls.h"

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>

struct cn_libc cn_libc_table;

void cn_libc_find(void)
{
	struct cn_libc table;

	/* A union, not a cast: ISO C has no conversion from object to function pointer, POSIX gives the same
	 * bits. */
#define FIND_LIBC(name)                                                                                      \
	do {                                                                                                 \
		void *found = dlsym(RTLD_NEXT, #name);                                                       \
		__builtin_memcpy(&table.name, &found, sizeof(found));                                        \
	} while (0);
#define FIND_SSL(name)
#define HOOK(ret, name, params, home, purpose) FIND_##home(name)
#include "hooks.def"
#undef HOOK
#undef FIND_SSL
	cn_libc_table = table;
}

static struct link_map *object_at(const void *address)
{
	struct link_map *map = NULL;
	Dl_info info;

	if (!dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP))
		return NULL;
	return map;
}

static void *handle_of(const struct link_map *map)
{
	return map ? dlopen(map->l_name[0] ? map->l_name : NULL, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

/* Where the object `map` would find SSL_free, our own hook left out. */
static void *ssl_free_for(const struct link_map *map, const struct link_map *own)
{
	void *handle, *found = NULL;

	if (map->l_name[0] &&
	    (handle = handle_of(map))) { /* its own dependencies, the preloads not among them */
		found = dlsym(handle, "SSL_free");
		dlclose(handle);
	}
	if (!found || object_at(found) == own)
		found = dlsym(RTLD_NEXT, "SSL_free"); /* the main program, and plugins that lean on it */
	return found;
}

static bool defines_ssl(const struct link_map *map)
{
	void *handle = handle_of(map), *found = handle ? dlsym(handle, "SSL_free") : NULL;

	if (handle)
		dlclose(handle);
	return found && object_at(found) == map;
}

/* The shim itself or another copy of it: it stands for SSL_free and for close. */
static bool is_shim(const struct link_map *map)
{
	void *handle = handle_of(map), *ends = NULL, *closes = NULL;

	if (handle) {
		ends = dlsym(handle, "SSL_free");
		closes = dlsym(handle, "close");
		dlclose(handle);
	}
	return ends && closes && object_at(ends) == map && object_at(closes) == map;
}

/* Past other copies: the first object loaded that has a libssl of its own. */
static const struct link_map *any_libssl(const struct link_map *own)
{
	const struct link_map *map = own;

	while (map->l_prev)
		map = map->l_prev;
	for (; map; map = map->l_next) {
		if (map->l_name[0] && defines_ssl(map) && !is_shim(map))
			return map;
	}
	return NULL;
}

/* Where in memory the object lies: from its ELF header to the end of its last segment. */
static void settle(struct cn_tls *tls, const struct link_map *map)
{
	const ElfW(Ehdr) *header = (const void *)map->l_addr;
	const ElfW(Phdr) *segment = (const void *)(map->l_addr + header->e_phoff);

	tls->start = map->l_addr;
	tls->length = 0;
	for (int i = 0; i < header->e_phnum; i++) {
		if (segment[i].p_type == PT_LOAD && segment[i].p_vaddr + segment[i].p_memsz > tls->length)
			tls->length = segment[i].p_vaddr + segment[i].p_memsz;
	}
}

struct cn_tls *_Atomic cn_libraries;

/* Finds or publishes the library defined by the object `home`. No lock: dlopen takes the loader's, and a
 * thread in a constructor may hold that while it calls SSL_*. Two threads may prepare the same library; one
 * of them wins. */
static struct cn_tls *library_of(const struct link_map *home)
{
	struct cn_tls *ours = NULL, *seen, *_Atomic *place = &cn_libraries;
	void *handle;

	for (;; place = &seen->next) {
		seen = atomic_load_explicit(place, memory_order_acquire);
		if (!seen) {
			/* The handle is kept: a libssl stays loaded once used, as its own -z nodelete already
			 * makes it. */
			if (!ours &&
			    (!(handle = handle_of(home)) || !(ours = cn_openssl_prepare(handle, home))))
				return NULL;
			settle(ours, home);
			if (atomic_compare_exchange_strong(place, &seen, ours))
				return ours;
		}
		if (seen->home == home) {
			if (ours)
				cn_openssl_discard(ours);
			return seen;
		}
	}
}

struct cn_tls *cn_tls_of_caller(const void *caller)
{
	const struct link_map *own = object_at(&cn_libc_table);
	const struct link_map *map = object_at(caller), *home;
	void *found;

	found = map ? ssl_free_for(map, own) : dlsym(RTLD_NEXT, "SSL_free");
	home = found ? object_at(found) : NULL;
	if (!home || is_shim(home))
		home = any_libssl(own);
	return home ? library_of(home) : NULL;
}

static struct cn_tls *find_by_object(const void *const *words, int count)
{
	for (int i = 0; i < count; i++) {
		const struct link_map *map = words[i] ? object_at(words[i]) : NULL;

		if (map && defines_ssl(map) && !is_shim(map))
			return library_of(map);
	}
	return NULL;
}

struct cn_tls *cn_tls_of(const void *const *words, int count, const void *caller)
{
	struct cn_tls *tls;

	for (tls = atomic_load(&cn_libraries); tls; tls = atomic_load(&tls->next)) {
		for (int i = 0; i < count; i++) {
			if ((uintptr_t)words[i] - tls->start < tls->length)
				return tls;
		}
	}
	tls = find_by_object(words, count);
	return tls ? tls : cn_tls_of_caller(caller);
}
