"""`zakrom.testing.server`: the life of a server under test. A stand-in plays the server where its faults are the subject."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from zakrom.testing.server import Server, ServerFailed, free_ports, running_servers

STAND_IN = """
import http.server, pathlib, signal, socket, subprocess, sys, time
port, admin_port, behaviour = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
print("stand-in started", flush=True)
if behaviour == "ends":
    sys.exit("a bad setting")
if behaviour == "port taken":
    flag = pathlib.Path(sys.argv[4])
    if not flag.exists():
        flag.touch()
        sys.exit("error: the address is already in use")
if behaviour == "never ready":
    time.sleep(60)
if behaviour == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if behaviour == "child":
    pathlib.Path(sys.argv[4]).write_text(str(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid))

class Door(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/-/health/ready" else 404)
        self.send_header("content-length", "0")
        self.end_headers()

admin = socket.create_server(("127.0.0.1", admin_port))
http.server.HTTPServer(("127.0.0.1", port), Door).serve_forever()
"""


class StandIn(Server):
    """A `Server` whose process is not Zakrom."""

    def __init__(self, behaviour: str, flag: Path | None = None, *, start_seconds: float = 10.0) -> None:
        super().__init__(start_seconds=start_seconds)
        self.behaviour = behaviour
        self.flag = flag

    def command(self) -> list[str]:
        return [sys.executable, "-c", STAND_IN, *map(str, self._ports), self.behaviour, str(self.flag)]


def alive(pid: int) -> bool:
    """Whether a process of that id still runs (one that waits to be reaped does not)."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, timeout=10, check=False
    ).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_it_runs_until_the_block_ends() -> None:
    """Inside the block the server answers; after it the process and the temporary files are gone."""
    with StandIn("answers") as server:
        pid, home = server.pid, server.log_path.parent

        assert server.running
        assert alive(pid)
        assert server in running_servers
        assert server.access.request("GET", "/other").status == 404

    assert not alive(pid)
    assert not home.exists()
    assert server not in running_servers


def test_a_restart_keeps_the_address() -> None:
    """Clients of a server that was restarted, or killed and started, need not be told anything."""
    with StandIn("answers") as server:
        endpoint, first = server.endpoint, server.pid
        server.restart()
        second = server.pid
        server.kill()

        assert not server.running
        server.start()
        assert (server.endpoint, server.running) == (endpoint, True)
        assert len({first, second, server.pid}) == 3


def test_a_server_that_ends_says_why() -> None:
    """When the server ends at its start, the error has what it wrote, and the exit code."""
    with pytest.raises(ServerFailed, match=r"code 1[\s\S]*a bad setting"), StandIn("ends"):
        pass


def test_a_server_that_is_never_ready_is_given_up() -> None:
    """The wait for readiness is bounded, and what was started is ended."""
    server = StandIn("never ready", start_seconds=0.3)
    began = time.monotonic()
    with pytest.raises(ServerFailed, match="not ready within"), server:
        pass

    assert time.monotonic() - began < 5
    assert not server.running


def test_a_port_that_was_taken_is_not_the_end(tmp_path: Path) -> None:
    """When somebody else binds the port in between, another one is tried."""
    server = StandIn("port taken", tmp_path / "flag")
    before = server.endpoint
    with server:
        assert server.running
        assert server.endpoint != before


def test_kill_ends_the_whole_group(tmp_path: Path) -> None:
    """SIGKILL reaches the server's children too, at once."""
    with StandIn("child", tmp_path / "pid") as server:
        child = int((tmp_path / "pid").read_text())

        assert alive(child)
        server.kill()
        deadline = time.monotonic() + 5
        while alive(child) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not alive(child)
        assert server.stop() == -signal.SIGKILL


def test_no_server_outlives_a_killed_test_run(tmp_path: Path) -> None:
    """When the process that started the server dies without a word, the server ends too."""
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_server import StandIn
server = StandIn("answers").start()
print(server.pid, server.log_path.parent, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    pid, left = done.stdout.split()
    deadline = time.monotonic() + 5
    while alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.01)
    shutil.rmtree(left)

    assert done.returncode == -signal.SIGKILL
    assert not alive(int(pid))


def test_a_deaf_server_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not end on SIGTERM is killed after a bounded wait."""
    monkeypatch.setattr("zakrom.testing.server.STOP_SECONDS", 0.2)
    with StandIn("deaf") as server:
        assert server.stop() == -signal.SIGKILL


def test_the_environment_for_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client process finds the server and the key, and nothing of this machine's own profiles."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("ZAKROM_DATA", "/srv/mine")
    with StandIn("answers") as server:
        env = server.env()

    assert "AWS_PROFILE" not in env
    assert "ZAKROM_DATA" not in env
    assert env["PATH"] == os.environ["PATH"]
    assert (env["AWS_ENDPOINT_URL"], env["AWS_ACCESS_KEY_ID"]) == (server.endpoint, server.access_key)
    assert env["ZAKROM_ADMIN_ENDPOINT"] == server.admin_endpoint
    assert not Path(env["AWS_CONFIG_FILE"]).exists()


def test_the_log_is_kept_and_told_once() -> None:
    """``log`` has everything, over restarts; ``new_log`` only what came since it was last asked."""
    with StandIn("answers") as server:
        first = server.new_log()
        server.restart()

        assert "stand-in started" in first
        assert server.log.count("stand-in started") == 2
        assert server.new_log().count("stand-in started") == 1


def test_ports_are_free_and_different() -> None:
    """As many ports as asked for, no two alike."""
    assert len(set(free_ports(20))) == 20


# ------------------------------------------------------------------------------------------------------ the real one


def test_a_real_server_takes_an_object_and_gives_it_back(tmp_path: Path) -> None:
    """The server answers signed requests, and data in a named directory outlives it, also after a kill."""
    with Server(tmp_path / "data") as server:
        made = server.access.request("PUT", "/granary", headers={"content-length": "0"})
        put = server.access.request("PUT", "/granary/rye +&/ячмень", body=b"grain")
        server.kill()
        server.start()
        got = server.access.request("GET", "/granary/rye +&/ячмень")

    assert (made.status, put.status, got.status, got.body) == (200, 200, 200, b"grain")
    with Server(tmp_path / "data") as server:
        assert server.access.request("GET", "/granary/rye +&/ячмень").body == b"grain"


def test_a_real_server_ends_politely() -> None:
    """On SIGTERM it ends with 0."""
    server = Server().start()
    code = server.stop()
    server.close()

    assert code == 0


def test_a_real_server_speaks_tls() -> None:
    """With ``tls`` the endpoint is https, and its authority is all that a client needs to trust."""
    with Server(tls=True) as server:
        assert server.endpoint.startswith("https://")
        assert server.access.request("GET", "/").status == 200


def test_a_real_server_refuses_a_bad_argument() -> None:
    """What `zakrom serve` does not understand is told in its own words."""
    with pytest.raises(ServerFailed, match="--no-such-flag"), Server(args=["--no-such-flag"]):
        pass
