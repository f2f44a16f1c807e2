"""Certificates of one test: an authority and what it signs, made with openssl."""

import subprocess


def run(*command):
    subprocess.run(["openssl", *map(str, command)], check=True, capture_output=True, timeout=60)


class Authority:
    def __init__(self, directory, name="authority"):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.name = directory, name
        self.pem, self.key = directory / f"{name}.pem", directory / f"{name}.key"
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
            "-out", self.pem, "-days", "2", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")

    def issue(self, name, names="DNS:localhost,IP:127.0.0.1", days=2):
        """The certificate's and the key's path. Negative days: it has ended."""
        certificate, key, request, extensions = (self.directory / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
            "-subj", f"/CN={name}")
        extensions.write_text(f"subjectAltName={names}\n")
        run("x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-out", certificate,
            "-days", days, "-extfile", extensions)
        key.chmod(0o600)
        return certificate, key
