# SPDX-License-Identifier: MIT
"""The everyday ways in which Python programs have a TLS connection in more than one process.

owners.py client PORT WAY...            one connection for each way: it speaks, meets another process, speaks on, closes
owners.py server WAY CERT KEY TLS       answers what it gets, 100 times over, in another process than the one that accepts"""
import multiprocessing
import os
import socket
import socketserver
import ssl
import subprocess
import sys


# --- a client whose connection other processes come by ---

def popen(connection):
    subprocess.run(['true'], check=True)  # vfork; the child closes all


def popen_keeps_open(connection):
    subprocess.run(['true'], check=True, close_fds=False)


def popen_passes(connection):
    subprocess.run(['true'], check=True, pass_fds=[connection.fileno()])


def popen_lives(connection):
    afterwards.append(subprocess.Popen(['cat'], stdin=subprocess.PIPE).communicate)


def popen_forks(connection):
    subprocess.run(['true'], check=True, preexec_fn=lambda: None)  # fork, not vfork


def spawn_closes(connection):
    wait_for(os.posix_spawnp('true', ['true'], {}, file_actions=[(os.POSIX_SPAWN_CLOSE, connection.fileno())]))


def spawn_replaces(connection):
    wait_for(os.posix_spawnp('true', ['true'], {}, file_actions=[(os.POSIX_SPAWN_DUP2, 1, connection.fileno())]))


def system(connection):
    assert os.system('true') == 0


def fork_closes(connection):
    if child := os.fork():
        return wait_for(child)
    connection.close()
    os._exit(0)


def fork_shuts_down(connection):
    if child := os.fork():
        return wait_for(child)
    connection.detach()  # without a word to TLS
    os._exit(0)


def fork_exits(connection):
    if child := os.fork():
        return wait_for(child)
    sys.exit(0)


def fork_underscore_exits(connection):
    if child := os.fork():
        return wait_for(child)
    os._exit(0)


def fork_execs(connection):
    if child := os.fork():
        return wait_for(child)
    os.execvp('true', ['true'])


def fork_unreaped(connection):
    ours, childs = os.pipe()
    if os.fork() == 0:
        connection.close()
        os._exit(0)
    os.close(childs)
    os.read(ours, 1)  # until the child is gone, but it stays a zombie


def fork_twice(connection):
    ours, childs = os.pipe()
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            connection.close()
        os._exit(0)
    os.close(childs)
    os.read(ours, 1)


def fork_holds(connection):
    childs, ours = os.pipe()
    if os.fork() == 0:
        os.close(ours)
        os.read(childs, 1)
        os._exit(0)
    os.close(childs)
    afterwards.append(lambda: os.close(ours))


def process_fork(connection):
    process_by('fork')


def process_spawn(connection):
    process_by('spawn')


def process_forkserver(connection):
    process_by('forkserver')


def pool(connection):
    with multiprocessing.get_context('fork').Pool(2) as workers:
        assert workers.map(abs, [-1, -2]) == [1, 2]


def process_by(method):
    process = multiprocessing.get_context(method).Process(target=abs, args=[-1])
    process.start()
    process.join()
    assert process.exitcode == 0


def sends_descriptor(connection):
    ours, others = socket.socketpair()
    socket.send_fds(ours, [b'f'], [connection.fileno()])
    for descriptor in socket.recv_fds(others, 1, 1)[1]:
        os.close(descriptor)


def wait_for(child):
    assert os.waitpid(child, 0)[1] == 0


def client(port, *ways):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for way in ways:
        with context.wrap_socket(socket.create_connection(('127.0.0.1', int(port)))) as connection:
            connection.sendall(b'before')
            globals()[way](connection)
            connection.sendall(b' and after')
            print(way, len(connection.recv(100)), flush=True)
    for end in reversed(afterwards):  # the children that live have what was opened before them
        end()


# --- a server that hands its connections over ---

def answer(connection):
    connection.sendall(connection.recv(100) * 100)


class Forking(socketserver.ForkingTCPServer):
    """The child waits until its parent has closed; otherwise whoever closes last would be chance."""
    def process_request(self, *request):
        self.closed, ours = os.pipe()
        self.parents_end = ours
        super().process_request(*request)
        os.close(self.closed)
        os.close(ours)

    def finish_request(self, request, address):
        os.close(self.parents_end)
        os.read(self.closed, 1)
        self.speak(request)

    def speak(self, request):
        answer(request)


class ForkingFirst(Forking):
    """TLS begins in the child."""
    def speak(self, request):
        with context.wrap_socket(request, server_side=True) as connection:
            answer(connection)


def forking():
    server = Forking(('127.0.0.1', 0), None)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def forking_first():
    ForkingFirst(('127.0.0.1', 0), None).serve_forever()


def process_serves():
    """A process for each connection, which gets the socket by inheritance, by way of a pickle."""
    by = multiprocessing.get_context('spawn')
    with socket.create_server(('127.0.0.1', 0)) as listener:
        while True:
            connection, _ = listener.accept()
            process = by.Process(target=serve_one, args=(connection, *sys.argv[3:6]))
            process.start()
            connection.close()
            process.join()


def serve_one(connection, *certificate):
    with server_context(*certificate).wrap_socket(connection, server_side=True) as connection:
        answer(connection)


def send_fds():
    """One process accepts and sends the descriptor; the other speaks TLS on it."""
    ours, workers = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        while True:
            _, descriptors, _, _ = socket.recv_fds(workers, 1, 1)
            if not descriptors:
                os._exit(0)
            with context.wrap_socket(socket.socket(fileno=descriptors[0]), server_side=True) as connection:
                workers.recv(1)  # the other has closed
                answer(connection)
    workers.close()
    with socket.create_server(('127.0.0.1', 0)) as listener:
        while True:
            connection, _ = listener.accept()
            socket.send_fds(ours, [b'f'], [connection.fileno()])
            connection.close()
            ours.send(b'c')


def server_context(cert, key, tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.minimum_version = context.maximum_version = ssl.TLSVersion['TLSv' + tls.replace('.', '_')]
    return context


afterwards = []
if __name__ == '__main__':
    if sys.argv[1] == 'client':
        client(*sys.argv[2:])
    else:
        context = server_context(*sys.argv[3:6])
        globals()[sys.argv[2]]()
