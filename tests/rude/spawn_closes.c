/* SPDX-License-Identifier: MIT
 * posix_spawn with a file action that closes the descriptor in the child; the parent goes on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);
	posix_spawn_file_actions_t actions;
	char *words[] = {"true", NULL};
	pid_t child;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, r.fd);
	if (posix_spawn(&child, "/bin/true", &actions, NULL, words, environ))
		rude_fail("posix_spawn");
	posix_spawn_file_actions_destroy(&actions);
	rude_wait_for(child);
	return rude_goes_on(&r);
}
