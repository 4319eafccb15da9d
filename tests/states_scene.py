"""Makes a socket pair in each state of TCP over the loopback, says "ready", and holds them until its
standard input ends. Ports: 7001 LISTEN and so on, see the table that it prints:

	STATE PORT-OF-THE-LISTENER
"""
import os
import socket
import sys
import time

held = []


def listener(port, backlog=8, address="127.0.0.1", options=()):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if address == "::":
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    for option in options:
        one.setsockopt(*option)
    one.bind((address, port))
    one.listen(backlog)
    held.append(one)
    return one


def pair(port, address="127.0.0.1"):
    """A client and what the listener there accepted."""
    at = listener(port, address=address)
    client = socket.create_connection(("127.0.0.1" if address == "::" else address, port))
    server, _ = at.accept()
    held.extend((client, server))
    return client, server


def drop(one):
    held.remove(one)
    one.close()


def stuff(one):
    """Sends until nothing goes any more: a FIN then waits behind the data."""
    one.setblocking(False)
    quiet = 0
    while quiet < 20:
        try:
            one.send(b"x" * 65536)
            quiet = 0
        except BlockingIOError:
            quiet += 1
            time.sleep(0.01)


def main():
    # LISTEN and ESTAB are there with each of the others; of its own one of IPv6, and a mapped one.
    pair(7001)
    pair(7002, "::1")
    pair(7003, "::")

    # SYN-SENT: the accept queue is full, and the SYN is dropped.
    listener(7004, backlog=0)
    for _ in range(2):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", 7004))
        held.append(one)

    # SYN-RECV: the listener waits for data before there is a connection.
    listener(7005, options=((socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60),))
    held.append(socket.create_connection(("127.0.0.1", 7005)))

    # FIN-WAIT-1: the FIN stands behind data that the peer does not read.
    client, _ = pair(7006)
    stuff(client)
    client.shutdown(socket.SHUT_WR)

    # FIN-WAIT-2 with a process, CLOSE-WAIT.
    client, _ = pair(7007)
    client.shutdown(socket.SHUT_WR)

    # FIN-WAIT-2 without: an orphan, shortened to a minisock; and another CLOSE-WAIT.
    client, _ = pair(7008)
    drop(client)

    # TIME-WAIT.
    client, server = pair(7009)
    drop(client)
    server.recv(1)
    drop(server)

    # LAST-ACK: the second FIN stands behind data.
    client, server = pair(7010)
    client.shutdown(socket.SHUT_WR)
    server.recv(1)
    stuff(server)
    server.shutdown(socket.SHUT_WR)

    # CLOSING: the FIN of one stands behind data while that of the other comes.
    client, server = pair(7011)
    stuff(client)
    client.shutdown(socket.SHUT_WR)
    server.shutdown(socket.SHUT_WR)

    print("ready", flush=True)
    sys.stdin.read()
    os._exit(0)


main()
