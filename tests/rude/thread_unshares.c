/* SPDX-License-Identifier: MIT
 * A thread with a descriptor table of its own closes what it has of the connection; the others go on. */
#include "rude.h"

static struct rude r;

static void *close_its_own(void *unused)
{
	if (unshare(CLONE_FILES))
		rude_fail("unshare");
	TELL(close(r.fd));
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	r = rude_meet(argc, argv);
	if (pthread_create(&thread, NULL, close_its_own, NULL))
		rude_fail("pthread_create");
	pthread_join(thread, NULL);
	return rude_goes_on(&r);
}
