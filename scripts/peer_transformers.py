"""Compares checkpoints that ballast wrote with what transformers makes of them.

    python scripts/peer_transformers.py DIR...

Each DIR is a checkpoint with a file peer.json: settings and end tokens, prompts with
their token ids, and prompts that have to be refused. `scripts/peer-transformers`
makes the checkpoints and calls this. It ends with 1 if anything differs, and with 2 if
transformers is missing.
"""

import json
import pathlib
import sys

try:
    import torch
    import transformers
except ImportError as e:
    print(f"{sys.executable}: {e}; install transformers and torch for this Python", file=sys.stderr)
    sys.exit(2)

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()


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


def check(path):
    """Yields what differs; the last value is the number of prompts."""
    peer = json.loads((path / "peer.json").read_text(encoding="utf-8"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    config = transformers.AutoConfig.from_pretrained(path)
    model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
    if settings(config) != peer["config"]:
        yield f"config: {settings(config)}, want {peer['config']}"
    for name, ends in [("config", config.eos_token_id), ("generation_config", model.generation_config.eos_token_id)]:
        if (ends if isinstance(ends, list) else [ends]) != peer["ends"]:
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
