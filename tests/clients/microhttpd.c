/* SPDX-License-Identifier: MIT
 * A server of libmicrohttpd over GnuTLS, on a port of the kernel's choice, until SIGTERM.
 *
 *     microhttpd CERTIFICATE KEY [threads]    a thread for each connection */
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static char *contents(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 10000);

	if (!file || !text || fread(text, 1, 9999, file) == 0)
		exit(1);
	fclose(file);
	return text;
}

static enum MHD_Result answer(void *closure, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *data, size_t *size, void **state)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)closure, (void)url, (void)method, (void)version, (void)data, (void)size;
	if (!*state) {
		*state = connection;
		return MHD_YES;
	}
	response = MHD_create_response_from_buffer(3, (void *)(uintptr_t)"ok\n", MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, 200, response);
	MHD_destroy_response(response);
	return result;
}

int main(int argc, char **argv)
{
	unsigned int flags = MHD_USE_TLS | MHD_USE_INTERNAL_POLLING_THREAD |
			     (argc > 3 ? MHD_USE_THREAD_PER_CONNECTION : 0U);
	struct MHD_Daemon *daemon;
	sigset_t ends;
	int signal;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, NULL, MHD_OPTION_HTTPS_MEM_CERT,
				  contents(argv[1]), MHD_OPTION_HTTPS_MEM_KEY, contents(argv[2]), MHD_OPTION_END);
	if (!daemon)
		return 1;
	sigwait(&ends, &signal);
	MHD_stop_daemon(daemon);
	return 0;
}
