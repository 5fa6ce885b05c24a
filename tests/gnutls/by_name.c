/* SPDX-License-Identifier: MIT
 * Has all of GnuTLS that is interposed by dlsym() on a handle, as Wine does; gnutls_deinit, close. */
#include <dlfcn.h>
#include <gnutls/gnutls.h>

#define BY_NAME(name) static __typeof__(&name) by_##name;
BY_NAME(gnutls_init)
BY_NAME(gnutls_deinit)
BY_NAME(gnutls_handshake)
BY_NAME(gnutls_record_send)
BY_NAME(gnutls_transport_set_int2)
#define gnutls_init               by_gnutls_init
#define gnutls_deinit             by_gnutls_deinit
#define gnutls_handshake          by_gnutls_handshake
#define gnutls_record_send        by_gnutls_record_send
#define gnutls_transport_set_int2 by_gnutls_transport_set_int2
#include "party.h"

int main(int argc, char **argv)
{
	void *handle = dlopen("libgnutls.so.30", RTLD_NOW | RTLD_LOCAL);
	struct party p;

	if (!handle)
		rude_fail(dlerror());
	*(void **)&gnutls_init = dlsym(handle, "gnutls_init");
	*(void **)&gnutls_deinit = dlsym(handle, "gnutls_deinit");
	*(void **)&gnutls_handshake = dlsym(handle, "gnutls_handshake");
	*(void **)&gnutls_record_send = dlsym(handle, "gnutls_record_send");
	*(void **)&gnutls_transport_set_int2 = dlsym(handle, "gnutls_transport_set_int2");
	p = party_meet(argc, argv);
	gnutls_deinit(p.session);
	close(p.r.fd);
	return 0;
}
