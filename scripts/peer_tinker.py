"""What scripts/peer-tinker asks of Python.

    python scripts/peer_tinker.py port                     a port that nobody listens on
    python scripts/peer_tinker.py wait ADDRESS             until a server answers there
"""

import contextlib
import socket
import sys
import time
import urllib.request

PATIENCE = 600  # seconds until a server answers


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        print(s.getsockname()[1])


def wait(address):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/api/v1/healthz", timeout=5):
            return
        time.sleep(0.5)
    sys.exit(f"{address} did not answer in {PATIENCE} seconds; its log is below")


if __name__ == "__main__":
    {"port": port, "wait": wait}[sys.argv[1]](*sys.argv[2:])
