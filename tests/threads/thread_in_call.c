/* SPDX-License-Identifier: MIT
 * One thread is inside SSL_read or SSL_write while another ends the socket.
 *
 *     thread_in_call PORT TLS N CALL HOW    CALL: read, write. HOW: close, shutdown, free.
 *
 * After close only the peer can wake the thread, and is told to. free: the thread has a reference of its own. */
#include "rude.h"

static struct rude r;
static bool writes;
static _Atomic pid_t inside;

static void *call(void *unused)
{
	static char bytes[16000];
	int ret, calls = 0;

	inside = gettid();
	do
		ret = writes ? SSL_write(r.ssl, bytes, sizeof(bytes)) : SSL_read(r.ssl, bytes, sizeof(bytes));
	while (ret > 0 && ++calls < 1000);
	printf("%s = %d SSL_get_error %d\n", writes ? "SSL_write" : "SSL_read", ret,
	       SSL_get_error(r.ssl, ret));
	SSL_free(r.ssl);
	return unused;
}

/* Until the thread waits in a system call on the socket. */
static void wait_until_inside(void)
{
	char path[64], line[64], wanted[32];
	FILE *file;

	while (!inside)
		sched_yield();
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", inside);
	snprintf(wanted, sizeof(wanted), "%d 0x%x ", writes ? SYS_write : SYS_read, (unsigned int)r.fd);
	do {
		file = fopen(path, "r");
		if (!file || !fgets(line, sizeof(line), file))
			rude_fail(path);
		fclose(file);
		usleep(1000);
	} while (strncmp(line, wanted, strlen(wanted)));
}

int main(int argc, char **argv)
{
	const char *how = argc > 5 ? argv[5] : "close";
	pthread_t thread;

	signal(SIGPIPE, SIG_IGN);
	writes = argc > 4 && !strcmp(argv[4], "write");
	r = rude_meet(argc, argv);
	rude_flushed(r.fd);
	SSL_up_ref(r.ssl);
	if (pthread_create(&thread, NULL, call, NULL))
		rude_fail("pthread_create");
	wait_until_inside();
	if (!strcmp(how, "free"))
		TELL_VOID(SSL_free(r.ssl));
	if (!strcmp(how, "shutdown"))
		TELL(shutdown(r.fd, SHUT_RDWR));
	else
		TELL(close(r.fd));
	rude_now();
	pthread_join(thread, NULL);
	if (strcmp(how, "free"))
		SSL_free(r.ssl);
	return 0;
}
