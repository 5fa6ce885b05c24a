/* SPDX-License-Identifier: MIT
 * Closes in a handler whose stack may be small. */
#include "party.h"
#include "small_stack.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	small_stack_closes(p.r.fd);
	rude_vanish();
}
