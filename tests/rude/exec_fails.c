/* SPDX-License-Identifier: MIT
 * exec fails, and the program speaks on. */
#include "rude.h"

int main(int argc, char **argv)
{
	struct rude r = rude_meet(argc, argv);

	TELL(execl("/bin/none such", "none", (char *)NULL));
	return rude_goes_on(&r);
}
