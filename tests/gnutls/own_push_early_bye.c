/* SPDX-License-Identifier: MIT
 * A push function of its own keeps what it gets; the goodbye is written to the socket before data that was encrypted earlier.
 *
 *     own_push_early_bye PORT TLS N write|send|sendmsg */
#include "party.h"

static char kept[1024];
static size_t length;
static bool keeps;

static ssize_t push(gnutls_transport_ptr_t pointer, const void *bytes, size_t size)
{
	if (!keeps)
		return party_push(pointer, bytes, size);
	memcpy(kept + length, bytes, size);
	length += size;
	return (ssize_t)size;
}

static ssize_t put(const char *how, int fd, char *bytes, size_t size)
{
	struct iovec part = {bytes, size};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	return !strcmp(how, "write")  ? write(fd, bytes, size)
	       : !strcmp(how, "send") ? send(fd, bytes, size, 0)
				      : sendmsg(fd, &message, 0);
}

int main(int argc, char **argv)
{
	struct party p = party_connect(argc, argv);
	struct party_pipe pipe;
	const char *how = argc > 4 ? argv[4] : "write";
	size_t data;

	party_session(&p);
	party_pipes(&p, &pipe);
	gnutls_transport_set_push_function(p.session, push);
	party_speak(&p);
	keeps = true;
	gnutls_record_send(p.session, "0123456789", 10);
	data = length;
	TELL(gnutls_bye(p.session, GNUTLS_SHUT_WR));
	if (put(how, p.r.fd, kept + data, length - data) != (ssize_t)(length - data) ||
	    put(how, p.r.fd, kept, data) != (ssize_t)data)
		return 1;
	return party_ends(&p);
}
