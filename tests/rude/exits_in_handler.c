/* SPDX-License-Identifier: MIT
 * Ends in a signal handler, with the connection open: by exit if EXIT_BY says so, else by _exit. */
#include "rude.h"

#include <signal.h>

static void ends(int signal)
{
	const char *by = getenv("EXIT_BY");

	(void)signal;
	if (by && !strcmp(by, "exit"))
		exit(0);
	_exit(0);
}

int main(int argc, char **argv)
{
	rude_meet(argc, argv);
	signal(SIGUSR1, ends);
	raise(SIGUSR1);
	return 99;
}
