/* SPDX-License-Identifier: MIT
 * exec with the descriptor left open; the new program ends. Nobody may say goodbye: exec could have failed. */
#include "rude.h"

int main(int argc, char **argv)
{
	rude_meet(argc, argv);
	execl("/bin/true", "true", (char *)NULL);
	return 99;
}
