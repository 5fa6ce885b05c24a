/* SPDX-License-Identifier: MIT
 * exit(0) with the connection open. */
#include "rude.h"

int main(int argc, char **argv)
{
	rude_meet(argc, argv);
	exit(0);
}
