/* SPDX-License-Identifier: MIT
 * What a call costs by way of the library and past it, in one process and by turns: "with" is the name as the program is
 * linked to it, "without" is the same function found in its own library. Without a preload both are the same. What is told
 * as "with" is "without" and the median of the differences, turn by turn. The write() below SSL_write is the library's on
 * both sides: what that costs is told by itself.
 *
 *     calls */
#include "bench.h"

#include <dlfcn.h>

#define TURNS 1500

static void *found_in(const char *library, const char *name)
{
	void *handle = dlopen(library, RTLD_LAZY), *found = handle ? dlsym(handle, name) : NULL;

	if (!found)
		rude_fail(name);
	return found;
}

static void report(const char *what, double *without, double *with, size_t count)
{
	double *difference = calloc(count, sizeof(*difference));

	for (size_t i = 0; i < count; i++)
		difference[i] = with[i] - without[i];
	printf("%s without %.3f\n", what, quantile(without, count, 0.5));
	printf("%s with %.3f\n", what, quantile(without, count, 0.5) + quantile(difference, count, 0.5));
	free(difference);
}

/* --- a descriptor that is no connection: not open, so that the kernel's part is short --- */

typedef int close_call(int fd);
typedef int shutdown_call(int fd, int how);
typedef ssize_t write_call(int fd, const void *bytes, size_t size);

#define CALLS  2000
#define UNUSED 900

#define TIMED(result, call)                                                                                  \
	do {                                                                                                 \
		double start = now_ns();                                                                     \
		for (int n = 0; n < CALLS; n++)                                                              \
			call;                                                                                \
		result = (now_ns() - start) / CALLS;                                                         \
	} while (0)

/* Through a pointer on both sides, so that the compiler does the same for both. */
static void untracked(void)
{
	static double without[TURNS], with[TURNS];
	close_call *volatile close_with = close, *volatile close_without;
	shutdown_call *volatile shutdown_with = shutdown, *volatile shutdown_without;
	write_call *volatile write_with = write, *volatile write_without;
	void *found;

#define WITHOUT(name)                                                                                        \
	found = found_in("libc.so.6", #name);                                                                \
	memcpy((void *)&name##_without, &found, sizeof(found))
	WITHOUT(close);
	WITHOUT(shutdown);
	WITHOUT(write);
	for (int i = 0; i < TURNS; i++) {
		TIMED(without[i], close_without(UNUSED));
		TIMED(with[i], close_with(UNUSED));
	}
	report("close,untracked", without, with, TURNS);
	for (int i = 0; i < TURNS; i++) {
		TIMED(without[i], shutdown_without(UNUSED, SHUT_WR));
		TIMED(with[i], shutdown_with(UNUSED, SHUT_WR));
	}
	report("shutdown,untracked", without, with, TURNS);
	for (int i = 0; i < TURNS; i++) {
		TIMED(without[i], (void)!write_without(UNUSED, "", 1));
		TIMED(with[i], (void)!write_with(UNUSED, "", 1));
	}
	report("write,untracked", without, with, TURNS);
}

/* --- records over a socket pair --- */

typedef int SSL_write_call(SSL *ssl, const void *bytes, int size);
typedef int SSL_read_call(SSL *ssl, void *bytes, int size);

#define ROUND 8 /* records in the socket pair at a time */

static char bytes[16384];

static double write_some(SSL_write_call *volatile call, SSL *ssl, int size)
{
	double start = now_ns();

	for (int i = 0; i < ROUND; i++)
		if (call(ssl, bytes, size) != size)
			rude_fail("SSL_write");
	return (now_ns() - start) / ROUND;
}

static double read_some(SSL_read_call *volatile call, SSL *ssl, int size)
{
	double start = now_ns();

	for (int i = 0; i < ROUND; i++)
		if (call(ssl, bytes, size) != size)
			rude_fail("SSL_read");
	return (now_ns() - start) / ROUND;
}

static void records(SSL *one, SSL *other, int size)
{
	static double without[2][TURNS], with[2][TURNS];
	SSL_write_call *write_without;
	SSL_read_call *read_without;
	void *found = found_in("libssl.so.3", "SSL_write");
	char name[40];

	memcpy(&write_without, &found, sizeof(found));
	found = found_in("libssl.so.3", "SSL_read");
	memcpy(&read_without, &found, sizeof(found));
	for (int i = 0; i < TURNS; i++) {
		/* Who comes first has the colder cache. */
		for (int turn = i; turn < i + 2; turn++) {
			if (turn % 2) {
				with[0][i] = write_some(SSL_write, one, size);
				with[1][i] = read_some(SSL_read, other, size);
			} else {
				without[0][i] = write_some(write_without, one, size);
				without[1][i] = read_some(read_without, other, size);
			}
		}
	}
	snprintf(name, sizeof(name), "SSL_write,%d", size);
	report(name, without[0], with[0], TURNS);
	snprintf(name, sizeof(name), "SSL_read,%d", size);
	report(name, without[1], with[1], TURNS);
}

int main(void)
{
	SSL *one, *other;

	meet_over_pair(cheap_context(false), cheap_context(true), &one, &other);
	untracked();
	records(one, other, 1);
	records(one, other, 1024);
	records(one, other, 16384);
	return 0;
}
