"""A small HTTP server: ADDRESS PORT TEXT. Prints its port, then answers every GET with TEXT. Asks no resolver."""

import http.server
import socketserver
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (sys.argv[3] + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):  # http.server's own looks its address up
    allow_reuse_address = True
    daemon_threads = True


server = Server((sys.argv[1], int(sys.argv[2])), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
