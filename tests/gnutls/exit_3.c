/* SPDX-License-Identifier: MIT
 * exit(3) with the connection open: a program that failed. */
#include "party.h"

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);

	return p.r.fd < 0 ? 99 : 3;
}
