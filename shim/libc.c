/* SPDX-License-Identifier: MIT
 * Finds the real functions of libc: what RTLD_NEXT would. Invariants: knows no TLS; never takes the loader's lock. */
#include "libc.h"
#include "object.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cn_libc cn_libc_table;

/* The members of struct cn_libc, in its order. */
static const char libc_names[] =
#define HOOKS_OF                               HOME_LIBC
#define HOOK(ret, name, params, home, purpose) #name "\0"
#include "hooks.def"
#undef HOOK
	"gnu_get_libc_version\0__register_atfork\0__cxa_at_quick_exit\0pthread_testcancel\0";

#define LIBC_COUNT (sizeof(struct cn_libc) / sizeof(void *))

static bool is_own(const struct cn_object *object)
{
	return (uintptr_t)&cn_libc_table - object->start < object->end - object->start;
}

struct finding {
	bool past_own;
	void *found[LIBC_COUNT];
};

/* As RTLD_NEXT does: the first that is defined after us. */
static bool find_libc_in(const struct cn_object *object, void *argument)
{
	struct finding *finding = argument;

	if (!finding->past_own) {
		finding->past_own = is_own(object);
		return false;
	}
	return cn_object_symbols(object, libc_names, finding->found);
}

void cn_libc_find(void)
{
	struct finding finding = {.past_own = false};

	/* Copied, not cast: ISO C has no conversion from object to function pointer, POSIX gives the same bits. */
	_Static_assert(sizeof(finding.found) == sizeof(cn_libc_table), "nothing but pointers");
	cn_object_each(find_libc_in, &finding);
	memcpy(&cn_libc_table, finding.found, sizeof(cn_libc_table));
}
