/* SPDX-License-Identifier: MIT
 * Functions of libc that are found by name, because not every libc has them, or has them under the same version. */
#include "object.h"
#include "libc.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct wanted {
	const char *name;
	void *found;
};

static bool has_it(const struct cn_object *object, void *argument)
{
	struct wanted *wanted = argument;

	wanted->found = cn_object_symbol(object, wanted->name);
	return wanted->found;
}

void *cn_libc_symbol(const char *name)
{
	struct wanted wanted = {.name = name};

	cn_object_each(has_it, &wanted);
	return wanted.found;
}

bool cn_libc_is_glibc(void)
{
	return cn_libc()->gnu_get_libc_version != NULL;
}

bool cn_single_threaded(void)
{
	static const char never = 0;
	static const char *_Atomic known;
	const char *flag = atomic_load_explicit(&known, memory_order_relaxed);

	if (!flag) {
		flag = cn_libc_symbol("__libc_single_threaded");
		flag = flag ? flag : &never;
		atomic_store_explicit(&known, flag, memory_order_relaxed);
	}
	return *flag;
}

/* Declares `real`, of the type of `like`, and finds it. */
#define FIND(like, name)                                                                                     \
	void *found = cn_libc_symbol(name);                                                                  \
	__typeof__(&like) real;                                                                              \
	memcpy(&real, &found, sizeof(real))

int cn_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
		      void *argument)
{
	FIND(cn_pthread_create, "pthread_create");

	return real ? real(thread, attributes, run, argument) : ENOSYS;
}

int cn_pthread_attr_setstacksize(pthread_attr_t *attributes, size_t size)
{
	FIND(cn_pthread_attr_setstacksize, "pthread_attr_setstacksize");

	return real ? real(attributes, size) : ENOSYS;
}

int cn_pthread_key_create(pthread_key_t *key, void (*end)(void *value))
{
	FIND(cn_pthread_key_create, "pthread_key_create");

	return real ? real(key, end) : ENOSYS;
}

int cn_pthread_setspecific(pthread_key_t key, const void *value)
{
	FIND(cn_pthread_setspecific, "pthread_setspecific");

	return real ? real(key, value) : ENOSYS;
}

/* Of this object: glibc forgets what was registered when it goes. */
extern void *__dso_handle __attribute__((visibility("hidden")));

int cn_pthread_atfork(void (*before)(void), void (*parent)(void), void (*child)(void))
{
	const struct cn_libc *libc = cn_libc();

	return libc->__register_atfork ? libc->__register_atfork(before, parent, child, __dso_handle)
				       : ENOSYS;
}

int cn_at_quick_exit(void (*run)(void))
{
	const struct cn_libc *libc = cn_libc();

	return libc->__cxa_at_quick_exit ? libc->__cxa_at_quick_exit(run, __dso_handle) : ENOSYS;
}

int cn_on_exit(void (*run)(int status, void *argument), void *argument)
{
	FIND(cn_on_exit, "on_exit");

	return real ? real(run, argument) : ENOSYS;
}

int cn_backtrace(void **frames, int most)
{
	FIND(cn_backtrace, "backtrace");

	return real ? real(frames, most) : 0;
}

const char *cn_error_name(int error)
{
	FIND(cn_error_name, "strerrorname_np");

	return real ? real(error) : NULL;
}
