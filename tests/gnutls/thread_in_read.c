/* SPDX-License-Identifier: MIT
 * A thread waits in gnutls_record_recv; another one shuts the socket down, and when the first is back: gnutls_deinit, close. */
#include "party.h"
#include "thread_in_read.h"

static void *receive(void *party)
{
	char byte;

	reader = gettid();
	party_read(party, &byte, 1);
	return NULL;
}

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);
	pthread_t thread;

	if (pthread_create(&thread, NULL, receive, &p))
		rude_fail("pthread_create");
	wait_until_inside(SYS_recvfrom, p.r.fd);
	rude_flushed(p.r.fd);
	TELL(shutdown(p.r.fd, SHUT_RDWR));
	pthread_join(thread, NULL);
	return party_ends(&p);
}
