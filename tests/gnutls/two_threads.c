/* SPDX-License-Identifier: MIT
 * One thread writes while another reads; then gnutls_deinit, close. */
#include "party.h"

static void *reads_on(void *party)
{
	char bytes[100];

	while (party_read(party, bytes, sizeof(bytes)) > 0)
		;
	return NULL;
}

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	pthread_t reader;

	if (pthread_create(&reader, NULL, reads_on, &p))
		rude_fail("pthread_create");
	for (int i = 0; i < 1000; i++)
		party_write(&p, 100);
	rude_flushed(p.r.fd);
	rude_now();
	pthread_join(reader, NULL);
	return party_ends(&p);
}
