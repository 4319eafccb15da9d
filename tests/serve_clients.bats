#!/usr/bin/env bats
# contest serve and the clients that people have: what they say, what the server counts and what the
# kernel counts are the same. How each engine closes is in serve_wire_test.c, hostile peers are in
# serve_hostile.bats.

# shellcheck disable=SC2030,SC2031 # each test has its own server
load helpers
load serve

setup() {
	enter_alone
}

teardown() {
	leave_alone
}

@test "curl keeps the connection, with every engine" {
	needs curl
	for engine in $(working_engines); do
		before=$(passive_opens)
		serve --engine "$engine" --protocol http
		url=http://127.0.0.1:$port/
		inside curl -sS -o 1 -o 2 -o 3 -w '%{num_connects} %{http_code} %{size_download}\n' \
			"$url" "$url?a" "$url/b" >curl.out
		cat curl.out
		[ "$(cat curl.out)" = $'1 200 100\n0 200 100\n0 200 100' ]
		cmp 1 2
		opened=$(($(passive_opens) - before))
		[ "$opened" -eq 1 ]
		stopped
		echo "$engine"
		cat sum.json
		[ "$(count accepted)" -eq 1 ]
		[ "$(count answers)" -eq 3 ]
		[ "$(count closed_by_peer)" -eq 1 ]
	done
}

@test "curl with HTTP/1.0, HEAD, POST and 100-continue" {
	needs curl
	serve --protocol http --body-size 5000
	url=http://127.0.0.1:$port/
	format='%{num_connects} %{http_code} %{size_download}\n'
	[ "$(inside curl -sS --http1.0 -o 1 -w "$format" "$url")" = '1 200 5000' ]
	[ "$(inside curl -sS --http1.0 -H 'Connection: keep-alive' -o 1 -o 2 -w "$format" "$url" "$url")" = \
		$'1 200 5000\n0 200 5000' ]
	inside curl -sS -I "$url" >head.out
	grep -qi '^content-length: 5000' head.out
	[ "$(inside curl -sS -d 'a=b' -o 1 -o 2 -w "$format" "$url" "$url")" = $'1 200 5000\n0 200 5000' ]
	head -c 3000000 /dev/zero >large
	[ "$(inside curl -sS --data-binary @large -o 1 -w "$format" "$url")" = '1 200 5000' ]
	inside curl -sS -H 'Expect: 100-continue' --data-binary @large -v -o 1 "$url" 2>verbose
	grep -q '< HTTP/1.1 100 Continue' verbose
	[ "$(inside curl -sS -H 'Transfer-Encoding: chunked' --data-binary @large -o 1 -w "$format" "$url")" = \
		'1 200 5000' ]
	ended
	[ "$(count accepted)" -eq 7 ]
	[ "$(count answers)" -eq 9 ]
	[ "$(count reset)" -eq 0 ]
	[ "$(jq -c .errors sum.json)" = '{}' ]
}

@test "curl is told what is wrong with a request" {
	needs curl
	serve --protocol http
	url=http://127.0.0.1:$port/
	[ "$(inside curl -sS -o 1 -w '%{http_code}' -H "X: $(printf '%040000d' 0)" "$url")" = 431 ]
	[ "$(inside curl -sS -o 1 -w '%{http_code}' "$url$(printf '%09000d' 0)")" = 414 ]
	[ "$(inside curl -sS -o 1 -w '%{http_code}' -H 'Host:' "$url")" = 400 ]
	ended
	[ "$(count accepted)" -eq 3 ]
	[ "$(count reset)" -eq 0 ]
}

@test "wrk, keeping connections and not, with every engine" {
	needs wrk
	for engine in $(working_engines); do
		serve --engine "$engine" --protocol http
		before=$(passive_opens)
		# Both at once; an answer that comes late is no error.
		inside wrk -t1 -c4 -d1s --timeout 60s "http://127.0.0.1:$port/" >kept 3>&- &
		keeping=$!
		inside wrk -t1 -c4 -d1s --timeout 60s -H 'Connection: close' \
			"http://127.0.0.1:$port/" >closed
		wait "$keeping"
		cat kept closed
		run ! grep -q 'Non-2xx\|Socket errors' kept closed
		requests=$(cat kept closed | awk '/requests in/ { sum += $1 } END { print sum }')
		wait_for accept_queue_empty
		opens=$(($(passive_opens) - before))
		stopped
		[ "$(count accepted)" -eq "$opens" ]
		# wrk leaves what is under way when its time is over.
		[ "$(count answers)" -ge "$requests" ]
		[ "$(count answers)" -le $((requests + 8)) ]
		jq -e '.accepted == .closed_by_us + .closed_by_peer + .reset + .open' sum.json
	done
}

@test "ab, keeping connections and not" {
	needs ab
	for engine in $(working_engines); do
		serve --engine "$engine" --protocol http
		before=$(passive_opens)
		inside ab -q -n 1000 -c 10 "http://127.0.0.1:$port/" >closed
		middle=$(passive_opens)
		inside ab -q -k -n 1000 -c 10 "http://127.0.0.1:$port/" >kept
		cat closed kept
		[ "$(grep -c '^Complete requests: *1000$' closed kept | grep -c ':1$')" -eq 2 ]
		[ "$(grep -c '^Failed requests: *0$' closed kept | grep -c ':1$')" -eq 2 ]
		grep -q '^Keep-Alive requests: *1000$' kept
		wait_for accept_queue_empty
		after=$(passive_opens)
		stopped
		# Near its end ab opens some that it does not use.
		[ $((middle - before)) -ge 1000 ]
		[ $((middle - before)) -lt 1100 ]
		[ $((after - middle)) -lt 100 ]
		[ "$(count accepted)" -eq $((after - before)) ]
		[ "$(count answers)" -eq 2000 ]
		[ "$(count reset)" -eq 0 ]
	done
}

@test "nc asks for the time" {
	needs_nc
	serve
	inside nc -N 127.0.0.1 "$port" </dev/null >time.out
	[ "$(wc -c <time.out)" -eq 26 ]
	[[ $(cat time.out) =~ ^[A-Z][a-z]{2}\ [A-Z][a-z]{2}\ [\ 0-9][0-9]\ [0-9:]{8}\ [0-9]{4} ]]
	ended
	[ "$(count answers)" -eq 1 ]
	[ "$(count bytes_out)" -eq 26 ]
}

@test "nc hears its echo, a megabyte of it" {
	needs_nc
	head -c 1000000 /dev/urandom >large
	serve --protocol echo --close passive
	inside nc -N 127.0.0.1 "$port" <large >echoed
	cmp large echoed
	ended
	[ "$(count bytes_in)" -eq 1000000 ]
	[ "$(count bytes_out)" -eq 1000000 ]
	[ "$(count closed_by_peer)" -eq 1 ]
}

@test "nc chats until it says quit" {
	needs_nc
	serve --protocol chat --log "$PWD/log" --log-format json
	printf 'hello there\nesc \033[31m\nquit\nnot heard\n' | inside nc 127.0.0.1 "$port"
	ended
	cat log
	[ "$(count closed_by_us)" -eq 1 ]
	grep -q 'hello there' log
	run ! grep -q 'not heard' log
	run ! grep -q $'\033' log
	jq -es 'length >= 4' log
}

@test "python's http.client, and pipelined requests" {
	needs python3
	serve --protocol http
	inside python3 - "$port" <<'PYTHON'
import http.client, socket, sys
port = int(sys.argv[1])
c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
for i in range(20):
    c.request("POST" if i % 2 else "GET", "/", body="x" * i if i % 2 else None)
    r = c.getresponse()
    assert r.status == 200 and len(r.read()) == 100
c.close()
# Pipelined: all asked before anything is read; the last one ends it.
with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
    one = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    s.sendall(one * 499 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    f, got = s.makefile("rb"), 0
    while line := f.readline():
        assert line.startswith(b"HTTP/1.1 200 "), line
        while (line := f.readline().strip().lower()):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        assert len(f.read(length)) == length
        got += 1
    assert got == 500, got
PYTHON
	ended
	[ "$(count accepted)" -eq 2 ]
	[ "$(count answers)" -eq 520 ]
	[ "$(count closed_by_us)" -eq 1 ]
	[ "$(count closed_by_peer)" -eq 1 ]
}

@test "a browser shows the page" {
	browser=$(command -v chromium chromium-browser google-chrome chromium-headless-shell |
		head -n 1)
	[ -n "$browser" ] || skip "neither chromium nor google-chrome is installed"
	serve --protocol http --body-size 1000
	inside timeout 90 "$browser" --headless --no-sandbox --disable-gpu --disable-quic \
		--no-first-run --disable-background-networking --disable-component-update \
		--disable-sync --user-data-dir="$PWD/profile" \
		--dump-dom "http://127.0.0.1:$port/" >dom 2>browser.err || {
		cat browser.err
		false
	}
	grep -q 0123456789012345678901234567890123456789 dom
	ended
	[ "$(count answers)" -ge 1 ]
	[ "$(count bytes_out)" -gt 1000 ]
}
