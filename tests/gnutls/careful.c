/* SPDX-License-Identifier: MIT
 * A right program, that prints what it sees of each of its calls: result, errno, the transport, its descriptors. */
#include "party.h"

#include <dirent.h>

static void tell_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			printf("descriptor %s\n", entry->d_name);
	closedir(directory);
}

static void tell_transport(struct party *p)
{
	gnutls_transport_ptr_t from, to;
	int read_fd, fd;

	gnutls_transport_get_ptr2(p->session, &from, &to);
	gnutls_transport_get_int2(p->session, &read_fd, &fd);
	printf("transport %d %d %d %d, pending %zu, corked %zu, direction %d\n", (int)(intptr_t)from,
	       (int)(intptr_t)to, read_fd, fd, gnutls_record_check_pending(p->session),
	       gnutls_record_check_corked(p->session), gnutls_record_get_direction(p->session));
}

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	bool new = strcmp(p.r.tls, "1.2") != 0;
	char bytes[20000] = "a";

	tell_descriptors();
	party_session(&p);
	if (!p.r.server)
		TELL(gnutls_server_name_set(p.session, GNUTLS_NAME_DNS, "localhost", 9));
	gnutls_transport_set_int(p.session, p.r.fd);
	tell_transport(&p);
	TELL(gnutls_record_send(p.session, "early", 5) < 0);
	TELL(gnutls_handshake(p.session));
	tell_transport(&p);
	TELL(gnutls_record_send(p.session, bytes, sizeof(bytes)));
	TELL(gnutls_record_send(p.session, bytes, 0));
	TELL(gnutls_record_send(p.session, NULL, 0));
	gnutls_record_cork(p.session);
	TELL(gnutls_record_send(p.session, "corked", 6));
	tell_transport(&p);
	TELL(gnutls_record_uncork(p.session, GNUTLS_RECORD_WAIT));
	if (new) {
		TELL(gnutls_session_key_update(p.session, GNUTLS_KU_PEER));
		TELL(gnutls_record_send2(p.session, "padded", 6, 10, 0));
	}
	TELL(party_read(&p, bytes, 100));
	tell_transport(&p);
	TELL(gnutls_record_recv(p.session, bytes, 0));
	TELL(gnutls_alert_send_appropriate(p.session, 0));
	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	TELL(gnutls_record_send(p.session, "late", 4));
	TELL(party_read(&p, bytes, 100));
	tell_transport(&p);
	tell_descriptors();
	TELL_VOID(gnutls_deinit(p.session));
	TELL(close(p.r.fd));
	TELL(close(p.r.fd));
	tell_descriptors();
	return 0;
}
