"""Compares checkpoints that ballast wrote with what transformers makes of them.

    python scripts/peer_transformers.py DIR...

Each DIR is a checkpoint with a file peer.json: settings and end tokens, prompts with
their token ids, and prompts that have to be refused. Where it has numbers, they
are compared too: log-probabilities at every position, and the whole rows of logits in logits.f32.
`scripts/peer-transformers` makes the checkpoints and calls this. It ends with 1 if anything
differs, and with 2 if transformers is missing.
"""

import copy
import json
import pathlib
import sys

try:
    import numpy
    import torch
    import transformers
except ImportError as e:
    print(f"{sys.executable}: {e}; python3 -m pip install 'transformers>=5' torch numpy jinja2", file=sys.stderr)
    sys.exit(2)

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

# The most that a log-probability may be from the same weights in float64, in nats, and a
# logit. Both programs add in float32, each in its own order, which is worth a few 1e-5. The
# peer also takes rotations from angles in float32: at position 1000 that alone moves a logit
# by 2e-4. So what is exact here turns by angles in float64, and only ours has a bound.
BOUND = 1e-4


class Turns(torch.nn.Module):
    """Cosines and sines of rotary positions, in float64."""

    def __init__(self, config, usual):
        super().__init__()
        rope = getattr(config, "rope_parameters", None) or {"rope_type": "default"}
        self.frequencies, self.by = usual.inv_freq.double(), usual.attention_scaling  # rounded to float32
        if rope.get("rope_type") == "default" and "rope_theta" in rope:
            half = len(self.frequencies)
            self.frequencies = rope["rope_theta"] ** (-torch.arange(half, dtype=torch.float64) / half)

    def forward(self, x, position_ids, *_, **__):
        angles = torch.cat([position_ids[..., None].double() * self.frequencies] * 2, -1)
        return angles.cos() * self.by, angles.sin() * self.by


def encoded(tokenizer, prompt):
    ids = tokenizer.apply_chat_template(**prompt, tokenize=True, return_dict=False)
    return [int(i) for i in ids]


def settings(config):
    """The settings of peer.json, of a configuration of either generation."""
    rope = getattr(config, "rope_parameters", None) or {"rope_theta": config.rope_theta, **(config.rope_scaling or {})}
    heads = config.hidden_size // config.num_attention_heads
    return {
        "model_type": config.model_type, "tie_word_embeddings": config.tie_word_embeddings,
        "head_dim": getattr(config, "head_dim", None) or heads,
        "rope_theta": rope["rope_theta"], "rope_factor": rope.get("factor"),
        "no_rope": [i for i, turned in enumerate(getattr(config, "no_rope_layers", [])) if not turned] or None,
    }


def numbers(path, peer, model):
    """Yields what differs in log-probabilities and logits, and prints how much they do."""
    told = peer.get("numbers")
    if not told:
        return
    rows = numpy.memmap(path / "logits.f32", dtype="<f4", mode="r").reshape(-1, peer["vocab"])
    exact = copy.deepcopy(model).double()
    exact.model.rotary_emb = Turns(exact.config, exact.model.rotary_emb)
    worst = {"log-probabilities": [0.0] * 3, "logits": [0.0] * 3}  # ours to exact, the peer's to exact, ours to the peer's
    largest, compared = 0.0, 0
    for p in told:
        ids = p["ids"]
        with torch.no_grad():
            truth, theirs = exact(torch.tensor([ids])).logits[0], model(torch.tensor([ids])).logits[0].double()
        largest = max(largest, float(truth.abs().max()))
        here = {"log-probabilities": [torch.tensor(p["logprobs"], dtype=torch.float64)] + [picked(x, ids) for x in (truth, theirs)]}
        if "rows" in p:
            compared += len(ids)
            here["logits"] = [torch.tensor(rows[p["rows"]:p["rows"] + len(ids)]).double(), truth, theirs]
        for name, (a, b, c) in here.items():
            apart = [float((x - y).abs().max()) for x, y in ((a, b), (c, b), (a, c))]
            worst[name] = [max(x, y) for x, y in zip(worst[name], apart)]
            # Rounding is in proportion: logits of 24 carry more of it than logits of 10.
            bound = BOUND if name == "log-probabilities" else BOUND * max(1, float(b.abs().max()) / 10)
            if not apart[0] <= bound:
                yield f"{p['name']}: {name} differ by {apart[0]:.1e}, more than {bound:.1e}"
    tokens, longest = sum(len(p["logprobs"]) for p in told), max(len(p["ids"]) for p in told)
    print(f"{path.name}: {len(told)} conversations of up to {longest} tokens, {tokens} log-probabilities, "
          f"{compared} rows of {peer['vocab']} logits of up to {largest:.0f}")
    for name, (ours, peers, both) in worst.items():
        print(f"  {name}: largest difference from float64 {ours:.1e} (transformers {peers:.1e}), from transformers {both:.1e}")


def picked(logits, ids):
    """The log-probability of each token but the first."""
    return torch.log_softmax(logits[:-1], -1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]


def check(path):
    """Yields what differs; the last value is the number of prompts."""
    peer = json.loads((path / "peer.json").read_text(encoding="utf-8"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    config = transformers.AutoConfig.from_pretrained(path)
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    if settings(config) != peer["config"]:
        yield f"config: {settings(config)}, want {peer['config']}"
    for name, ends in [("config", config.eos_token_id), ("generation_config", model.generation_config.eos_token_id)]:
        if peer["ends"] is not None and (ends if isinstance(ends, list) else [ends]) != peer["ends"]:
            yield f"{name}: end tokens {ends}, want {peer['ends']}"
    if peer["named"] and tokenizer.eos_token_id != peer["ends"][0]:
        yield f"the tokenizer's end token is {tokenizer.eos_token!r}"
    for p in peer["prompts"]:
        prompt = {"conversation": p["messages"], "tools": p.get("tools"), "add_generation_prompt": p["open"]}
        try:
            ids = encoded(tokenizer, prompt)
        except Exception as e:
            yield f"{p['name']}: {type(e).__name__}: {e}"
            continue
        if ids != p["ids"]:
            at = next((i for i, (a, b) in enumerate(zip(ids, p["ids"])) if a != b), min(len(ids), len(p["ids"])))
            yield (f"{p['name']}: token {at} differs: {tokenizer.decode(ids[max(0, at - 8):at + 8])!r}, "
                   f"trained is {tokenizer.decode(p['ids'][max(0, at - 8):at + 8])!r}")
    for p in peer["refused"]:
        try:
            encoded(tokenizer, {"conversation": p["messages"], "tools": p.get("tools")})
            yield f"{p['name']}: is rendered, and should be refused"
        except Exception as e:
            if p["says"] not in str(e):
                yield f"{p['name']}: is refused with another sentence: {e}"
    yield from numbers(path, peer, model)
    with torch.no_grad():
        if not torch.isfinite(model(torch.tensor([peer["prompts"][0]["ids"]])).logits).all():
            yield "the model's answers are not finite"
    yield len(peer["prompts"])


def main(paths):
    different = prompts = 0
    for path in paths:
        *found, n = check(pathlib.Path(path))
        prompts += n
        for text in found:
            different += 1
            print(f"{pathlib.Path(path).name}: {text}")
    print(f"transformers {transformers.__version__}: {len(paths)} checkpoints, {prompts} prompts, {different} differences")
    return different > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
