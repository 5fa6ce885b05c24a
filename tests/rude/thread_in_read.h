/* SPDX-License-Identifier: MIT
 * A thread that waits inside a call that reads. */
#ifndef THREAD_IN_READ_H
#define THREAD_IN_READ_H

#include "rude.h"

static _Atomic pid_t reader;

static inline void *read_on(void *session)
{
	char byte;

	reader = gettid();
	SSL_read(session, &byte, 1);
	return NULL;
}

/* Until the thread waits in this system call on the socket. */
static void wait_until_inside(long call, int fd)
{
	char path[64], line[64], wanted[32];
	FILE *file;

	while (!reader)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", reader);
	snprintf(wanted, sizeof(wanted), "%ld 0x%x ", call, (unsigned int)fd);
	do {
		file = fopen(path, "r");
		if (!file || !fgets(line, sizeof(line), file))
			rude_fail(path);
		fclose(file);
	} while (strncmp(line, wanted, strlen(wanted)));
}

/* Comes back when the thread waits in SSL_read. */
static inline pthread_t read_in_thread(struct rude *r)
{
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN); /* OpenSSL 3 answers an unexpected EOF with an alert */
	if (pthread_create(&thread, NULL, read_on, r->ssl))
		rude_fail("pthread_create");
	wait_until_inside(SYS_read, r->fd);
	return thread;
}

#endif
