# SPDX-License-Identifier: MIT
# upload.rb WAY PORT FILE: ways in which Ruby programs upload FILE by TLS to 127.0.0.1:PORT.
require 'net/ftp'
require 'openssl'
require 'socket'

way, port, file = ARGV

# What net/ftp leaves out, as one would write it by hand.
module Goodbye
  def shutdown(*)
    @io.send(:stop) # SSL_shutdown
    @io.to_io.shutdown(Socket::SHUT_WR)
    @io.to_io.read
  end
end

case way
when 'raw'
  tcp = TCPSocket.new('127.0.0.1', port)
  ssl = OpenSSL::SSL::SSLSocket.new(tcp)
  ssl.sync_close = true
  ssl.connect
  ssl.write(File.binread(file))
  ssl.close
when 'ftps', 'ftps_goodbye'
  Net::FTP::BufferedSSLSocket.prepend(Goodbye) if way == 'ftps_goodbye'
  Net::FTP.open('127.0.0.1', port: port, ssl: { verify_mode: OpenSSL::SSL::VERIFY_NONE }) do |ftp|
    ftp.login
    10.times do |number|
      ftp.putbinaryfile(file, "upload/#{number}")
      puts "#{number} #{ftp.last_response}"
    end
  end
end
