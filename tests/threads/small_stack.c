/* SPDX-License-Identifier: MIT
 * Closes in a handler whose stack may be small.
 *
 *     small_stack PORT TLS N */
#include "small_stack.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	small_stack_closes(r.fd);
	SSL_free(r.ssl);
	rude_vanish();
}
