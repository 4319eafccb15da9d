#!/usr/bin/env python3
"""serve_hostile.py WHAT PORT …: peers that no server wishes for, against 127.0.0.1:PORT.

Ends with 0 when the server stood it; what it saw goes to standard output. `hold N`, `chatty N` and
`echo N` print "ready" once all connections are there, and end when standard input does.
"""
import random
import resource
import select
import socket
import struct
import sys
import time

PATIENCE = 90
ENDED = (ConnectionResetError, BrokenPipeError)


def connect(port, receive_buffer=0):
    s = socket.socket()
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.settimeout(PATIENCE)
    s.connect(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def wait_for_end():
    print("ready", flush=True)
    sys.stdin.read()


def hold(port, count):
    """Connections that send nothing."""
    kept = [connect(port) for _ in range(count)]
    wait_for_end()
    return kept


def await_ends(port, count):
    """Connections that send nothing, until the server has closed all of them."""
    for s in [connect(port) for _ in range(count)]:
        assert s.recv(1) == b""


def drip(port):
    """A request a byte at a time, and the answer taken in the same way."""
    s = connect(port, receive_buffer=2048)
    for byte in b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
        s.sendall(bytes([byte]))
        select.select([s], [], [], 0.001)
    got = b""
    while part := s.recv(1 if len(got) < 3000 else 1 << 20):
        got += part
    head, body = got.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 200 "), head
    print(len(body))


def pour(port, megabytes, begin="", end=""):
    """Bytes without an end in them, as many as the server takes; then whatever it has to say."""
    s = connect(port)
    taken, got = 0, b""
    try:
        s.sendall(begin.encode().decode("unicode_escape").encode())
        for _ in range(megabytes * 16):
            s.sendall(b"x" * 65536)
            taken += 65536
        s.sendall(end.encode().decode("unicode_escape").encode())
        s.shutdown(socket.SHUT_WR)
    except ENDED:
        pass
    try:
        while part := s.recv(65536):
            got += part
    except ENDED:
        pass
    print(taken, len(got), got[:12].decode("latin1"))


def deaf(port, count):
    """Sends to an echo and never reads, until the server takes no more; then goes away."""
    kept = [connect(port) for _ in range(count)]
    for s in kept:
        s.setblocking(False)
    while ready := select.select([], kept, [], 0.5)[1]:
        for s in ready:
            s.send(b"y" * 65536)
    wait_for_end()
    for s in kept:
        reset(s)


def reset_anywhere(port, count, seed):
    """RST at any moment: after the connect, within a request, while the answer comes."""
    dice = random.Random(seed)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nquit\r\n"
    for _ in range(count):
        s = connect(port)
        try:
            s.sendall(request[: dice.randrange(len(request) + 1)])
            if dice.randrange(2):
                s.shutdown(socket.SHUT_WR)
            if dice.randrange(2):
                s.settimeout(0.001)
                s.recv(dice.randrange(1, 10000))
        except (TimeoutError, OSError):
            pass
        reset(s)


def flood(port, count):
    """All connects at once; each gets its line."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    poll = select.epoll()
    waiting, lines = {}, 0
    for _ in range(count):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(("127.0.0.1", port))
        waiting[s.fileno()] = s
        poll.register(s.fileno(), select.EPOLLIN)
    end = time.monotonic() + PATIENCE
    while waiting and time.monotonic() < end:
        for fd, _ in poll.poll(1):
            lines += len(waiting[fd].recv(100)) == 26
            waiting.pop(fd).close()
    print(lines)


def echo(port, count, at_once=1):
    """Connections of which each gets its echo, in time; as many as are asked for are held open."""
    kept = [connect(port) for _ in range(count)]
    for i, s in enumerate(kept):
        s.sendall(b"%d\n" % i)
    heard = 0
    for i, s in enumerate(kept):
        want = b"%d\n" % i
        got = b""
        while len(got) < len(want):
            part = s.recv(100)
            assert part, i
            got += part
        assert got == want
        heard += 1
        if not at_once:
            s.close()
    print(heard, flush=True)
    if at_once:
        wait_for_end()


def stubborn(port, count):
    """More connections than a server has descriptors for: those who are served give room."""
    kept = [connect(port) for _ in range(count)]
    print("ready", flush=True)
    sys.stdin.readline()
    for i, s in enumerate(kept):
        s.sendall(b"%d\n" % i)
    heard, end = 0, time.monotonic() + PATIENCE
    while kept and time.monotonic() < end:
        for s in select.select(kept, [], [], 1)[0]:
            assert s.recv(100).endswith(b"\n")
            heard += 1
            s.close()
            kept.remove(s)
    print(heard)


def half_request(port):
    """Half a request; the other half when standard input says so."""
    s = connect(port)
    s.sendall(b"GET / HTTP/1.1\r\nHost")
    print("ready", flush=True)
    sys.stdin.readline()
    s.sendall(b": x\r\n\r\n")
    got = b""
    while part := s.recv(4096):
        got += part
    print(got[:12].decode("latin1"))


what, port, rest = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
globals()[what](port, *[int(a) if a.isdigit() else a for a in rest])
