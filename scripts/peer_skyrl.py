"""Compares log-probabilities of ballast with those of a SkyRL server that has the same model.

    python scripts/peer_skyrl.py DIR
    python scripts/peer_skyrl.py --stand-ins

DIR is a model that `ballast model convert` wrote, with a peer.json of conversations and their
log-probabilities. A server is started on the loopback, and stopped. It has to give the
same log-probabilities over the Tinker protocol, for whole conversations and for the tokens
that it samples. `scripts/peer-skyrl` makes the directories and calls this, once for each: a
client looks for its server as long as the process lives. It ends with 1 if anything differs.
The second command puts stand-ins for torch and peft into this Python's packages.
"""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.request

# The most that log-probabilities may differ, in nats. In float32 both programs add in another
# order, and SkyRL takes rotations from angles in float32: peer_transformers.py measures both. A
# server that is given bfloat16 also computes in it. A logit between 8 and 16 has steps of 0.06
# there, so the mean is bounded and not the most.
# Far positions turn by large angles, which the peer has in float32: transformers, which does the
# same, is 3.7e-4 from the exact log-probabilities of embedded-reader, and ballast 8.3e-5.
BOUND, MEAN_BFLOAT16 = 5e-4, 0.1
PATIENCE = 600  # seconds for anything of the server; it compiles for every new length
SHOWN = 40  # lines of a server's log

# What SkyRL's jax backend wants of two packages that it does not compute with.
STAND_INS = {
    "torch": "class Tensor:\n    pass\n",
    "peft": """import json
import pathlib


class LoraConfig:
    def __init__(self, **settings):
        self.settings = {**settings, "peft_type": "LORA", "bias": "none", "lora_dropout": 0.0}

    def save_pretrained(self, folder):
        pathlib.Path(folder, "adapter_config.json").write_text(json.dumps(self.settings))
""",
}


def stand_ins():
    for name, text in STAND_INS.items():
        folder = pathlib.Path(sysconfig.get_path("purelib"), name)
        folder.mkdir()  # an error where the package is there
        (folder / "__init__.py").write_text(text)


def main(path):
    with server(path) as address:
        different = list(compared(path, address))
    for text in different:
        print(f"{path.name}: {text}")
    print(f"{path.name}: {len(different)} differences")
    return bool(different)


@contextlib.contextmanager
def server(path):
    """A server with the model, alive while the context is; its processes are one group."""
    with tempfile.TemporaryDirectory(prefix="peer-skyrl-") as work:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        venv = pathlib.Path(sys.prefix)
        env = {**os.environ, "VIRTUAL_ENV": str(venv), "PATH": f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}",
               "JAX_PLATFORMS": "cpu", "HF_HUB_OFFLINE": "1", "UV_OFFLINE": "1"}
        options = {"max_lora_adapters": 2, "max_lora_rank": 8, "train_micro_batch_size": 1, "sample_max_num_sequences": 1}
        command = ["uv", "run", "--no-project", "--active", "-m", "skyrl.tinker.api", "--base-model", str(path.resolve()),
                   "--backend", "jax", "--backend-config", json.dumps(options), "--host", "127.0.0.1", "--port", str(port),
                   "--database-url", f"sqlite:///{work}/server.db", "--checkpoints-base", f"{work}/checkpoints"]
        log = pathlib.Path(work, "log")
        with log.open("wb") as out:
            process = subprocess.Popen(command, cwd=work, env=env, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            ready(process, port)
            yield f"http://127.0.0.1:{port}"
        except BaseException:
            print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-SHOWN:]), file=sys.stderr)
            raise
        finally:
            stop(process)


def ready(process, port):
    """Waits until the server answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}; its log is above")
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/healthz", timeout=5):
                return
        time.sleep(0.5)
    raise RuntimeError(f"the server did not answer in {PATIENCE} seconds; its log is above")


def stop(process):
    """Ends the server with all that it started: the engine is a process of its own."""
    for kind, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        for _ in range(patience * 10):
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
    print(f"peer-skyrl: processes of group {process.pid} are still there", file=sys.stderr)


def compared(path, address):
    """Yields what differs between the server and peer.json, and prints how much it does."""
    peer = json.loads((path / "peer.json").read_text(encoding="utf-8"))
    half = json.loads((path / "config.json").read_text(encoding="utf-8"))["torch_dtype"] == "bfloat16"
    told, name = spread([p for p in peer["numbers"] if len(p["logprobs"]) > 1]), str(path.resolve())
    service = tinker.ServiceClient(base_url=address, api_key="tml-loopback")  # the server asks for no key
    learner = service.create_lora_training_client(base_model=name, rank=8, seed=1)
    sampler = service.create_sampling_client(base_model=name)
    yield from apart(f"{path.name}: forward", [(p["name"], p["logprobs"], forward(learner, p["ids"])) for p in told], half)
    few = [told[0], told[-1]]  # the sampler compiles for a minute where the machine is busy
    yield from apart(f"{path.name}: sampler", [(p["name"], p["logprobs"], prompted(sampler, p["ids"])) for p in few], half)
    ids, logprobs = sampled(sampler, told[0]["ids"])
    again = forward(learner, told[0]["ids"] + ids)[-len(ids):]
    reply = (f"a reply to {told[0]['name']}", logprobs, again)
    yield from apart(f"{path.name}: a reply while it is sampled, against forward", [reply], half)


def apart(what, pairs, half):
    """Yields which log-probabilities differ, and prints how much they do."""
    found, all_ = [], []
    for name, ours, theirs in pairs:
        here = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
        all_ += here
        if not half and not max(here) <= BOUND:
            found.append(f"{name}: log-probabilities differ by {max(here):.1e}, more than {BOUND:.0e}")
    mean = sum(all_) / len(all_)
    if half and not mean <= MEAN_BFLOAT16:
        found.append(f"{what}: log-probabilities differ by {mean:.1e} in the mean, more than {MEAN_BFLOAT16:.0e}")
    print(f"{what}: {len(pairs)} conversations, {len(all_)} log-probabilities, apart by at most {max(all_):.1e}, "
          f"{mean:.1e} in the mean", flush=True)
    return found


def spread(told):
    """Some of the conversations, the shortest and the longest among them."""
    told = sorted(told, key=lambda p: len(p["ids"]))
    return [told[round(i * (len(told) - 1) / 4)] for i in range(5)]


def forward(client, ids):
    """The server's log-probability of each token but the first."""
    n = len(ids) - 1
    inputs = {"target_tokens": types.TensorData(data=ids[1:], dtype="int64", shape=[n]),
              "weights": types.TensorData(data=[1.0] * n, dtype="float32", shape=[n])}
    datum = types.Datum(model_input=types.ModelInput.from_ints(ids[:-1]), loss_fn_inputs=inputs)
    return client.forward([datum], "cross_entropy").result(timeout=PATIENCE).loss_fn_outputs[0]["logprobs"].data


def prompted(client, ids):
    """The same of the sampler, which has another way through the model."""
    told = client.compute_logprobs(types.ModelInput.from_ints(ids)).result(timeout=PATIENCE)
    return told[-(len(ids) - 1):]  # some versions give the first token an entry, some do not


def sampled(client, ids):
    """A short reply: its tokens and their log-probabilities."""
    how = types.SamplingParams(max_tokens=12, temperature=1.0, seed=1)
    result = client.sample(prompt=types.ModelInput.from_ints(ids), num_samples=1, sampling_params=how).result(timeout=PATIENCE)
    reply = result.sequences[0]
    return list(reply.tokens), list(reply.logprobs)


if __name__ == "__main__":
    if sys.argv[1:] == ["--stand-ins"]:
        sys.exit(stand_ins())
    for kind in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, lambda number, _: sys.exit(128 + number))  # as an exception, so that the server is stopped
    import tinker
    from tinker import types
    sys.exit(main(pathlib.Path(sys.argv[1])))
