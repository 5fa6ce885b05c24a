# SPDX-License-Identifier: MIT
# upload.rb WAY PORT FILE: ways in which Ruby programs upload FILE by TLS to 127.0.0.1:PORT.
require 'net/ftp'
require 'openssl'
require 'socket'

way, port, file = ARGV

case way
when 'raw'
  tcp = TCPSocket.new('127.0.0.1', port)
  ssl = OpenSSL::SSL::SSLSocket.new(tcp)
  ssl.sync_close = true
  ssl.connect
  ssl.write(File.binread(file))
  ssl.close
when 'ftps'
  Net::FTP.open('127.0.0.1', port: port, ssl: { verify_mode: OpenSSL::SSL::VERIFY_NONE }) do |ftp|
    ftp.login
    10.times do |number|
      ftp.putbinaryfile(file, "upload/#{number}")
      puts "#{number} #{ftp.last_response}"
    end
  end
end
