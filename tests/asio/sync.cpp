// SPDX-License-Identifier: MIT
// ssl::stream's blocking calls. See party.hpp.
#include "party.hpp"

static void exchange(party &p, stream &s)
{
	s.handshake(p.side());
	if (p.server) {
		asio::read(s, asio::buffer(p.request));
		asio::write(s, asio::buffer(p.answer));
	} else {
		asio::write(s, asio::buffer(p.request));
		asio::read(s, asio::buffer(p.answer));
	}
}

static void take(party &p, stream &s, const std::string &step)
{
	error code;

	if (step == "read") {
		while (!code)
			s.read_some(asio::buffer(p.rest), code);
		p.tell("read", code);
	} else if (step == "gone") {
		p.await_fin(s.next_layer());
	} else if (step == "some") {
		asio::read(s, asio::buffer(p.request));
	} else if (step == "more") {
		asio::write(s, asio::buffer(p.request));
	} else if (step == "unread") {
		s.lowest_layer().wait(asio::socket_base::wait_read);
	} else if (step == "shutdown") {
		s.shutdown(code);
		p.tell("shutdown", code);
	} else if (step == "unwaited") { // would_block, once its alert is out
		s.lowest_layer().non_blocking(true);
		s.shutdown(code);
		p.tell("shutdown", code);
		s.lowest_layer().close();
	} else if (step == "close") {
		s.lowest_layer().close();
	} else {
		throw std::invalid_argument(step);
	}
}

int main(int argc, char **argv)
{
	party p(argc, argv);
	{
		asio::io_context io;
		stream s(io, p.tls);

		p.meet(s.next_layer());
		exchange(p, s);
		for (const auto &step : p.steps)
			take(p, s, step);
	}
	p.print();
}
