/* SPDX-License-Identifier: MIT
 * quick_exit(0) with the connection open. */
#include "rude.h"

int main(int argc, char **argv)
{
	rude_meet(argc, argv);
	quick_exit(0);
}
