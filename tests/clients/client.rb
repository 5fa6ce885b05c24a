# SPDX-License-Identifier: MIT
# client.rb WAY PORT [PATH]: the everyday ways in which Ruby programs talk TLS to 127.0.0.1:PORT.
require 'io/wait'
require 'net/http'
require 'openssl'
require 'socket'

way, port, path = ARGV

def greeting(port)
  tcp = TCPSocket.new('127.0.0.1', port)
  ssl = OpenSSL::SSL::SSLSocket.new(tcp)
  ssl.connect
  ssl.write('hello')
  [ssl, tcp]
end

def connected(port)
  greeting(port).tap { |ssl, _| p ssl.readpartial(100) }
end

case way
when 'sync_close'
  ssl, = connected(port)
  ssl.sync_close = true
  ssl.close
when 'no_sync_close'
  ssl, tcp = connected(port)
  ssl.close
  tcp.close
when 'unread'
  ssl, tcp = greeting(port)
  tcp.wait_readable
  ssl.close
  tcp.close
when 'tcp_close'
  _, tcp = connected(port)
  tcp.close
when 'net_http'
  http = Net::HTTP.new('127.0.0.1', port)
  http.use_ssl = true
  http.verify_mode = OpenSSL::SSL::VERIFY_NONE
  print http.get(path || '/').body
end
