/* SPDX-License-Identifier: MIT
 * client PORT TLS ORDER...: for each order a connection of its own, one after the other, which sends some bytes and ends so. The
 * order is the server name that is asked for. One that ends the process is the last. */
#include "party.h"

#define BYTES 1000

static struct party party, *const p = &party;

static void delete_context(void)
{
	DeleteSecurityContext(&p->context);
}

static void close_socket(void)
{
	closesocket(p->socket);
}

static void delete_then_close(void)
{
	delete_context();
	close_socket();
}

static void close_then_delete(void)
{
	close_socket();
	delete_context();
}

/* --- what a careful program does --- */

static void by_the_book(void)
{
	SecBuffer token = make_token(p);

	send_token(p, &token);
	delete_then_close();
}

static void by_the_book_with_fin(void)
{
	SecBuffer token = make_token(p);

	send_token(p, &token);
	shutdown(p->socket, SD_SEND);
	delete_then_close();
}

/* --- what others do --- */

static void token_asked_for(void)
{
	ask_token(p);
	delete_then_close();
}

static void token_asked_for_close_first(void)
{
	ask_token(p);
	close_then_delete();
}

static void token_unsent(void)
{
	make_token(p);
	delete_then_close();
}

static void token_unsent_close_first(void)
{
	make_token(p);
	close_then_delete();
}

static void token_unsent_then_exit(void)
{
	make_token(p);
	ExitProcess(0);
}

/* What was encrypted before it is still in the program's queue. */
static void token_overtakes(void)
{
	char bytes[BYTES] = {0};
	DWORD made;
	char *queued = encrypt(p, bytes, sizeof(bytes), &made);
	SecBuffer token = make_token(p);

	send_token(p, &token);
	send_all(p, queued, made);
	delete_then_close();
}

/* The data comes after the goodbye, and the peer does not read it any more. */
static void data_after_token(void)
{
	char bytes[BYTES] = {0};
	SecBuffer token = make_token(p);

	send_token(p, &token);
	tls_send(p, bytes, sizeof(bytes));
	delete_then_close();
}

static void queue_unsent(void)
{
	char bytes[BYTES] = {0};
	DWORD made;

	encrypt(p, bytes, sizeof(bytes), &made);
	delete_then_close();
}

static void send_half_of_a_record(void)
{
	char bytes[BYTES] = {0};
	DWORD made;
	char *record = encrypt(p, bytes, sizeof(bytes), &made);

	send_all(p, record, made / 2);
	delete_then_close();
}

static void exit_0(void)
{
	ExitProcess(0);
}

static void exit_1(void)
{
	ExitProcess(1);
}

static void terminate_0(void)
{
	TerminateProcess(GetCurrentProcess(), 0);
}

static void terminate_1(void)
{
	TerminateProcess(GetCurrentProcess(), 1);
}

static void linger_zero(void)
{
	struct linger now = {1, 0};

	setsockopt(p->socket, SOL_SOCKET, SO_LINGER, (const char *)&now, sizeof(now));
	delete_then_close();
}

static void shutdown_send(void)
{
	shutdown(p->socket, SD_SEND);
	close_then_delete();
}

static void shutdown_both(void)
{
	shutdown(p->socket, SD_BOTH);
	close_then_delete();
}

static void delete_then_shutdown_send(void)
{
	delete_context();
	shutdown(p->socket, SD_SEND);
	close_socket();
}

static void disconnect(void)
{
	WSASendDisconnect(p->socket, NULL);
	close_then_delete();
}

/* --- a socket with more than one handle --- */

static SOCKET duplicate(void)
{
	WSAPROTOCOL_INFOW about;
	SOCKET copy;

	must(WSADuplicateSocketW(p->socket, GetCurrentProcessId(), &about) == 0, "WSADuplicateSocket",
	     WSAGetLastError());
	copy = WSASocketW(AF_INET, SOCK_STREAM, 0, &about, 0, WSA_FLAG_OVERLAPPED);
	must(copy != INVALID_SOCKET, "WSASocket", WSAGetLastError());
	return copy;
}

/* The first one is closed, the connection goes on with the other. */
static void duplicate_goes_on(void)
{
	SOCKET copy = duplicate();
	char bytes[BYTES] = {0};

	close_socket();
	p->socket = copy;
	tls_send(p, bytes, sizeof(bytes));
	delete_then_close();
}

static void duplicate_unused(void)
{
	SOCKET copy = duplicate();

	closesocket(copy);
	delete_then_close();
}

/* A process of its own that holds the socket for as long as it lives: it closes the event to say that it is there. */
static HANDLE start_heir(HANDLE *process)
{
	STARTUPINFOA how = {.cb = sizeof(how)};
	PROCESS_INFORMATION child;
	SECURITY_ATTRIBUTES inherits = {.nLength = sizeof(inherits), .bInheritHandle = TRUE};
	HANDLE from, to;
	char name[MAX_PATH], line[MAX_PATH + 100];

	GetModuleFileNameA(NULL, name, sizeof(name));
	must(CreatePipe(&from, &to, &inherits, 0), "CreatePipe", (long)GetLastError());
	SetHandleInformation(to, HANDLE_FLAG_INHERIT, 0);
	snprintf(line, sizeof(line), "\"%s\" heir %lu", name, (unsigned long)(ULONG_PTR)from);
	SetHandleInformation((HANDLE)p->socket, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
	must(CreateProcessA(name, line, NULL, NULL, TRUE, 0, NULL, NULL, &how, &child), "CreateProcess",
	     (long)GetLastError());
	CloseHandle(from);
	CloseHandle(child.hThread);
	*process = child.hProcess;
	return to;
}

static void heir(const char *pipe)
{
	char byte;
	DWORD got;

	ReadFile((HANDLE)(ULONG_PTR)strtoul(pipe, NULL, 10), &byte, 1, &got,
		 NULL); /* until the writing end is closed */
	ExitProcess(0);
}

/* The other process holds it still: its FIN comes when that one ends. */
static void inherited(void)
{
	HANDLE process, pipe = start_heir(&process);

	delete_then_close();
	CloseHandle(pipe);
	WaitForSingleObject(process, INFINITE);
	CloseHandle(process);
}

static void inherited_and_back(void)
{
	HANDLE process, pipe = start_heir(&process);

	CloseHandle(pipe);
	WaitForSingleObject(process, INFINITE);
	CloseHandle(process);
	delete_then_close();
}

/* --- much --- */

#define CHUNK 16000
#define MUCH  (188 * CHUNK)

static void upload(void)
{
	static char bytes[CHUNK];

	for (int sent = 0; sent < MUCH; sent += CHUNK)
		tls_send(p, bytes, sizeof(bytes));
	delete_then_close();
}

static void upload_by_the_book(void)
{
	static char bytes[CHUNK];

	for (int sent = 0; sent < MUCH; sent += CHUNK)
		tls_send(p, bytes, sizeof(bytes));
	by_the_book();
}

/* More than the socket takes, in one overlapped send which is pending at close. */
static void overlapped(void)
{
	static char bytes[CHUNK];
	static WSAOVERLAPPED pending;
	DWORD room = 0, put, count = MUCH / CHUNK;
	char *all = NULL;
	int small = 16384;
	WSABUF whole;

	setsockopt(p->socket, SOL_SOCKET, SO_SNDBUF, (const char *)&small, sizeof(small));
	for (DWORD i = 0; i < count; i++) {
		DWORD made;
		char *record = encrypt(p, bytes, sizeof(bytes), &made);

		all = realloc(all, room + made);
		memcpy(all + room, record, made);
		room += made;
		free(record);
	}
	whole = (WSABUF){room, all};
	if (WSASend(p->socket, &whole, 1, &put, 0, &pending, NULL) == 0 ||
	    WSAGetLastError() != WSA_IO_PENDING)
		must(false, "WSASend", WSAGetLastError());
	delete_then_close();
	Sleep(0);
}

/* --- reading first --- */

static void say_end(const char *order)
{
	SECURITY_STATUS status;
	DWORD length, sum = 0;
	int error = 0;

	do {
		status = tls_receive(p, &length, &error);
		sum += length;
	} while (status == SEC_E_OK && length);
	if (status == -1)
		printf("%s: %lu bytes, recv %d\n", order, sum, error);
	else
		printf("%s: %lu bytes, DecryptMessage %08lx\n", order, sum, (unsigned long)status);
}

static void read_to_end(void)
{
	say_end("read_to_end");
	delete_then_close();
}

static void read_to_end_close_first(void)
{
	say_end("read_to_end_close_first");
	close_then_delete();
}

static void read_to_end_and_reply(void)
{
	say_end("read_to_end_and_reply");
	by_the_book();
}

/* For those who look at it. */
static void sleeps(void)
{
	printf("sleeps with the connection open\n");
	fflush(stdout);
	Sleep(INFINITE);
}

static const struct order {
	const char *name;
	void (*end)(void);
} orders[] = {
#define ORDER(name)                                                                                          \
	{                                                                                                    \
#name, name                                                                                  \
	}
	ORDER(delete_then_close),
	ORDER(close_then_delete),
	{"close_only", close_socket},
	ORDER(by_the_book),
	ORDER(by_the_book_with_fin),
	ORDER(token_asked_for),
	ORDER(token_asked_for_close_first),
	ORDER(token_unsent),
	ORDER(token_unsent_close_first),
	ORDER(token_unsent_then_exit),
	ORDER(token_overtakes),
	ORDER(data_after_token),
	ORDER(queue_unsent),
	ORDER(send_half_of_a_record),
	ORDER(exit_0),
	ORDER(exit_1),
	ORDER(terminate_0),
	ORDER(terminate_1),
	ORDER(linger_zero),
	ORDER(shutdown_send),
	ORDER(shutdown_both),
	ORDER(delete_then_shutdown_send),
	ORDER(disconnect),
	ORDER(duplicate_goes_on),
	ORDER(duplicate_unused),
	ORDER(inherited),
	ORDER(inherited_and_back),
	ORDER(upload),
	ORDER(upload_by_the_book),
	ORDER(overlapped),
	ORDER(read_to_end),
	ORDER(read_to_end_close_first),
	ORDER(read_to_end_and_reply),
	ORDER(sleeps),
};

static void play(const char *port, const char *tls, const char *name)
{
	struct sockaddr_in address = here(port);
	const struct order *order = orders;
	char bytes[BYTES] = {0};

	while (order < orders + sizeof(orders) / sizeof(*orders) && strcmp(order->name, name) != 0)
		order++;
	must(order < orders + sizeof(orders) / sizeof(*orders), name, 0);
	memset(p, 0, sizeof(*p));
	take_credentials(p, tls, NULL);
	p->socket = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
	must(connect(p->socket, (struct sockaddr *)&address, sizeof(address)) == 0, "connect",
	     WSAGetLastError());
	handshake(p, name);
	tls_send(p, bytes, sizeof(bytes));
	fflush(stdout);
	order->end();
	FreeCredentialsHandle(&p->credentials);
}

int main(int argc, char **argv)
{
	start();
	if (argc == 3)
		heir(argv[2]);
	for (int i = 3; i < argc; i++)
		play(argv[1], argv[2], argv[i]);
	fflush(stdout);
	ExitProcess(0);
}
