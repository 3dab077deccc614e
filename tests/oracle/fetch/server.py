"""A server of files with faults: the first part of a path says what goes wrong, the last one is the file.

/good/a.bin is right and knows ranges.  Server.log has (path, Range header or None) of every request.
"""
import http.server
import re
import socket
import struct
import threading
import time

PIECE = 16384


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.log, self.halt = files, [], threading.Event()
        self.base = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take_log(self):
        log, self.log = self.log, []
        return log

    def handle_error(self, request, address):
        pass  # a client that goes away in the middle is what is tested


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, *headers, body=b"", length=True):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        if length:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def drop(self):
        """Ends the connection with a reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def do_GET(self):
        path = re.sub("^http://[^/]*", "", self.path)  # through a proxy the whole address stands there
        self.server.log.append((self.path, self.headers.get("Range")))
        fault, name = path.strip("/").split("/", 1)
        data = self.server.files.get(name.rsplit("/", 1)[-1])
        if data is None:
            return self.answer(404, body=b"no such file")
        return getattr(self, "do_" + fault)(data, name)

    def start(self, default=0):
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        return int(match[1]) if match else default

    def do_good(self, data, _):
        first = self.start()
        if first >= len(data) > 0 and first:
            return self.answer(416, ("Content-Range", f"bytes */{len(data)}"), body=b"not satisfiable")
        if "Range" not in self.headers:
            return self.answer(200, body=data)
        return self.answer(206, ("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}"), body=data[first:])

    def do_ignores(self, data, _):
        self.answer(200, body=data)

    def partly(self, data, count):
        """The headers of the whole, and count bytes of it."""
        first = self.start()
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        self.wfile.write(data[first : first + count])
        self.wfile.flush()

    def do_short(self, data, _):
        self.partly(data, 100000)
        self.close_connection = True

    def do_reset(self, data, _):
        self.partly(data, 100000)
        time.sleep(0.1)  # what was sent must not be lost with the reset
        self.drop()

    def do_stalls(self, data, _):
        self.partly(data, 50000)
        self.server.halt.wait(20)

    def do_mute(self, *_):
        self.server.halt.wait(20)

    def do_slow(self, data, _):
        """About a second and a half for 300,000 bytes."""
        self.partly(data, 0)
        for at in range(self.start(), len(data), PIECE):
            self.wfile.write(data[at : at + PIECE])
            self.wfile.flush()
            time.sleep(0.08)

    def do_closes(self, data, _):
        """No length: the end of the connection is the end of the file, and here it comes too soon."""
        self.answer(200, body=data[:-1000], length=False)

    def do_chunked(self, data, _):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for at in range(0, len(data), PIECE):
            piece = data[at : at + PIECE]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def do_wrong(self, data, _):
        self.answer(200, body=bytes(data[:-1]) + bytes([data[-1] ^ 1]))

    def do_longer(self, data, _):
        self.answer(200, body=data + b"more", length=False)

    def do_huge(self, *_):
        self.send_response(200)
        self.send_header("Content-Length", str(5 << 30))
        self.end_headers()

    def do_empty(self, *_):
        self.answer(200)

    def do_another(self, data, _):
        """Ranges that were not asked for."""
        first = self.start() + 7
        self.answer(206, ("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}"), body=data[first:])

    def do_unranged(self, data, _):
        self.answer(206, body=data[self.start() :])

    def do_badrange(self, data, _):
        self.answer(206, ("Content-Range", "bytes 99999999999999999999999-x/y"), body=data[self.start() :])

    def do_never(self, *_):
        self.answer(416, ("Content-Range", "bytes */12"), body=b"no")

    def code(self, number):
        self.answer(number, body=b"an explanation that is not the file\n" * 50)

    def do_403(self, *_):
        self.code(403)

    def do_500(self, *_):
        self.code(500)

    def do_204(self, *_):
        self.send_response(204)
        self.end_headers()

    def do_page(self, *_):
        """A page of an error that does not end."""
        self.send_response(404)
        self.end_headers()
        while True:
            self.wfile.write(b"x" * PIECE)

    def do_headers(self, *_):
        self.send_response(200)
        while True:
            self.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")

    def do_nonsense(self, *_):
        self.wfile.write(b"this is not HTTP\r\n\r\n")
        self.close_connection = True

    def redirect(self, to):
        self.answer(302, ("Location", to), body=b"elsewhere")

    def do_moved(self, _, name):
        self.redirect(f"/good/{name}")

    def do_tofile(self, *_):
        self.redirect("file:///etc/passwd")

    def do_toftp(self, *_):
        self.redirect("ftp://127.0.0.1/x")

    def do_nowhere(self, *_):
        self.answer(302, body=b"elsewhere")

    def do_hops(self, _, name):
        """/hops/N/a.bin is N redirects away from the file."""
        left, name = name.split("/", 1)
        self.redirect(f"/hops/{int(left) - 1}/{name}" if int(left) > 1 else f"/good/{name}")

    def do_loop(self, _, name):
        self.redirect(f"/loop/{name}")
