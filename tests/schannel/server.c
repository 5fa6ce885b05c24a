/* SPDX-License-Identifier: MIT
 * server PFX TLS ORDER...: says "listening PORT"; for each order it accepts a connection, reads until there are bytes, answers with some and
 * ends so. */
#include "party.h"

#include <wincrypt.h>

#define BYTES 1000

static struct party party, *const p = &party;

static void delete_then_close(void)
{
	DeleteSecurityContext(&p->context);
	closesocket(p->socket);
}

static void close_then_delete(void)
{
	closesocket(p->socket);
	DeleteSecurityContext(&p->context);
}

static void close_only(void)
{
	closesocket(p->socket);
}

/* ApplyControlToken, then AcceptSecurityContext with empty buffers, and what it gives is sent behind all that was written. */
static void by_the_book(void)
{
	SecBuffer token = make_token(p);

	send_token(p, &token);
	delete_then_close();
}

static void token_asked_for(void)
{
	ask_token(p);
	delete_then_close();
}

static void token_unsent(void)
{
	make_token(p);
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

static const struct order {
	const char *name;
	void (*end)(void);
} orders[] = {
#define ORDER(name)                                                                                          \
	{                                                                                                    \
#name, name                                                                                  \
	}
	ORDER(delete_then_close), ORDER(close_then_delete), ORDER(close_only), ORDER(by_the_book),
	ORDER(token_asked_for),   ORDER(token_unsent),      ORDER(exit_0),     ORDER(exit_1),
};

/* Its password is "x". */
static PCCERT_CONTEXT read_certificate(const char *name)
{
	static unsigned char bytes[MOST];
	FILE *file = fopen(name, "rb");
	CRYPT_DATA_BLOB blob = {0, bytes};
	HCERTSTORE store;
	PCCERT_CONTEXT certificate;

	must(file != NULL, name, 0);
	blob.cbData = (DWORD)fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	store = PFXImportCertStore(&blob, L"x", 0);
	must(store != NULL, "PFXImportCertStore", (long)GetLastError());
	certificate = CertFindCertificateInStore(store, X509_ASN_ENCODING, 0, CERT_FIND_ANY, NULL, NULL);
	must(certificate != NULL, "CertFindCertificateInStore", (long)GetLastError());
	return certificate;
}

static void serve(SOCKET listener, PCCERT_CONTEXT certificate, const char *tls, const char *name)
{
	const struct order *order = orders;
	char bytes[BYTES] = {0};
	DWORD length;
	int error;

	while (order < orders + sizeof(orders) / sizeof(*orders) && strcmp(order->name, name) != 0)
		order++;
	must(order < orders + sizeof(orders) / sizeof(*orders), name, 0);
	memset(p, 0, sizeof(*p));
	p->server = true;
	take_credentials(p, tls, certificate);
	p->socket = accept(listener, NULL, NULL);
	must(p->socket != INVALID_SOCKET, "accept", WSAGetLastError());
	handshake(p, NULL);
	must(tls_receive(p, &length, &error) == SEC_E_OK, "DecryptMessage", 0);
	tls_send(p, bytes, sizeof(bytes));
	order->end();
	FreeCredentialsHandle(&p->credentials);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = here("0");
	int size = sizeof(address);
	PCCERT_CONTEXT certificate;
	SOCKET listener;

	start();
	must(argc > 3, "server PFX TLS ORDER...", argc);
	certificate = read_certificate(argv[1]);
	listener = WSASocketW(AF_INET, SOCK_STREAM, 0, NULL, 0, WSA_FLAG_OVERLAPPED);
	must(bind(listener, (struct sockaddr *)&address, size) == 0 && listen(listener, 16) == 0, "listen",
	     WSAGetLastError());
	getsockname(listener, (struct sockaddr *)&address, &size);
	printf("listening %d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (int i = 3; i < argc; i++)
		serve(listener, certificate, argv[2], argv[i]);
	fflush(stdout);
	ExitProcess(0);
}
