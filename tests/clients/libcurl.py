# SPDX-License-Identifier: MIT
"""libcurl.py PORT: a program of libcurl's easy interface, the one built with OpenSSL."""
import ctypes
import sys

URL, VERIFYPEER, VERIFYHOST = 10002, 64, 81
curl = ctypes.CDLL('libcurl.so.4')
curl.curl_easy_init.restype = ctypes.c_void_p
handle = ctypes.c_void_p(curl.curl_easy_init())
curl.curl_easy_setopt(handle, URL, f'https://127.0.0.1:{sys.argv[1]}/'.encode())
for option in VERIFYPEER, VERIFYHOST:
    curl.curl_easy_setopt(handle, option, ctypes.c_long(0))
print(curl.curl_easy_perform(handle))
curl.curl_easy_cleanup(handle)
