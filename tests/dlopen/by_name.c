/* SPDX-License-Identifier: MIT
 * Every function by dlsym() on a handle, as Qt 5 and .NET do; one connection for each libssl that is named, all open at
 * once, then SSL_free and close without a goodbye.
 *
 *     by_name PORT TLS N LIBSSL... */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 12

struct library {
	const void *(*TLS_client_method)(void);
	void *(*SSL_CTX_new)(const void *method);
	long (*SSL_CTX_ctrl)(void *ctx, int command, long number, void *pointer);
	void *(*SSL_new)(void *ctx);
	int (*SSL_set_fd)(void *ssl, int fd);
	int (*SSL_connect)(void *ssl);
	int (*SSL_write)(void *ssl, const void *bytes, int size);
	void (*SSL_free)(void *ssl);
	void (*SSL_CTX_free)(void *ctx);
	void *ctx, *ssl;
	int fd;
};

static void must(int well, const char *what)
{
	if (!well) {
		fprintf(stderr, "%s failed\n", what);
		_exit(99);
	}
}

#define GET(name) must((*(void **)(&l->name) = dlsym(handle, #name)) != NULL, #name)

static void open_one(struct library *l, const char *path, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	char letter = 'a';

	must(handle != NULL, path);
	GET(TLS_client_method);
	GET(SSL_CTX_new);
	GET(SSL_CTX_ctrl);
	GET(SSL_new);
	GET(SSL_set_fd);
	GET(SSL_connect);
	GET(SSL_write);
	GET(SSL_free);
	GET(SSL_CTX_free);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	l->fd = socket(AF_INET, SOCK_STREAM, 0);
	must(!connect(l->fd, (struct sockaddr *)&address, sizeof(address)), "connect");
	l->ctx = l->SSL_CTX_new(l->TLS_client_method());
	l->ssl = l->SSL_new(l->ctx);
	must(l->ssl && l->SSL_set_fd(l->ssl, l->fd) == 1, "SSL_set_fd");
	must(l->SSL_connect(l->ssl) == 1, "SSL_connect");
	for (int i = 0; i < atoi(argv[3]); i++)
		must(l->SSL_write(l->ssl, &letter, 1) == 1, "SSL_write");
}

int main(int argc, char **argv)
{
	struct library all[MOST];
	int count = argc - 4;

	must(count > 0 && count <= MOST, "by_name PORT TLS N LIBSSL...");
	for (int i = 0; i < count; i++)
		open_one(&all[i], argv[4 + i], argv);
	for (int i = 0; i < count; i++) {
		all[i].SSL_free(all[i].ssl);
		must(!close(all[i].fd), "close");
		all[i].SSL_CTX_free(all[i].ctx);
	}
	return 0;
}
