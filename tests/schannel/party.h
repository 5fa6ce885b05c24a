/* SPDX-License-Identifier: MIT
 * What the Windows programs here share: SChannel on a socket, by the book up to the end, of which each program has its own. */
#ifndef PARTY_H
#define PARTY_H

#define SECURITY_WIN32
#include <winsock2.h>
#include <windows.h>
#include <security.h>
#include <schannel.h>
#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef SP_PROT_TLS1_3_CLIENT
#define SP_PROT_TLS1_3_SERVER 0x1000
#define SP_PROT_TLS1_3_CLIENT 0x2000
#endif

#define WENT_WRONG 99 /* before the sin */

#define MOST 65536

struct party {
	SOCKET socket;
	CredHandle credentials;
	CtxtHandle context;
	bool server, begun;
	char in[MOST]; /* ciphertext that was received and not taken yet */
	DWORD have;
};

static void must(bool what, const char *step, long status)
{
	if (what)
		return;
	printf("%s: %08lx\n", step, status);
	fflush(stdout);
	ExitProcess(WENT_WRONG);
}

static void send_all(struct party *p, const void *bytes, DWORD length)
{
	const char *at = bytes;

	while (length) {
		int put = send(p->socket, at, (int)length, 0);

		must(put > 0, "send", WSAGetLastError());
		at += put;
		length -= (DWORD)put;
	}
}

/* False at the peer's end; `error`: 0 for FIN. */
static bool receive(struct party *p, int *error)
{
	int got = recv(p->socket, p->in + p->have, (int)(MOST - p->have), 0);

	*error = got < 0 ? WSAGetLastError() : 0;
	if (got > 0)
		p->have += (DWORD)got;
	return got > 0;
}

static void keep_extra(struct party *p, const SecBuffer *buffers, int count)
{
	DWORD extra = 0;

	for (int i = 0; i < count; i++) {
		if (buffers[i].BufferType == SECBUFFER_EXTRA)
			extra = buffers[i].cbBuffer;
	}
	memmove(p->in, p->in + p->have - extra, extra);
	p->have = extra;
}

/* One call of InitializeSecurityContext or AcceptSecurityContext; what comes out is a token for the peer. `in` NULL: no input. */
static SECURITY_STATUS step(struct party *p, const char *name, SecBufferDesc *in, SecBuffer *token)
{
	SecBufferDesc out = {SECBUFFER_VERSION, 1, token};
	CtxtHandle *now = p->begun ? &p->context : NULL;
	SECURITY_STATUS status;
	ULONG flags;

	*token = (SecBuffer){0, SECBUFFER_TOKEN, NULL};
	if (p->server)
		status = AcceptSecurityContext(&p->credentials, now, in,
					       ASC_REQ_ALLOCATE_MEMORY | ASC_REQ_STREAM |
						       ASC_REQ_CONFIDENTIALITY | ASC_REQ_REPLAY_DETECT |
						       ASC_REQ_SEQUENCE_DETECT,
					       SECURITY_NATIVE_DREP, &p->context, &out, &flags, NULL);
	else
		status = InitializeSecurityContextA(&p->credentials, now, (char *)(ULONG_PTR)name,
						    ISC_REQ_ALLOCATE_MEMORY | ISC_REQ_STREAM |
							    ISC_REQ_CONFIDENTIALITY | ISC_REQ_REPLAY_DETECT |
							    ISC_REQ_SEQUENCE_DETECT |
							    ISC_REQ_MANUAL_CRED_VALIDATION,
						    0, 0, in, 0, &p->context, &out, &flags, NULL);
	return status;
}

static void send_token(struct party *p, SecBuffer *token)
{
	if (!token->pvBuffer)
		return;
	send_all(p, token->pvBuffer, token->cbBuffer);
	FreeContextBuffer(token->pvBuffer);
}

static void handshake(struct party *p, const char *name)
{
	SecBuffer token, buffers[2];
	SecBufferDesc in = {SECBUFFER_VERSION, 2, buffers};
	SECURITY_STATUS status = SEC_I_CONTINUE_NEEDED;
	int error;

	if (!p->server) {
		status = step(p, name, NULL, &token);
		must(status == SEC_I_CONTINUE_NEEDED, "InitializeSecurityContext", status);
		p->begun = true;
		send_token(p, &token);
	}
	while (status != SEC_E_OK) {
		if (!p->have || status == SEC_E_INCOMPLETE_MESSAGE)
			must(receive(p, &error), "handshake", error);
		buffers[0] = (SecBuffer){p->have, SECBUFFER_TOKEN, p->in};
		buffers[1] = (SecBuffer){0, SECBUFFER_EMPTY, NULL};
		status = step(p, name, &in, &token);
		if (status == SEC_E_INCOMPLETE_MESSAGE)
			continue;
		must(status == SEC_E_OK || status == SEC_I_CONTINUE_NEEDED, "handshake", status);
		p->begun = true;
		send_token(p, &token);
		keep_extra(p, buffers, 2);
	}
}

/* What EncryptMessage makes of so many bytes, to be freed. */
static char *encrypt(struct party *p, const void *bytes, DWORD length, DWORD *made)
{
	SecPkgContext_StreamSizes sizes;
	SECURITY_STATUS status = QueryContextAttributesA(&p->context, SECPKG_ATTR_STREAM_SIZES, &sizes);
	char *record;

	must(status == SEC_E_OK, "QueryContextAttributes", status);
	record = malloc(sizes.cbHeader + length + sizes.cbTrailer);
	memcpy(record + sizes.cbHeader, bytes, length);
	SecBuffer buffers[4] = {{sizes.cbHeader, SECBUFFER_STREAM_HEADER, record},
				{length, SECBUFFER_DATA, record + sizes.cbHeader},
				{sizes.cbTrailer, SECBUFFER_STREAM_TRAILER, record + sizes.cbHeader + length},
				{0, SECBUFFER_EMPTY, NULL}};
	SecBufferDesc message = {SECBUFFER_VERSION, 4, buffers};
	status = EncryptMessage(&p->context, 0, &message, 0);
	must(status == SEC_E_OK, "EncryptMessage", status);
	*made = buffers[0].cbBuffer + buffers[1].cbBuffer + buffers[2].cbBuffer;
	return record;
}

static void tls_send(struct party *p, const void *bytes, DWORD length)
{
	DWORD made;
	char *record = encrypt(p, bytes, length, &made);

	send_all(p, record, made);
	free(record);
}

/* One DecryptMessage that is not SEC_E_INCOMPLETE_MESSAGE; or the peer's end, as -1. */
static SECURITY_STATUS tls_receive(struct party *p, DWORD *length, int *error)
{
	for (;;) {
		SecBuffer buffers[4] = {{p->have, SECBUFFER_DATA, p->in}, {0}, {0}, {0}};
		SecBufferDesc message = {SECBUFFER_VERSION, 4, buffers};
		SECURITY_STATUS status =
			p->have ? DecryptMessage(&p->context, &message, 0, NULL) : SEC_E_INCOMPLETE_MESSAGE;

		*length = 0;
		if (status != SEC_E_INCOMPLETE_MESSAGE) {
			for (int i = 0; i < 4; i++) {
				if (buffers[i].BufferType == SECBUFFER_DATA && status == SEC_E_OK)
					*length = buffers[i].cbBuffer;
			}
			keep_extra(p, buffers, 4);
			return status;
		}
		if (!receive(p, error))
			return -1;
	}
}

/* The first half of the goodbye: tells SChannel. */
static void ask_token(struct party *p)
{
	DWORD type = SCHANNEL_SHUTDOWN;
	SecBuffer buffer = {sizeof(type), SECBUFFER_TOKEN, &type};
	SecBufferDesc control = {SECBUFFER_VERSION, 1, &buffer};
	SECURITY_STATUS status = ApplyControlToken(&p->context, &control);

	must(status == SEC_E_OK, "ApplyControlToken", status);
}

/* The second half: the close_notify, for the program to send. */
static SecBuffer make_token(struct party *p)
{
	SecBuffer token;
	SECURITY_STATUS status;

	ask_token(p);
	status = step(p, NULL, NULL, &token);
	must((status == SEC_E_OK || status == SEC_I_CONTEXT_EXPIRED) && token.cbBuffer, "token", status);
	return token;
}

/* `certificate`: of a server; else NULL. */
static void take_credentials(struct party *p, const char *tls, PCCERT_CONTEXT certificate)
{
	bool old = strcmp(tls, "1.2") == 0;
	DWORD only = p->server ? old ? SP_PROT_TLS1_2_SERVER : SP_PROT_TLS1_3_SERVER
		     : old     ? SP_PROT_TLS1_2_CLIENT
			       : SP_PROT_TLS1_3_CLIENT;
	SCHANNEL_CRED wanted = {.dwVersion = SCHANNEL_CRED_VERSION,
				.grbitEnabledProtocols = only,
				.dwFlags = SCH_CRED_MANUAL_CRED_VALIDATION | SCH_CRED_NO_DEFAULT_CREDS,
				.cCreds = certificate ? 1 : 0,
				.paCred = certificate ? &certificate : NULL};
	SECURITY_STATUS status;

	status = AcquireCredentialsHandleA(NULL, (char *)(ULONG_PTR)UNISP_NAME_A,
					   p->server ? SECPKG_CRED_INBOUND : SECPKG_CRED_OUTBOUND, NULL,
					   &wanted, NULL, NULL, &p->credentials, NULL);
	must(status == SEC_E_OK, "AcquireCredentialsHandle", status);
}

static void start(void)
{
	WSADATA data;

	_setmode(1, _O_BINARY);
	must(WSAStartup(MAKEWORD(2, 2), &data) == 0, "WSAStartup", 0);
}

static struct sockaddr_in here(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((u_short)atoi(port))};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

#endif
