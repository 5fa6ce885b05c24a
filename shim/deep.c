/* SPDX-License-Identifier: MIT
 * libclosenotify-deep.so, the optional companion for LD_AUDIT: binds to the hooks what plain preloading does not reach,
 * dlsym() on a handle (Qt 5, .NET) and RTLD_DEEPBIND (PHP's modules). Invariant: changes bindings and nothing else; what
 * is bound to another library than libc, libssl and libgnutls stays as it is, and so do other namespaces (their errno is not ours).
 *
 * See rtld-audit(7). It lives in a namespace of its own and shares nothing with libclosenotify.so but its link map. */
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

#define HOME_SHIM 255 /* the homes of hooks.def, and the shim itself */

static struct {
	const char *name;
	uintptr_t home;
	uintptr_t address; /* 0 until the program starts */
} hooks[] = {
#define HOOK(ret, name, params, home, purpose) {#name, HOME_##home, 0},
#include "hooks.def"
#undef HOOK
};

static struct link_map *shim;

static bool begins(const char *string, const char *with)
{
	return strncmp(string, with, strlen(with)) == 0;
}

static uintptr_t home_of(const struct link_map *map)
{
	const char *slash = strrchr(map->l_name, '/'), *name = slash ? slash + 1 : map->l_name;

	if (begins(name, "libc.so") || begins(name, "libpthread.so"))
		return HOME_LIBC;
	if (begins(name, "libgnutls.so"))
		return HOME_GNUTLS;
	return begins(name, "libssl.so") ? HOME_OPENSSL : 0;
}

EXPORT unsigned int la_version(unsigned int version)
{
	return version < LAV_CURRENT ? version : LAV_CURRENT;
}

/* The cookie of an object is what it may be the home of. */
EXPORT unsigned int la_objopen(struct link_map *map, Lmid_t namespace, uintptr_t *cookie)
{
	const char *slash = strrchr(map->l_name, '/');

	*cookie = 0;
	if (namespace != LM_ID_BASE)
		return 0;
	if (slash && strcmp(slash, "/libclosenotify.so") == 0) {
		shim = map;
		*cookie = HOME_SHIM;
		return 0;
	}
	*cookie = home_of(map);
	return LA_FLG_BINDFROM | (*cookie ? LA_FLG_BINDTO : 0);
}

/* dlsym() won't do: a preloaded object has no search list of its own. */
static void find_hooks(const struct link_map *map)
{
	const ElfW(Sym) *symbols = NULL;
	const ElfW(Word) *table = NULL; /* DT_HASH: buckets, then how many symbols there are */
	const char *strings = NULL;

	for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			symbols = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_STRTAB)
			strings = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_HASH)
			table = (const void *)d->d_un.d_ptr;
	}
	for (ElfW(Word) n = 0; symbols && strings && table && n < table[1]; n++) {
		for (size_t i = 0; i < sizeof(hooks) / sizeof(*hooks); i++) {
			if (symbols[n].st_value && strcmp(strings + symbols[n].st_name, hooks[i].name) == 0)
				hooks[i].address = map->l_addr + symbols[n].st_value;
		}
	}
}

/* All that was there at the start is bound to the hooks already, by preloading. */
EXPORT void la_preinit(uintptr_t *cookie)
{
	(void)cookie;
	if (shim)
		find_hooks(shim);
}

#ifdef __LP64__
#define la_symbind la_symbind64
#else
#define la_symbind la_symbind32
#endif

EXPORT uintptr_t la_symbind(ElfW(Sym) * symbol, unsigned int index, uintptr_t *from, uintptr_t *to,
			    unsigned int *flags, const char *name)
{
	(void)index, (void)flags;
	for (size_t i = 0; *from != HOME_SHIM && i < sizeof(hooks) / sizeof(*hooks); i++) {
		if (hooks[i].address && *to == hooks[i].home && strcmp(name, hooks[i].name) == 0)
			return hooks[i].address;
	}
	return symbol->st_value;
}
