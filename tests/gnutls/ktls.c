/* SPDX-License-Identifier: MIT
 * The kernel encrypts ("ktls = true" in the file that GNUTLS_SYSTEM_PRIORITY_FILE names); gnutls_deinit, close. Exit status 77:
 * this kernel or this GnuTLS has no kTLS. */
#include "party.h"

#include <gnutls/socket.h>

int main(int argc, char **argv)
{
	struct party p = party_meet(argc, argv);
	bool kernel = false;

#if GNUTLS_VERSION_NUMBER >= 0x030703
	kernel = gnutls_transport_is_ktls_enabled(p.session) != 0;
#endif
	party_ends(&p);
	return kernel ? 0 : 77;
}
