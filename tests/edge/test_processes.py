"""Processes die, are restarted, drain and leave nothing behind."""

import asyncio
import http.client
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import httpx
import pytest
from concentrate.responses.v1.responses_service_pb2 import CreateResponseRequest
from concentrate.responses.v1.responses_service_pb2_grpc import ResponsesServiceStub

from services.runtime.settings import SettingsError, read
from services.runtime.supervisor import Supervisor
from tests.edge.conftest import Pair
from tests.edge.endless import Endless
from tests.gateway import Gateway, free_port, refused, serving

STREAMS = 50


def ask(gateway: Gateway, model: str = "sandbox/echo") -> httpx.Response:
    body = {"model": model, "input": "hello"}
    return httpx.post(f"{gateway.url}/v1/responses", headers=gateway.headers, json=body, timeout=30)


def gone(pids: list[int], seconds: float = 10) -> bool:
    """Whether the processes end in time, and with them their sockets; they may wait for somebody to ask for their code."""
    deadline = time.monotonic() + seconds
    while any(running(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """Kills a process, for good."""
    os.kill(pid, signal.SIGKILL)
    assert gone([pid])


@pytest.fixture
def sturdy(unending: tuple[Gateway, Endless]) -> Gateway:
    """One that comes back by itself when a part of it is killed."""
    return unending[0]


@pytest.mark.parametrize("workers", [1, 2])
def test_after_kill_9_of_a_worker_the_next_request_succeeds_within_two_seconds(
    workers: int, sturdy: Gateway, pair: Pair
):
    """Also one that reaches the dead worker's socket: another worker, or the one that stood by, takes it."""
    gateway = sturdy if workers == 1 else pair.gateway

    def killed() -> bool:
        settled(gateway, workers)
        began = time.monotonic()
        os.kill(gateway.workers()[0], signal.SIGKILL)
        return answers(gateway) and time.monotonic() - began < 2

    if not any(killed() for _ in range(5)):
        assert slowness() > 1.5, "nothing else keeps this machine busy"
        until(lambda: answers(gateway))


def slowness() -> float:
    """How many times as long as alone a piece of work takes at this moment, because of others."""
    began, done = time.monotonic(), time.thread_time() + 0.5
    while time.thread_time() < done:
        pass
    return (time.monotonic() - began) / 0.5


def test_a_request_that_was_begun_is_never_begun_again(unending: tuple[Gateway, Endless]):
    """Its worker may have died of it, and a provider may have been asked and paid."""
    gateway, provider = unending
    settled(gateway, 1)
    provider.again()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, gateway, "mistral/m")
        assert provider.asked.wait(20)
        provider.again()
        kill(gateway.workers()[0])
        answer = asked.result(20)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    until(lambda: answers(gateway))
    assert not provider.asked.is_set()


def test_one_worker_more_stands_by_and_takes_over(sturdy: Gateway):
    """What took long to load is loaded when a worker dies; then another one is made ready."""
    (second,) = standby(sturdy)
    (first,) = sturdy.workers()
    kill(first)
    until(lambda: answers(sturdy))
    assert sturdy.workers() == [second]
    (third,) = standby(sturdy)
    kill(third)  # nobody minds
    assert answers(sturdy)
    assert sturdy.workers() == [second]


def standby(gateway: Gateway) -> list[int]:
    """The worker that does not serve yet, once there is one and all others serve."""
    settled(gateway, 1)
    return sorted(set(gateway.pids("runtime.worker")) - set(gateway.workers()))


def settled(gateway: Gateway, workers: int) -> None:
    """Waits until all workers serve and one stands by."""
    until(lambda: (len(gateway.workers()), len(gateway.pids("runtime.worker"))) == (workers, workers + 1))


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def answers(gateway: Gateway) -> bool:
    """Whether somebody listens, and answers well."""
    try:
        return ask(gateway).status_code == 200
    except httpx.TransportError:
        return False


def test_without_a_worker_it_is_503_and_unavailable(sturdy: Gateway):
    """After trying for a while, with the seconds to wait, in the body and as `Retry-After`; gRPC clients get the code alone."""
    sturdy.process.send_signal(signal.SIGSTOP)  # so that nobody starts another
    try:
        for worker in sturdy.pids("runtime.worker"):
            kill(worker)
        with grpc.insecure_channel(f"127.0.0.1:{sturdy.port}") as channel:
            began = time.monotonic()
            stub, key = ResponsesServiceStub(channel), [("authorization", f"Bearer {sturdy.key}")]
            request = CreateResponseRequest(model="sandbox/echo", input_text="Hi")
            called = stub.CreateResponse.future(request, metadata=key, timeout=60)
            answer = ask(sturdy)
            assert called.code() == grpc.StatusCode.UNAVAILABLE
            assert time.monotonic() - began > 1
    finally:
        sturdy.process.send_signal(signal.SIGCONT)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["retry_after"]) == (503, "overloaded", 1)
    assert answer.headers["retry-after"] == "1"
    until(lambda: answers(sturdy))


def test_after_kill_9_of_envoy_the_port_is_back(sturdy: Gateway):
    """The supervisor starts Envoy again, on the same port."""
    (envoy,) = sturdy.pids("envoy")
    kill(envoy)
    until(lambda: answers(sturdy))
    assert sturdy.pids("envoy") != [envoy]


async def test_sigterm_finishes_what_was_accepted(tmp_path: Path):
    """50 streams, and a client that reads slowly: its answer still waits in Envoy's buffers. The port is closed at once.

    When all have been answered whole everything is gone.
    """
    body = {"model": "sandbox/echo", "input": "[[long 30]] [[delay 100]]", "stream": True}
    with serving(tmp_path) as gateway, slow_answer(gateway, "w" * (15 << 20)) as slow:
        children = gateway.pids()
        limits = httpx.Limits(max_connections=STREAMS)
        async with httpx.AsyncClient(timeout=60, limits=limits, headers=gateway.headers) as client:
            begun = asyncio.Semaphore(0)

            async def stream() -> str:
                async with client.stream("POST", f"{gateway.url}/v1/responses", json=body) as answer:
                    texts = answer.aiter_text()
                    first = await anext(texts)
                    begun.release()
                    return first + "".join([text async for text in texts])

            streams = [asyncio.create_task(stream()) for _ in range(STREAMS)]
            for _ in streams:
                await begun.acquire()
            gateway.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(until, lambda: not is_open(gateway.port))
            assert not all(task.done() for task in streams)
            answers = await asyncio.gather(*streams)
        assert all("word30" in answer and answer.endswith("data: [DONE]\n\n") for answer in answers)
        assert gateway.process.poll() is None
        assert json.loads(slow.read())["status"] == "completed"
        assert gateway.process.wait(30) == 0
        assert gone(children)


@contextmanager
def slow_answer(gateway: Gateway, text: str) -> Iterator[http.client.HTTPResponse]:
    """An answer of which only the head has been read."""
    body = json.dumps({"model": "sandbox/echo", "input": text}).encode()
    head = (
        f"POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\ncontent-length: {len(body)}"
    )
    with socket.create_connection(("127.0.0.1", gateway.port)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        yield answer


def is_open(port: int) -> bool:
    """Whether connections are taken."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


def test_a_second_signal_ends_it_at_once(tmp_path: Path):
    """Whoever presses Ctrl-C twice does not want to wait for streams."""
    with serving(tmp_path) as gateway:
        children = gateway.pids()
        body = {"model": "sandbox/echo", "input": "[[long 100]] [[delay 1000]]", "stream": True}
        with httpx.stream("POST", f"{gateway.url}/v1/responses", headers=gateway.headers, json=body) as answer:
            assert answer.status_code == 200
            gateway.process.send_signal(signal.SIGINT)
            until(lambda: not is_open(gateway.port))
            assert gateway.process.poll() is None
            gateway.process.send_signal(signal.SIGINT)
            assert gateway.process.wait(15) == 0  # the stream would take 100 seconds, and the grace is 25
        assert gone(children)


def test_the_grace_ends(tmp_path: Path):
    """A stream longer than DRAIN_SECONDS is cut, and its worker still ends in order."""
    with serving(tmp_path, DRAIN_SECONDS="1") as gateway:
        body = {"model": "sandbox/echo", "input": "[[long 100]] [[delay 1000]]", "stream": True}
        with httpx.stream("POST", f"{gateway.url}/v1/responses", headers=gateway.headers, json=body) as answer:
            assert answer.status_code == 200
            started = time.monotonic()
            assert gateway.stop() == 0
        assert 1 <= time.monotonic() - started < 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_kill_9_of_the_supervisor_leaves_nothing_running(tmp_path: Path):
    """The kernel ends the children, and so the port is free."""
    with serving(tmp_path) as gateway:
        settled(gateway, 1)
        children = gateway.pids()
        gateway.process.kill()
        gateway.process.wait()
        assert gone(children)


def test_a_second_instance_runs_beside_the_first(gateway: Gateway, sturdy: Gateway):
    """Another port and another data folder are all it needs; keys of one mean nothing to the other."""
    until(lambda: answers(sturdy))
    assert ask(gateway).status_code == 200
    crossed = httpx.post(f"{sturdy.url}/v1/responses", headers=gateway.headers, json={})
    assert (gateway.key == sturdy.key, crossed.status_code) == (False, 401)


def test_a_taken_port_is_said(gateway: Gateway, tmp_path: Path):
    """Instead of two gateways that share a port and answer in turn: in one line, without a traceback."""
    said = refused(tmp_path, PORT=str(gateway.port))
    assert said.startswith(f"error: PORT={gateway.port}: ")
    assert said.count("\n") == 1


def test_its_own_address_as_a_providers_base_url_is_refused(tmp_path: Path):
    """People export these names for their clients; a gateway that calls itself would go round in circles."""
    port = free_port()
    said = refused(tmp_path, PORT=str(port), OPENAI_BASE_URL=f"http://localhost:{port}/v1", OPENAI_API_KEY="k-12345678")
    assert "OPENAI_BASE_URL" in said
    assert "Traceback" not in said


async def refusal(**environment: str) -> str:
    """Why a supervisor with these variables starts nothing."""
    with pytest.raises(SettingsError) as refused:
        await Supervisor(read({"PORT": str(free_port()), **environment})).serve()
    return str(refused.value)


@pytest.mark.parametrize(("variable", "value"), [("WORKERS", "many"), ("CONCENTRATE_BOOTSTRAP_KEY", "hunter2")])
async def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, variable: str, value: str):
    """Wherever it is found out."""
    assert variable in await refusal(CONCENTRATE_DATA_DIR=str(tmp_path / "data"), **{variable: value})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data", b"a file"),
        ("data/keys.db", b"no database" * 100),
        ("data/keys.secret", b"short"),
        ("data/concentrate.db", b"no database" * 100),
    ],
)
async def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: bytes):
    """With what is wrong there, in one line."""
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)
    said = await refusal(CONCENTRATE_DATA_DIR=str(tmp_path / "data"))
    assert said.startswith("CONCENTRATE_DATA_DIR: ")
    assert f"cannot be kept in {tmp_path / 'data'}: " in said
    assert "\n" not in said
