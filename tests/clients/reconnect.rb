require 'openssl'
require 'socket'
context = OpenSSL::SSL::SSLContext.new
session = nil
ARGV[1].to_i.times do
  tcp = TCPSocket.new('127.0.0.1', ARGV[0])
  ssl = OpenSSL::SSL::SSLSocket.new(tcp, context)
  ssl.session = session if session
  ssl.connect
  ssl.write('hello')
  ssl.readpartial(100)
  session = ssl.session
  tcp.close
  GC.start if ENV['GC']
end
