/* SPDX-License-Identifier: MIT
 * The TLS libraries that are loaded in this process, of every kind. Invariants: one is identified by the object that defines
 * its mark, and its functions are looked up in that object and what it needs alone, so two versions in one process never mix;
 * names no TLS library; never takes the loader's lock.
 *
 * What RTLD_NEXT finds will not do: under python3, perl and ruby the library is loaded RTLD_LOCAL, and with two versions
 * loaded it would be the wrong one. */
#include "tls.h"
#include "object.h"

static bool defines(const struct cn_object *object, const char *name)
{
	return cn_object_symbol(object, name) != NULL;
}

/* The shim itself or another copy of it: it stands for the mark and for close. */
static bool is_shim(const struct cn_tls_kind *kind, const struct cn_object *object)
{
	return defines(object, kind->mark) && defines(object, "close");
}

static bool is_own(const struct cn_object *object)
{
	return (uintptr_t)&cn_libc_table - object->start < object->end - object->start;
}

struct candidate {
	const struct cn_tls_kind *kind;
	bool past_own; /* only what comes after us */
	struct cn_object home;
};

static bool is_library(const struct cn_object *object, void *argument)
{
	struct candidate *candidate = argument;

	if (!candidate->past_own) {
		candidate->past_own = is_own(object);
		return false;
	}
	if (!object->name[0] || !defines(object, candidate->kind->mark) || is_shim(candidate->kind, object))
		return false;
	candidate->home = *object;
	return true;
}

/* The library of the code in `object`: among what it needs; else (the main program, and plugins that lean on it) the first
 * there is, be it before us. */
static bool find_home(const struct cn_tls_kind *kind, const struct cn_object *object, struct cn_object *home)
{
	struct candidate candidate = {.kind = kind, .past_own = false};
	struct cn_scope scope;
	void *found;

	if (object && object->name[0] && !is_own(object)) {
		cn_scope_of(object, &scope);
		found = cn_scope_symbol(&scope, kind->mark);
		if (found && cn_object_at(found, home) && !is_shim(kind, home))
			return true;
	}
	if (!cn_object_each(is_library, &candidate) && (candidate.past_own = true) &&
	    !cn_object_each(is_library, &candidate))
		return false;
	*home = candidate.home;
	return true;
}

bool cn_tls_is_loaded(const struct cn_tls *tls)
{
	struct cn_object object;

	return cn_object_at(tls->home, &object) && object.dynamic == tls->home;
}

/* Finds or publishes the library defined by the object `home`. Two threads may prepare the same library; one of them wins.
 * It stays loaded once used: it is linked not to be unloaded, as OpenSSL, or counts on it, as GnuTLS from the first random number on. One that
 * is unloaded earlier stays in the list. */
static struct cn_tls *library_of(struct cn_tls_kind *kind, const struct cn_object *home)
{
	struct cn_tls *ours = NULL, *seen, *_Atomic *place = &kind->first;

	for (;; place = &seen->next) {
		seen = atomic_load_explicit(place, memory_order_acquire);
		if (!seen) {
			if (!ours && !(ours = kind->prepare(home)))
				return NULL;
			if (atomic_compare_exchange_strong(place, &seen, ours))
				return ours;
		}
		if (seen->home == home->dynamic) {
			if (ours)
				kind->discard(ours);
			return seen;
		}
	}
}

struct cn_tls *cn_tls_bound(struct cn_tls_kind *kind, const void *caller)
{
	struct cn_object object, home;
	bool known = cn_object_at(caller, &object);

	return find_home(kind, known ? &object : NULL, &home) ? library_of(kind, &home) : NULL;
}

static struct cn_tls *find_by_object(struct cn_tls_kind *kind, const void *const *words, int count)
{
	struct cn_object object;

	for (int i = 0; i < count; i++) {
		if (words[i] && cn_object_at(words[i], &object) && defines(&object, kind->mark) &&
		    !is_shim(kind, &object))
			return library_of(kind, &object);
	}
	return NULL;
}

struct cn_tls *cn_tls_of(struct cn_tls_kind *kind, const void *const *words, int count, const void *caller)
{
	struct cn_tls *tls;

	for (tls = atomic_load(&kind->first); tls; tls = atomic_load(&tls->next)) {
		for (int i = 0; i < count; i++) {
			if ((uintptr_t)words[i] - tls->start < tls->length)
				return tls;
		}
	}
	tls = find_by_object(kind, words, count);
	if (!tls)
		tls = cn_tls_bound(kind, caller);
	return tls ? tls : atomic_load(&kind->first); /* inside the program, and the caller is not */
}
