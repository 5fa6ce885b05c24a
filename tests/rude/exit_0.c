/* SPDX-License-Identifier: MIT
 * Returns from main with the connection open. */
#include "rude.h"

int main(int argc, char **argv)
{
	rude_meet(argc, argv);
	return 0;
}
