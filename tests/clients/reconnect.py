import socket, ssl, sys
context = ssl._create_unverified_context()
session = None
for _ in range(int(sys.argv[2])):
    connection = context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1]))), session=session)
    connection.sendall(b'hello')
    connection.recv(100)
    session = connection.session
    connection.close()
