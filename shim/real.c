/* SPDX-License-Identifier: MIT
 * Finds the real functions. Invariants: a libssl is identified by the object that defines its SSL_free, and its functions are
 * looked up in that object and what it needs alone, so two versions in one process never mix; nothing here takes the loader's
 * lock.
 *
 * What RTLD_NEXT finds will not do for SSL_*: under python3, perl and ruby libssl is loaded RTLD_LOCAL, and with two versions
 * loaded it would be the wrong one. */
#include "real.h"
#include "object.h"
#include "tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cn_libc cn_libc_table;

/* The members of struct cn_libc, in its order. */
static const char libc_names[] =
#define NAME_LIBC(name) #name "\0"
#define NAME_SSL(name)
#define NAME_GNUTLS(name)
#define HOOK(ret, name, params, home, purpose) NAME_##home(name)
#include "hooks.def"
#undef HOOK
	"";

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
	const char *name = libc_names;
	bool all = true;

	if (!finding->past_own) {
		finding->past_own = is_own(object);
		return false;
	}
	for (size_t i = 0; i < LIBC_COUNT; i++, name += strlen(name) + 1) {
		if (!finding->found[i])
			finding->found[i] = cn_object_symbol(object, name);
		all &= finding->found[i] != NULL;
	}
	return all;
}

void cn_libc_find(void)
{
	struct finding finding = {.past_own = false};

	/* Copied, not cast: ISO C has no conversion from object to function pointer, POSIX gives the same bits. */
	_Static_assert(sizeof(finding.found) == sizeof(cn_libc_table), "nothing but pointers");
	cn_object_each(find_libc_in, &finding);
	memcpy(&cn_libc_table, finding.found, sizeof(cn_libc_table));
}

static bool defines_ssl(const struct cn_object *object)
{
	return cn_object_symbol(object, "SSL_free") != NULL;
}

/* The shim itself or another copy of it: it stands for SSL_free and for close. */
static bool is_shim(const struct cn_object *object)
{
	return defines_ssl(object) && cn_object_symbol(object, "close") != NULL;
}

struct candidate {
	bool past_own; /* only what comes after us */
	struct cn_object home;
};

static bool is_libssl(const struct cn_object *object, void *argument)
{
	struct candidate *candidate = argument;

	if (!candidate->past_own) {
		candidate->past_own = is_own(object);
		return false;
	}
	if (!object->name[0] || !defines_ssl(object) || is_shim(object))
		return false;
	candidate->home = *object;
	return true;
}

/* The libssl of the code in `object`: among what it needs; else (the main program, and plugins that lean on it) the first
 * there is, be it before us. */
static bool find_home(const struct cn_object *object, struct cn_object *home)
{
	struct candidate candidate = {.past_own = false};
	struct cn_scope scope;
	void *found;

	if (object && object->name[0] && !is_own(object)) {
		cn_scope_of(object, &scope);
		found = cn_scope_symbol(&scope, "SSL_free");
		if (found && cn_object_at(found, home) && !is_shim(home))
			return true;
	}
	if (!cn_object_each(is_libssl, &candidate) && (candidate.past_own = true) &&
	    !cn_object_each(is_libssl, &candidate))
		return false;
	*home = candidate.home;
	return true;
}

struct cn_tls *_Atomic cn_libraries;

/* Finds or publishes the library defined by the object `home`. Two threads may prepare the same library; one of them wins.
 * It stays loaded once used: OpenSSL sees to that itself. */
static struct cn_tls *library_of(const struct cn_object *home)
{
	struct cn_tls *ours = NULL, *seen, *_Atomic *place = &cn_libraries;

	for (;; place = &seen->next) {
		seen = atomic_load_explicit(place, memory_order_acquire);
		if (!seen) {
			if (!ours && !(ours = cn_openssl_prepare(home)))
				return NULL;
			if (atomic_compare_exchange_strong(place, &seen, ours))
				return ours;
		}
		if (seen->home == home->dynamic) {
			if (ours)
				cn_openssl_discard(ours);
			return seen;
		}
	}
}

struct cn_tls *cn_tls_of_caller(const void *caller)
{
	struct cn_object object, home;
	bool known = cn_object_at(caller, &object);

	return find_home(known ? &object : NULL, &home) ? library_of(&home) : NULL;
}

static struct cn_tls *find_by_object(const void *const *words, int count)
{
	struct cn_object object;

	for (int i = 0; i < count; i++) {
		if (words[i] && cn_object_at(words[i], &object) && defines_ssl(&object) && !is_shim(&object))
			return library_of(&object);
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
