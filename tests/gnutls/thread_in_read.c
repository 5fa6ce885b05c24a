/* SPDX-License-Identifier: MIT
 * A thread waits in gnutls_record_recv; another one shuts the socket down, and when the first is back: gnutls_deinit, close. */
#include "party.h"

static _Atomic pid_t reader;

static void *read_on(void *party)
{
	char byte;

	reader = gettid();
	party_read(party, &byte, 1);
	return NULL;
}

/* Until the thread waits in a system call on the socket. */
static void wait_until_inside(int fd)
{
	char path[64], line[64], wanted[32];
	FILE *file;

	while (!reader)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", reader);
	snprintf(wanted, sizeof(wanted), "%d 0x%x ", SYS_recvfrom, (unsigned int)fd);
	do {
		file = fopen(path, "r");
		if (!file || !fgets(line, sizeof(line), file))
			rude_fail(path);
		fclose(file);
	} while (strncmp(line, wanted, strlen(wanted)));
}

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);
	pthread_t thread;

	if (pthread_create(&thread, NULL, read_on, &p))
		rude_fail("pthread_create");
	wait_until_inside(p.r.fd);
	rude_flushed(p.r.fd);
	TELL(shutdown(p.r.fd, SHUT_RDWR));
	pthread_join(thread, NULL);
	return party_ends(&p);
}
