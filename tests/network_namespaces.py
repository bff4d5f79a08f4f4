"""Runs a command in a network namespace of its own, and tries to connect to its ports from a second one.

    python -m tests.network_namespaces COMMAND [ARGUMENT ...]

The namespaces stand for two machines, joined by one cable; no rights are needed but those to create user namespaces.
Every port on which something listens while the command runs is tried once. The last line of the output is one JSON
object: ``status``, the command's exit status; ``tried`` and ``reached``, numbers of ports; and ``control``, whether a
port that is open to all was reached, without which the others prove nothing.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

from tests.listeners import namespace_listeners

ADDRESSES = ("10.9.0.1", "fd00:9::1")
"""The addresses at which the second namespace sees the first."""

_MODULE = "tests.network_namespaces"
_POLL_SECONDS = 0.05
_CONNECT_SECONDS = 0.5


def command_in_namespace(command: list[str]) -> list[str]:
    """Return the command line that runs ``command`` between the two namespaces."""
    return ["unshare", "--map-root-user", "--net", sys.executable, "-m", _MODULE, *command]


def is_available() -> bool:
    """Whether this user may create network namespaces and join them."""
    return subprocess.run(command_in_namespace(["true"]), capture_output=True, check=False).returncode == 0


def main(command: list[str]) -> int:
    for line in (
        "link set lo up",
        "link add outer type veth peer name inner",
        "address add 10.9.0.1/24 dev outer",
        "-6 address add fd00:9::1/64 dev outer nodad",
        "link set outer up",
    ):
        _ip(line)
    prober = subprocess.Popen(
        ["unshare", "--net", sys.executable, "-m", _MODULE, "--probe"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert prober.stdin is not None
    assert prober.stdout is not None
    prober.stdout.readline()  # it has its namespace
    _ip(f"link set inner netns {prober.pid}")
    print(file=prober.stdin, flush=True)
    prober.stdout.readline()  # it has its addresses

    def is_reached(port: int) -> bool:
        print(port, file=prober.stdin, flush=True)
        return prober.stdout.readline().strip() == "reached"

    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        control = is_reached(server.getsockname()[1])
    process = subprocess.Popen(command)
    answers: dict[int, bool] = {}
    while process.poll() is None:
        for listener in namespace_listeners():
            if listener.port not in answers:
                answers[listener.port] = is_reached(listener.port)
        time.sleep(_POLL_SECONDS)
    prober.stdin.close()
    prober.wait()
    reached = sum(answers.values())
    print(json.dumps({"status": process.returncode, "control": control, "tried": len(answers), "reached": reached}))
    return process.returncode


def probe() -> None:
    """Answer, for each port on standard input, whether it can be reached at any of the addresses."""
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    for line in (
        "link set lo up",
        "address add 10.9.0.2/24 dev inner",
        "-6 address add fd00:9::2/64 dev inner nodad",
        "link set inner up",
    ):
        _ip(line)
    print("ready", flush=True)
    for line in sys.stdin:
        print("reached" if any(_accepts(address, int(line)) for address in ADDRESSES) else "refused", flush=True)


def _accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), _CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _ip(arguments: str) -> None:
    subprocess.run(["ip", *arguments.split()], check=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--probe"]:
        probe()
    else:
        sys.exit(main(sys.argv[1:]))
