"""What scripts/peer-tinker asks of Python.

    python scripts/peer_tinker.py port                     a port that nobody listens on
    python scripts/peer_tinker.py wait ADDRESS             until a server answers there
    python scripts/peer_tinker.py table RUN RUN            the updates of two runs, side by side
    python scripts/peer_tinker.py count RUN FOLDER UPDATES that a run which was killed trained
                                                           each update once, by its own record and
                                                           by the server's optimiser in FOLDER
    python scripts/peer_tinker.py steps FILE FOLDER        that the optimiser took the steps that a
                                                           test's FILE has
"""

import contextlib
import itertools
import json
import pathlib
import socket
import sys
import time
import urllib.request

PATIENCE = 600  # seconds until a server answers
ENOUGH = 0.7  # of the updates must have spread and a gradient


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


def updates(run):
    return [json.loads(line) for line in pathlib.Path(run, "updates.jsonl").read_text(encoding="utf-8").splitlines()]


def told(update):
    if update is None:
        return ["", "", "", "", ""]
    m = update["metrics"]
    norm = f"{m.get('grad_norm', 0):.3f}"
    if "reward/mean" not in m:
        return [update["phase"], "", "", norm, ""]
    return [update["phase"], f"{m['reward/mean']:.3f}", f"{1 - m['groups/zero_spread']:.2f}", norm, f"{m['logprob_gap/max']:.1e}"]


def table(theirs, ours):
    one, other = updates(theirs), updates(ours)
    print(f"{pathlib.Path(theirs).name}, and {pathlib.Path(ours).name} on the right")
    print("| update | phase | reward | groups with spread | gradient | gap at most | phase | reward | groups with spread | gradient | gap at most |")
    print("| ---: " + "| --- | ---: | ---: | ---: | ---: " * 2 + "|")
    for n, (a, b) in enumerate(itertools.zip_longest(one, other), 1):
        print("| " + " | ".join([str(n), *told(a), *told(b)]) + " |")
    rl = [a["metrics"] for a in one if "reward/mean" in a["metrics"]]
    good = sum(m["groups/zero_spread"] < 1 and m.get("grad_norm", 0) > 0 for m in rl)
    print(f"{pathlib.Path(theirs).name}: {good} of {len(rl)} updates with rewards have spread and a gradient that is not 0")
    if good < ENOUGH * len(rl):
        sys.exit(f"{theirs}: too few updates have spread and a gradient")


def count(run, folder, want):
    all_ = updates(run)
    numbers = [u["update"] for u in all_]
    stepped = sum(u["metrics"].get("grad_norm", 0) > 0 for u in all_)  # an update without spread takes no step
    newest = max(pathlib.Path(run, "checkpoints").glob("[0-9]*"))
    manifest = json.loads((newest / "tinker.json").read_text(encoding="utf-8"))
    taken = optimiser(pathlib.Path(folder), manifest["path"])
    print(f"{pathlib.Path(run).name}: updates {numbers}, {stepped} of them with a step, and the server's optimiser took {taken} steps")
    if numbers != list(range(1, int(want) + 1)) or taken != stepped:
        sys.exit(f"{run}: {want} updates were wanted, and a step for each that has one")


def steps(file, folder):
    saved = json.loads(pathlib.Path(file).read_text(encoding="utf-8"))
    taken = optimiser(pathlib.Path(folder), saved["path"])
    print(f"the client asked for {saved['steps']} steps, and the server's optimiser took {taken}")
    if taken != saved["steps"]:
        sys.exit("steps are lost, or were taken twice")


def optimiser(folder, path):
    """The steps that the optimiser took whose state the server keeps under the path."""
    from flax.training import checkpoints
    model, _, name = path.removeprefix("tinker://").partition("/weights/")
    state = checkpoints.restore_checkpoint(folder / model / f"{name}.tar.gz", target=None, prefix="checkpoint_")
    return int(state["optimizer_state"]["step"]["value"])


if __name__ == "__main__":
    commands = {"port": port, "wait": wait, "table": table, "count": count, "steps": steps}
    commands[sys.argv[1]](*sys.argv[2:])
