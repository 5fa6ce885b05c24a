/* SPDX-License-Identifier: MIT
 * The objects that are loaded into this process, and their symbols, read from memory. Invariant: never takes the loader's lock,
 * as dlsym, dlopen and dladdr do: the thread that has it may be in a constructor that waits for this one. */
#ifndef CN_OBJECT_H
#define CN_OBJECT_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cn_object {
	uintptr_t base;            /* its addresses are relative to this */
	const ElfW(Dyn) * dynamic; /* stands for the object: no two have the same */
	const char *name;          /* its path; "": the program itself */
	uintptr_t start, end;      /* its place in memory; 0: not known */
};

/* All of these: any thread; in a signal handler as well, but for one that interrupts the loader's shortest lock (that of
 * dl_iterate_phdr) in a process without _dl_find_object (glibc before 2.35). */

/* The object in which that address lies; false if none. */
bool cn_object_at(const void *address, struct cn_object *object);

/* The address of the symbol of that name that the object itself defines, in its newest version; NULL if none. */
void *cn_object_symbol(const struct cn_object *object, const char *name);

/* The same for each of `names`, of which each ends with 0 and the last is followed by "". What is found already stays. False if one is still not found. */
bool cn_object_symbols(const struct cn_object *object, const char *names, void **found);

/* Its size in bytes; 0 if there is none, or it does not tell. */
size_t cn_object_size_of(const struct cn_object *object, const char *name);

/* The function in which that address lies, as far as the object's dynamic symbols tell: its name, and where it begins. NULL
 * if none. Looks at every symbol. */
const char *cn_object_function(const struct cn_object *object, const void *address, uintptr_t *start);

/* Calls visit for each, in the order in which they were loaded, until it returns true; and says whether it did. It must not
 * load or unload anything. */
typedef bool cn_object_visit(const struct cn_object *object, void *argument);
bool cn_object_each(cn_object_visit *visit, void *argument);

/* An object and all that it needs, itself first, then level by level: where dlsym() on its handle would look. */
#define CN_SCOPE_MOST 96 /* what is beyond stays unseen */
struct cn_scope {
	unsigned int count;
	struct {
		uintptr_t base;
		const ElfW(Dyn) * dynamic;
	} objects[CN_SCOPE_MOST];
};

void cn_scope_of(const struct cn_object *object, struct cn_scope *scope);

/* The first symbol of that name in the scope; NULL if none. */
void *cn_scope_symbol(const struct cn_scope *scope, const char *name);

#endif
