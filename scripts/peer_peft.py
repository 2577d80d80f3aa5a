"""Compares adapters with PEFT.

    python scripts/peer_peft.py make BASE ADAPTER             # PEFT makes an adapter that changes something
    python scripts/peer_peft.py compare BASE ADAPTER MERGED   # PEFT on BASE, and the model MERGED alone

The logits of both must be the same, up to the rounding of float32, and differ from those of BASE.
`scripts/peer-peft` makes the folders and calls this. It ends with 1 if anything differs.
"""

import sys

import peft
import torch
import transformers

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

# The most that a logit may differ, as a part of the largest. Merged weights are rounded once more than
# PEFT's two products.
BOUND = 1e-5


def load(path):
    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()


def make(base, adapter):
    torch.manual_seed(1)
    config = peft.LoraConfig(r=5, lora_alpha=12, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(load(base), config)
    for name, x in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(x, std=0.05)
    model.save_pretrained(adapter)


def compare(base, adapter, merged):
    plain = load(base)
    ids = torch.randint(plain.config.vocab_size, (2, 200), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before = plain(ids).logits
        ours = load(merged)(ids).logits
        theirs = peft.PeftModel.from_pretrained(plain, adapter).eval()(ids).logits
    largest = theirs.abs().max()
    off, moved = ((ours - theirs).abs().max() / largest).item(), ((before - theirs).abs().max() / largest).item()
    print(f"  of the largest logit, {largest:.1f}, the others differ by {off:.1e} at most; the adapter moves them by {moved:.1e}")
    return off < BOUND < moved


if __name__ == "__main__":
    what, args = sys.argv[1], sys.argv[2:]
    sys.exit(0 if {"make": lambda *a: make(*a) or True, "compare": compare}[what](*args) else 1)
