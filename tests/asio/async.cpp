// SPDX-License-Identifier: MIT
// ssl::stream's asynchronous calls. See party.hpp.
#include "party.hpp"

#include <functional>

struct talk {
	party &p;
	stream &s;
	std::size_t taken = 0;

	void go()
	{
		s.async_handshake(p.side(), [this](const error &code) {
			if (code)
				throw boost::system::system_error(code);
			if (p.server)
				receive(p.request, [this] { deliver(p.answer, [this] { next(); }); });
			else
				deliver(p.request, [this] { receive(p.answer, [this] { next(); }); });
		});
	}

	void receive(std::vector<char> &bytes, std::function<void()> then)
	{
		asio::async_read(s, asio::buffer(bytes), [then](const error &code, std::size_t) {
			if (code)
				throw boost::system::system_error(code);
			then();
		});
	}

	void deliver(std::vector<char> &bytes, std::function<void()> then)
	{
		asio::async_write(s, asio::buffer(bytes), [then](const error &code, std::size_t) {
			if (code)
				throw boost::system::system_error(code);
			then();
		});
	}

	void read()
	{
		s.async_read_some(asio::buffer(p.rest), [this](const error &code, std::size_t) {
			if (!code)
				return read();
			p.tell("read", code);
			next();
		});
	}

	void shut_down(std::function<void()> then)
	{
		s.async_shutdown([this, then](const error &code) {
			p.tell("shutdown", code);
			then();
		});
	}

	void close()
	{
		s.lowest_layer().close();
		next();
	}

	void next()
	{
		if (taken == p.steps.size())
			return;
		const std::string &step = p.steps[taken++];
		if (step == "read") {
			read();
		} else if (step == "gone") {
			s.lowest_layer().async_wait(asio::socket_base::wait_read, [this](const error &) {
				p.await_fin(s.next_layer());
				next();
			});
		} else if (step == "some") {
			receive(p.request, [this] { next(); });
		} else if (step == "more") {
			deliver(p.request, [this] { next(); });
		} else if (step == "unread") {
			s.lowest_layer().async_wait(asio::socket_base::wait_read,
						    [this](const error &) { next(); });
		} else if (step == "shutdown") {
			shut_down([this] { next(); });
		} else if (step == "unwaited") {
			shut_down([] {});
			close();
		} else if (step == "cancel") {
			shut_down([this] { close(); });
			asio::post(s.get_executor(),
				   [this] { s.lowest_layer().cancel(); }); // it waits by then
		} else if (step == "write") {
			shut_down([] {});
			s.async_write_some(asio::buffer(p.request), [this](const error &code, std::size_t) {
				p.tell("write", code);
				close();
			});
		} else if (step == "pending") {
			read();
			s.lowest_layer().close();
		} else if (step == "close") {
			close();
		} else {
			throw std::invalid_argument(step);
		}
	}
};

int main(int argc, char **argv)
{
	party p(argc, argv);
	{
		asio::io_context io;
		stream s(io, p.tls);
		talk t{p, s};

		p.meet(s.next_layer());
		t.go();
		io.run();
	}
	p.print();
}
