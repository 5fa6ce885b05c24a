/* SPDX-License-Identifier: MIT
 * The objects that are loaded into this process, and their symbols, read from memory. Invariant: never takes the loader's lock.
 *
 * _dl_find_object (glibc 2.35) tells without any lock in which object an address lies. For everything else, and on older systems,
 * there is dl_iterate_phdr. Its lock is held while the list of objects changes, never while a constructor runs. On older
 * systems every C++ exception takes it. */
#include "object.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

/* What the dynamic section points to. */
struct tables {
	const ElfW(Sym) * symbols;
	const char *strings, *soname;
	const uint32_t *gnu_hash, *hash;
	const ElfW(Half) * versions;
};

#define VERSION_HIDDEN 0x8000 /* an older version of the symbol, for programs that were linked with it */

/* glibc has made addresses of most entries, other loaders leave them relative. */
static const void *at(uintptr_t base, ElfW(Addr) value)
{
	return (const void *)(value < base ? base + value : value);
}

static struct tables read_tables(uintptr_t base, const ElfW(Dyn) * dynamic)
{
	struct tables t = {.symbols = NULL};
	ElfW(Xword) soname = 0;

	for (const ElfW(Dyn) *d = dynamic; d->d_tag != DT_NULL; d++) {
		switch (d->d_tag) {
		case DT_SYMTAB:
			t.symbols = at(base, d->d_un.d_ptr);
			break;
		case DT_STRTAB:
			t.strings = at(base, d->d_un.d_ptr);
			break;
		case DT_GNU_HASH:
			t.gnu_hash = at(base, d->d_un.d_ptr);
			break;
		case DT_HASH:
			t.hash = at(base, d->d_un.d_ptr);
			break;
		case DT_VERSYM:
			t.versions = at(base, d->d_un.d_ptr);
			break;
		case DT_SONAME:
			soname = d->d_un.d_val;
			break;
		default:
			break;
		}
	}
	t.soname = t.strings && soname ? t.strings + soname : NULL;
	return t;
}

/* --- by name --- */

static bool is_it(const struct tables *t, uint32_t index, const char *name)
{
	const ElfW(Sym) *symbol = &t->symbols[index];
	unsigned int type = symbol->st_info & 0xf;

	return symbol->st_shndx != SHN_UNDEF && symbol->st_value && type != STT_TLS &&
	       type != STT_GNU_IFUNC && !(t->versions && t->versions[index] & VERSION_HIDDEN) &&
	       strcmp(t->strings + symbol->st_name, name) == 0;
}

/* Four words (buckets, first symbol, words of the filter, its shift), the filter, the buckets, the chains. */
static uint32_t find_gnu(const struct tables *t, const char *name)
{
	const uint32_t *h = t->gnu_hash, *buckets, *chains;
	const ElfW(Addr) *filter = (const void *)(h + 4);
	const unsigned int bits = 8 * sizeof(*filter);
	uint32_t hash = 5381, index;
	ElfW(Addr) word;

	for (const char *c = name; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	word = filter[hash / bits % h[2]];
	if (!(word >> hash % bits & 1) || !(word >> (hash >> h[3]) % bits & 1))
		return 0;
	buckets = (const void *)(filter + h[2]);
	chains = buckets + h[0];
	index = buckets[hash % h[0]];
	if (index < h[1])
		return 0;
	do {
		if ((chains[index - h[1]] | 1) == (hash | 1) && is_it(t, index, name))
			return index;
	} while (!(chains[index++ - h[1]] & 1));
	return 0;
}

/* Two words (buckets, symbols), the buckets, the chains. */
static uint32_t find_sysv(const struct tables *t, const char *name)
{
	const uint32_t *h = t->hash, *chains = h + 2 + h[0];
	uint32_t hash = 0, index;

	for (const char *c = name; *c; c++) {
		hash = (hash << 4) + (unsigned char)*c;
		hash = (hash ^ (hash >> 24 & 0xf0)) & 0x0fffffff;
	}
	for (index = h[2 + hash % h[0]]; index && !is_it(t, index, name); index = chains[index])
		;
	return index;
}

static const ElfW(Sym) * find_symbol(const struct tables *t, const char *name)
{
	uint32_t index = 0;

	if (!t->symbols || !t->strings)
		return NULL;
	if (t->gnu_hash)
		index = find_gnu(t, name);
	else if (t->hash)
		index = find_sysv(t, name);
	return index ? &t->symbols[index] : NULL;
}

static void *find_in(const struct tables *t, uintptr_t base, const char *name)
{
	const ElfW(Sym) *symbol = find_symbol(t, name);

	return symbol ? (void *)(base + symbol->st_value) : NULL;
}

static void *find(uintptr_t base, const ElfW(Dyn) * dynamic, const char *name)
{
	struct tables t = read_tables(base, dynamic);

	return find_in(&t, base, name);
}

bool cn_object_symbols(const struct cn_object *object, const char *names, void **found)
{
	struct tables t = read_tables(object->base, object->dynamic);
	bool all = true;

	for (; *names; names += strlen(names) + 1, found++) {
		if (!*found)
			*found = find_in(&t, object->base, names);
		all &= *found != NULL;
	}
	return all;
}

void *cn_object_symbol(const struct cn_object *object, const char *name)
{
	return find(object->base, object->dynamic, name);
}

size_t cn_object_size_of(const struct cn_object *object, const char *name)
{
	struct tables t = read_tables(object->base, object->dynamic);
	const ElfW(Sym) *symbol = find_symbol(&t, name);

	return symbol ? symbol->st_size : 0;
}

/* --- by address --- */

static uint32_t count_symbols(const struct tables *t)
{
	const uint32_t *h = t->gnu_hash, *buckets, *chains;
	uint32_t last = 0;

	if (!h)
		return t->hash ? t->hash[1] : 0;
	buckets = (const void *)((const ElfW(Addr) *)(h + 4) + h[2]);
	chains = buckets + h[0];
	for (uint32_t i = 0; i < h[0]; i++)
		last = buckets[i] > last ? buckets[i] : last;
	if (last < h[1])
		return 0;
	while (!(chains[last++ - h[1]] & 1))
		;
	return last;
}

const char *cn_object_function(const struct cn_object *object, const void *address, uintptr_t *start)
{
	struct tables t = read_tables(object->base, object->dynamic);
	uint32_t count = t.symbols && t.strings ? count_symbols(&t) : 0;
	uintptr_t offset = (uintptr_t)address - object->base;
	const char *name = NULL;

	for (uint32_t i = 0; i < count; i++) {
		const ElfW(Sym) *s = &t.symbols[i];

		if (s->st_shndx == SHN_UNDEF || (s->st_info & 0xf) == STT_TLS || offset < s->st_value ||
		    offset - s->st_value >= (s->st_size ? s->st_size : 1) ||
		    (name && object->base + s->st_value <= *start))
			continue;
		name = t.strings + s->st_name;
		*start = object->base + s->st_value;
	}
	return name;
}

/* --- all of them --- */

struct visit {
	cn_object_visit *visit;
	void *argument;
};

static bool describe(const struct dl_phdr_info *info, struct cn_object *object)
{
	*object = (struct cn_object){
		.base = info->dlpi_addr,
		.name = info->dlpi_name ? info->dlpi_name : "",
		.start = UINTPTR_MAX,
	};
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr, end = start + segment->p_memsz;

		if (segment->p_type == PT_DYNAMIC)
			object->dynamic = (const void *)start;
		if (segment->p_type != PT_LOAD)
			continue;
		object->start = start < object->start ? start : object->start;
		object->end = end > object->end ? end : object->end;
	}
	return object->dynamic;
}

static int visit_one(struct dl_phdr_info *info, size_t size, void *argument)
{
	const struct visit *visit = argument;
	struct cn_object object;

	(void)size;
	return describe(info, &object) && visit->visit(&object, visit->argument);
}

bool cn_object_each(cn_object_visit *visit, void *argument)
{
	return dl_iterate_phdr(visit_one, &(struct visit){visit, argument}) != 0;
}

/* --- the one at an address --- */

/* As in dlfcn.h of glibc 2.35; what follows differs from machine to machine. */
struct found {
	unsigned long long flags;
	void *start, *end;
	struct link_map *map;
	void *room[32];
};

typedef int find_object(void *address, struct found *found);

static bool is_find_object(const struct cn_object *object, void *into)
{
	void *found = cn_object_symbol(object, "_dl_find_object");

	if (found)
		memcpy(into, &found, sizeof(found));
	return found;
}

static int find_nothing(void *address, struct found *found)
{
	(void)address, (void)found;
	return -1;
}

/* Found by name: a reference to its version would need a libc that has it. */
static find_object *finder(void)
{
	static find_object *_Atomic known;
	find_object *finds = atomic_load_explicit(&known, memory_order_relaxed);

	if (!finds) {
		if (!cn_object_each(is_find_object, &finds))
			finds = find_nothing;
		atomic_store_explicit(&known, finds, memory_order_relaxed);
	}
	return finds;
}

struct place {
	uintptr_t address;
	struct cn_object *object;
};

static bool is_there(const struct cn_object *object, void *argument)
{
	const struct place *place = argument;

	if (place->address - object->start >= object->end - object->start)
		return false;
	*place->object = *object;
	return true;
}

bool cn_object_at(const void *address, struct cn_object *object)
{
	find_object *finds = finder();
	struct found found;

	if (finds == find_nothing)
		return cn_object_each(is_there, &(struct place){(uintptr_t)address, object});
	if (finds((void *)(uintptr_t)address, &found) || !found.map->l_ld)
		return false;
	*object = (struct cn_object){
		.base = found.map->l_addr,
		.dynamic = found.map->l_ld,
		.name = found.map->l_name ? found.map->l_name : "",
		.start = (uintptr_t)found.start,
		.end = (uintptr_t)found.end,
	};
	return true;
}

/* --- a scope --- */

struct search {
	struct cn_scope *scope;
	const ElfW(Dyn) * needs; /* the object whose needs are looked for */
	const char *strings;
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_called(const struct cn_object *object, const char *soname, const char *name)
{
	return (soname && strcmp(soname, name) == 0) || strcmp(last_part(object->name), name) == 0 ||
	       strcmp(object->name, name) == 0;
}

static bool is_in(const struct cn_scope *scope, const ElfW(Dyn) * dynamic)
{
	for (unsigned int i = 0; i < scope->count; i++) {
		if (scope->objects[i].dynamic == dynamic)
			return true;
	}
	return false;
}

static bool add_if_needed(const struct cn_object *object, void *argument)
{
	struct search *search = argument;
	struct cn_scope *scope = search->scope;
	struct tables t;

	if (is_in(scope, object->dynamic))
		return false;
	t = read_tables(object->base, object->dynamic);
	for (const ElfW(Dyn) *d = search->needs; d->d_tag != DT_NULL; d++) {
		if (d->d_tag != DT_NEEDED || !is_called(object, t.soname, search->strings + d->d_un.d_val))
			continue;
		scope->objects[scope->count].base = object->base;
		scope->objects[scope->count++].dynamic = object->dynamic;
		break;
	}
	return scope->count == CN_SCOPE_MOST;
}

void cn_scope_of(const struct cn_object *object, struct cn_scope *scope)
{
	scope->count = 1;
	scope->objects[0].base = object->base;
	scope->objects[0].dynamic = object->dynamic;
	for (unsigned int i = 0; i < scope->count && scope->count < CN_SCOPE_MOST; i++) {
		struct search search = {.scope = scope, .needs = scope->objects[i].dynamic};

		search.strings = read_tables(scope->objects[i].base, search.needs).strings;
		if (search.strings)
			cn_object_each(add_if_needed, &search);
	}
}

void *cn_scope_symbol(const struct cn_scope *scope, const char *name)
{
	void *found = NULL;

	for (unsigned int i = 0; i < scope->count && !found; i++)
		found = find(scope->objects[i].base, scope->objects[i].dynamic, name);
	return found;
}
