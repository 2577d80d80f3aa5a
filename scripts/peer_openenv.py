"""OpenEnv's own clients drive ballast serve: peer_openenv.py URL TASKS.jsonl SESSIONS."""

import ast
import asyncio
import json
import multiprocessing
import os
import sys
import time
import urllib.request

import websockets
from openenv.cli._validation import validate_running_environment
from openenv.core.env_server.mcp_types import CallToolAction
from openenv.core.generic_client import GenericEnvClient
from openenv.core.mcp_client import MCPToolClient

url, path, sessions = sys.argv[1], sys.argv[2], int(sys.argv[3])
tasks = [json.loads(line) for line in open(path)]
seconds = float(os.environ.get("BALLAST_SECONDS", "5"))


def need(holds, what):
    if not holds:
        sys.exit(f"peer-openenv: FAILED: {what}")


def replies(task):
    """What a model that answers with gold writes, reply by reply."""
    for turn in task["turns"]:
        for call in turn["gold"]:
            yield f"[{call}]"
        yield "That is done."


def validated():
    report = validate_running_environment(url)
    failed = [c for c in report["criteria"] if not c["passed"]]
    need(report["passed"] and not failed, f"openenv validate: {failed}")
    print(f"openenv validate: {report['summary']}")


def gold():
    steps = 0
    with GenericEnvClient(base_url=url).sync() as env:
        for i, task in enumerate(tasks):
            result = env.reset(ballast_task=task["id"] if i % 2 else i, episode_id=f"e{i}", a_column="x")
            need(not result.done and result.reward is None and result.observation["text"] == task["turns"][0]["user"], f"reset: {result}")
            need(result.observation["tool_docs"][0]["input_schema"], "tools have schemas")
            for text in replies(task):
                need(not result.done, f"{task['id']} ends early: {result}")
                result = env.step({"text": text})
                steps += 1
                need(result.observation["valid"], f"{text}: {result}")
            need(result.done and result.reward == 1, f"{task['id']}: gold earns {result.reward}: {result}")
            state = env.state()
            need(state["episode_id"] == f"e{i}" and state["task_id"] == task["id"] and state["done"], f"state: {state}")
    print(f"gold: {len(tasks)} episodes, {steps} steps, reward 1 each")


def wrong():
    with GenericEnvClient(base_url=url).sync() as env:
        for do, want in (
            (lambda: env.step({"text": "x"}), "EXECUTION_ERROR"),
            (lambda: env.step({"txt": "x"}), "VALIDATION_ERROR"),
            (lambda: env.reset(ballast_task="moon"), "VALIDATION_ERROR"),
            (lambda: env.reset(seed=-1), "VALIDATION_ERROR"),
        ):
            try:
                do()
                need(False, f"{want} was expected")
            except RuntimeError as e:
                need(want in str(e), f"{want} was expected: {e}")
        need(env.reset().observation["text"], "the session goes on after errors")
    print("errors: codes of the protocol, the session goes on")


async def apart():
    """Many sessions, interleaved: each gets what it gets alone."""

    async def play(task, wait):
        seen = []
        async with GenericEnvClient(base_url=url) as env:
            await env.reset(ballast_task=task["id"])
            for text in replies(task):
                seen.append((await env.step({"text": text})).observation["text"])
                if wait:
                    await asyncio.sleep(0)
        return seen

    alone = [await play(task, False) for task in tasks]
    twice = await asyncio.gather(*[play(task, True) for task in tasks + tasks])
    need(twice == alone + alone, "interleaved sessions differ from those played alone")
    print(f"apart: {len(twice)} sessions side by side are answered as alone")


async def full():
    clients = []
    try:
        for _ in range(sessions):
            clients.append(await GenericEnvClient(base_url=url).connect())
            await clients[-1].reset()
        try:
            async with GenericEnvClient(base_url=url) as env:
                await env.reset()
            need(False, "one session more than there may be was not refused")
        except RuntimeError as e:
            need("CAPACITY_REACHED" in str(e), f"capacity: {e}")
    finally:
        for c in clients:
            await c.close()
    print(f"capacity: session {sessions + 1} is refused with CAPACITY_REACHED")


async def tools():
    task = next(t for t in tasks if t["turns"][0]["gold"])
    call = ast.parse(task["turns"][0]["gold"][0], mode="eval").body
    args = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
    need(not call.args, "gold's arguments are named")
    async with MCPToolClient(base_url=url) as env:
        await env.reset(ballast_task=task["id"])
        listed = await env.list_tools()
        need(call.func.id in [t.name for t in listed], f"tools: {listed}")
        need(isinstance(await env.call_tool(call.func.id, **args), str), "call_tool answers a text")
        result = await env.step(CallToolAction(tool_name="moon", arguments={}))
        need(result.observation.tool_name == "moon" and result.observation.result, f"call_tool: {result}")
        need((await env.state()).step_count == 2, "both calls are steps of one episode")
    print(f"MCPToolClient: {len(listed)} tools listed, calls over HTTP and WebSocket in one episode")


def closed():
    for _ in range(100):
        text = urllib.request.urlopen(url + "/metrics").read().decode()
        if "\nballast_serve_sessions_open 0\n" in text:
            print("closed: no session is open")
            return
        time.sleep(0.05)
    need(False, "sessions stay open")


def echo_server(port):
    """An echo environment on OpenEnv's own server."""
    import uvicorn
    from openenv.core.env_server import Action, Environment, Observation, State
    from openenv.core.env_server.http_server import create_fastapi_app

    class EchoAction(Action):
        text: str

    class EchoObservation(Observation):
        text: str = ""

    class Echo(Environment):
        SUPPORTS_CONCURRENT_SESSIONS = True

        def reset(self, seed=None, episode_id=None, **kwargs):
            return EchoObservation(text="")

        def step(self, action, timeout_s=None, **kwargs):
            return EchoObservation(text=action.text)

        @property
        def state(self):
            return State(episode_id="", step_count=0)

    app = create_fastapi_app(Echo, EchoAction, EchoObservation, max_concurrent_envs=sessions)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


async def rate(base, clients, script):
    """Steps a second of so many clients; script yields messages, the first of each episode a reset."""
    steps, end = 0, time.perf_counter() + seconds

    async def one(k):
        nonlocal steps
        async with websockets.connect(base.replace("http", "ws") + "/ws", max_size=None) as ws:
            while True:
                for message in script(k):
                    await ws.send(message)
                    answer = await ws.recv()
                    if time.perf_counter() > end:
                        return
                    if '"type":"error"' in answer.replace(" ", ""):
                        raise RuntimeError(answer)
                    steps += '"step"' in message[:16]

    await asyncio.gather(*[one(k) for k in range(clients)])
    return steps / seconds


def rates():
    port = 18099
    child = multiprocessing.Process(target=echo_server, args=(port,), daemon=True)
    child.start()
    for _ in range(300):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
            break
        except OSError:
            time.sleep(0.1)
    lines = [
        [json.dumps({"type": "reset", "data": {"ballast_task": t["id"]}})] + [json.dumps({"type": "step", "data": {"text": x}}) for x in replies(t)]
        for t in tasks
    ]
    for clients in (1, 16):
        script = lambda k: lines[k % len(lines)]
        got = asyncio.run(rate(url, clients, script))
        peer = asyncio.run(rate(f"http://127.0.0.1:{port}", clients, script))
        again = asyncio.run(rate(url, clients, script))
        ours = (got + again) / 2
        print(f"{clients} clients in one Python process: ballast, gold on desk worlds {ours:.0f} steps/s ({got:.0f}, {again:.0f}), "
              f"OpenEnv's server, echo {peer:.0f} steps/s, {ours / peer:.1f} x")
    child.terminate()


if __name__ == "__main__":
    validated()
    gold()
    wrong()
    asyncio.run(apart())
    asyncio.run(full())
    asyncio.run(tools())
    closed()
    rates()
    print("peer-openenv: all of it holds")
