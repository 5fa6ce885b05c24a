/* SPDX-License-Identifier: MIT
 * exit(3) with the connection open: a program that failed. */
#include "rude.h"

int main(int argc, char **argv)
{
	rude_meet(argc, argv);
	exit(3);
}
