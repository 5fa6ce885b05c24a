/* SPDX-License-Identifier: MIT
 * http PORT HOW...: a request to https://localhost:PORT/HOW, by the libraries of Windows that speak HTTP: winhttp_closes and
 * winhttp_exits, wininet_closes and wininet_exits. One that exits is the last. */
#include <windows.h>
#include <winhttp.h>
#include <fcntl.h>
#include <io.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* These two headers do not go together. */
typedef HANDLE HINTERNET_OF_WININET;
__declspec(dllimport) HINTERNET_OF_WININET WINAPI
	InternetOpenA(const char *, DWORD, const char *, const char *, DWORD);
__declspec(dllimport) HINTERNET_OF_WININET WINAPI
	InternetConnectA(HANDLE, const char *, WORD, const char *, const char *, DWORD, DWORD, DWORD_PTR);
__declspec(dllimport) HINTERNET_OF_WININET WINAPI
	HttpOpenRequestA(HANDLE, const char *, const char *, const char *, const char *, const char **, DWORD,
			 DWORD_PTR);
__declspec(dllimport) BOOL WINAPI HttpSendRequestA(HANDLE, const char *, DWORD, void *, DWORD);
__declspec(dllimport) BOOL WINAPI InternetReadFile(HANDLE, void *, DWORD, DWORD *);
__declspec(dllimport) BOOL WINAPI InternetCloseHandle(HANDLE);
__declspec(dllimport) BOOL WINAPI InternetSetOptionA(HANDLE, DWORD, void *, DWORD);

enum { SERVICE_HTTP = 3, DIRECT = 1, OPTION_SECURITY_FLAGS = 31 };
#define SECURE        0x00800000
#define RELOAD        0x80000000
#define NO_CACHE      0x04000000
#define ANY_NAME      0x00001000 /* of the certificate */
#define ANY_AUTHORITY 0x00000100
#define NOT_REVOKED   0x00000080 /* is not asked for */

static void must(bool what, const char *step)
{
	if (what)
		return;
	printf("%s: %lu\n", step, (unsigned long)GetLastError());
	fflush(stdout);
	ExitProcess(99);
}

static void say(const char *how, DWORD length)
{
	printf("%s: %lu bytes\n", how, (unsigned long)length);
	fflush(stdout);
}

static void winhttp(const char *how, WORD port, bool closes)
{
	DWORD any = SECURITY_FLAG_IGNORE_UNKNOWN_CA | SECURITY_FLAG_IGNORE_CERT_CN_INVALID |
		    SECURITY_FLAG_IGNORE_CERT_DATE_INVALID | SECURITY_FLAG_IGNORE_CERT_WRONG_USAGE;
	HINTERNET session = WinHttpOpen(L"test", WINHTTP_ACCESS_TYPE_NO_PROXY, NULL, NULL, 0), connection,
		  request;
	wchar_t path[64];
	char bytes[4096];
	DWORD got, sum = 0;

	must(session != NULL, "WinHttpOpen");
	connection = WinHttpConnect(session, L"localhost", port, 0);
	must(connection != NULL, "WinHttpConnect");
	swprintf(path, 64, L"/%hs", how);
	request = WinHttpOpenRequest(connection, L"GET", path, NULL, NULL, NULL, WINHTTP_FLAG_SECURE);
	must(request != NULL, "WinHttpOpenRequest");
	must(WinHttpSetOption(request, WINHTTP_OPTION_SECURITY_FLAGS, &any, sizeof(any)), "WinHttpSetOption");
	must(WinHttpSendRequest(request, NULL, 0, NULL, 0, 0, 0), "WinHttpSendRequest");
	must(WinHttpReceiveResponse(request, NULL), "WinHttpReceiveResponse");
	while (WinHttpReadData(request, bytes, sizeof(bytes), &got) && got)
		sum += got;
	say(how, sum);
	if (!closes)
		ExitProcess(0);
	WinHttpCloseHandle(request);
	WinHttpCloseHandle(connection);
	WinHttpCloseHandle(session);
}

static void wininet(const char *how, WORD port, bool closes)
{
	DWORD any = ANY_NAME | ANY_AUTHORITY | NOT_REVOKED, got, sum = 0;
	HANDLE session = InternetOpenA("test", DIRECT, NULL, NULL, 0), connection, request;
	char path[64], bytes[4096];

	must(session != NULL, "InternetOpen");
	connection = InternetConnectA(session, "localhost", port, NULL, NULL, SERVICE_HTTP, 0, 0);
	must(connection != NULL, "InternetConnect");
	snprintf(path, sizeof(path), "/%s", how);
	request = HttpOpenRequestA(connection, "GET", path, NULL, NULL, NULL,
				   SECURE | RELOAD | NO_CACHE | ANY_NAME, 0);
	must(request != NULL, "HttpOpenRequest");
	InternetSetOptionA(request, OPTION_SECURITY_FLAGS, &any, sizeof(any));
	must(HttpSendRequestA(request, NULL, 0, NULL, 0), "HttpSendRequest");
	while (InternetReadFile(request, bytes, sizeof(bytes), &got) && got)
		sum += got;
	say(how, sum);
	if (!closes)
		ExitProcess(0);
	InternetCloseHandle(request);
	InternetCloseHandle(connection);
	InternetCloseHandle(session);
}

int main(int argc, char **argv)
{
	_setmode(1, _O_BINARY);
	for (int i = 2; i < argc; i++)
		(strncmp(argv[i], "winhttp", 7) == 0 ? winhttp : wininet)(argv[i], (WORD)atoi(argv[1]),
									  strstr(argv[i], "closes") != NULL);
	ExitProcess(0);
}
