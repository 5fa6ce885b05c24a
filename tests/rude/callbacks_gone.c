/* SPDX-License-Identifier: MIT
 * Info, message and padding callbacks whose data is gone when the session ends; the given call, SSL_free, close. "free",
 * "shutdown" (of the socket). */
#include "rude.h"

#include <sys/mman.h>

static int *data;

static void info(const SSL *ssl, int where, int ret)
{
	(void)ssl, (void)where, (void)ret;
	++*data;
}

static void message(int sent, int version, int type, const void *bytes, size_t length, SSL *ssl,
		    void *argument)
{
	(void)sent, (void)version, (void)type, (void)bytes, (void)length, (void)ssl;
	++*(int *)argument;
}

static size_t padding(SSL *ssl, int type, size_t length, void *argument)
{
	(void)ssl, (void)type, (void)length;
	++*(int *)argument;
	return 16;
}

int main(int argc, char **argv)
{
	struct rude r = rude_connect(argc, argv);
	bool context = argc > 5;

	data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (data == MAP_FAILED)
		rude_fail("mmap");
	if (context) {
		SSL_CTX_set_info_callback(r.ctx, info);
		SSL_CTX_set_msg_callback(r.ctx, message);
		SSL_CTX_set_msg_callback_arg(r.ctx, data);
		SSL_CTX_set_record_padding_callback(r.ctx, padding);
		SSL_CTX_set_record_padding_callback_arg(r.ctx, data);
	}
	r.ssl = rude_session(&r);
	if (!context) {
		SSL_set_info_callback(r.ssl, info);
		SSL_set_msg_callback(r.ssl, message);
		SSL_set_msg_callback_arg(r.ssl, data);
		SSL_set_record_padding_callback(r.ssl, padding);
		SSL_set_record_padding_callback_arg(r.ssl, data);
	}
	SSL_set_fd(r.ssl, r.fd);
	rude_shake_hands(r.ssl);
	rude_write(r.ssl, r.n);
	printf("called %d times\n", *data);
	munmap(data, 4096);
	if (argc > 4 && !strcmp(argv[4], "shutdown"))
		TELL(shutdown(r.fd, SHUT_WR));
	TELL_VOID(SSL_free(r.ssl));
	TELL(close(r.fd));
	SSL_CTX_free(r.ctx);
	return 0;
}
