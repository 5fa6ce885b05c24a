// SPDX-License-Identifier: MIT
// What sync.cpp and async.cpp share: one party of a connection with Boost.Asio's ssl::stream, which shakes hands, exchanges
// some bytes, and then ends in the steps named on the command line.
//
//     PROGRAM PORT TLS STEP...     TLS is 1.2 or 1.3; PORT 0: be the server, with $PKI/cert.pem
//
//     read       to the end, whatever it is
//     gone       wait until the peer has closed its socket
//     more       write one record more
//     some       read it
//     unread     wait until there is something to read, and leave it there
//     shutdown   ssl::stream's, waited for
//     close      lowest_layer().close()
//     unwaited   a shutdown that is begun but not waited for, then close
//     cancel     async only: a shutdown begun, lowest_layer().cancel(), close when it completes
//     write      async only: a shutdown begun, a write that must fail because of it, then close
//     pending    async only: a read begun, then close
//     (none)     the stream is destroyed as it is
//
// One line tells what Asio reported: "client: read=CATEGORY:MESSAGE shutdown=CATEGORY:MESSAGE".
#ifndef PARTY_HPP
#define PARTY_HPP

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

namespace asio = boost::asio;
using error = boost::system::error_code;
using stream = asio::ssl::stream<asio::ip::tcp::socket>;

constexpr std::size_t request_bytes = 5, answer_bytes = 20000;

struct party {
	bool server;
	std::vector<std::string> steps;
	asio::ip::tcp::endpoint address;
	asio::ssl::context tls;
	std::vector<char> request, answer, rest;
	std::string told;

	party(int argc, char **argv)
	    : server(std::string(argv[1]) == "0"), steps(argv + 3, argv + argc),
	      address(asio::ip::address_v4::loopback(), static_cast<unsigned short>(std::atoi(argv[1]))),
	      tls(asio::ssl::context::tls), request(request_bytes, 'r'), answer(answer_bytes, 'a'), rest(4096)
	{
		const int version = std::string(argv[2]) == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION;

		SSL_CTX_set_min_proto_version(tls.native_handle(), version);
		SSL_CTX_set_max_proto_version(tls.native_handle(), version);
		if (server) {
			const std::string pki = std::getenv("PKI");
			tls.use_certificate_file(pki + "/cert.pem", asio::ssl::context::pem);
			tls.use_private_key_file(pki + "/key.pem", asio::ssl::context::pem);
		}
	}

	asio::ssl::stream_base::handshake_type side() const
	{
		return server ? asio::ssl::stream_base::server : asio::ssl::stream_base::client;
	}

	// The two are tied before TLS begins; what comes after is each program's own style.
	void meet(asio::ip::tcp::socket &socket)
	{
		if (!server)
			return socket.connect(address);
		asio::ip::tcp::acceptor acceptor(socket.get_executor(), address);
		std::cout << "listening " << acceptor.local_endpoint().port() << std::endl;
		acceptor.accept(socket);
	}

	void tell(const char *what, const error &code)
	{
		told += std::string(" ") + what + "=";
		told += code ? std::string(code.category().name()) + ":" + code.message() : "success";
	}

	// The peer says nothing more on the wire than its FIN.
	static void await_fin(asio::ip::tcp::socket &socket)
	{
		char byte;
		error code;

		socket.wait(asio::socket_base::wait_read);
		socket.receive(asio::buffer(&byte, 1), 0, code);
		if (code != asio::error::eof)
			throw std::runtime_error("not gone");
	}

	void print() const
	{
		std::cout << (server ? "server:" : "client:") << told << std::endl;
	}
};

#endif
