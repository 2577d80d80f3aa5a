"""Makes model/testdata/smollm3: a tiny random SmolLM3 and what transformers computes of it.

    python scripts/smollm3_goldens.py model/testdata

It needs transformers, torch and gguf. model/testdata/README.md describes what it writes.
"""

import json
import pathlib
import sys

import gguf
import torch
import transformers

LAYERS, VOCAB, HEADS, KV, GREEDY = 5, 96, 4, 2, 16


def make(path):
    """A model whose weights are large enough that positions matter, written and read back."""
    torch.manual_seed(14)
    config = transformers.SmolLM3Config(
        vocab_size=VOCAB, hidden_size=24, intermediate_size=40, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        num_key_value_heads=KV, max_position_embeddings=256, rope_theta=10000.0, bos_token_id=None, eos_token_id=0,
        pad_token_id=None, dtype="float32")
    model = transformers.SmolLM3ForCausalLM(config)
    for name, p in model.named_parameters():
        torch.nn.init.normal_(p, 1.0 if p.dim() == 1 else 0.0, 0.1 if p.dim() == 1 else 0.4)
    model.save_pretrained(path)
    (path / "generation_config.json").unlink(missing_ok=True)
    return transformers.SmolLM3ForCausalLM.from_pretrained(path, dtype=torch.float64)


def golden(model):
    """The numbers, in float64."""
    ids = [int(i) for i in torch.randint(1, VOCAB, (40,))]
    logits = model(torch.tensor([ids])).logits[0]
    lp = torch.log_softmax(logits, -1)
    entropy = -(lp.exp() * lp).sum(-1)
    loss = -sum(lp[i - 1, ids[i]] for i in range(1, len(ids))) / (len(ids) - 1)
    loss.backward()
    grads = {n: p.grad for n, p in model.named_parameters()}
    listed = ["model.layers.3.self_attn.q_proj.weight", "model.layers.3.self_attn.k_proj.weight", "model.layers.4.self_attn.k_proj.weight"]
    positions = [0, 1, 7, 20, 39]
    return {
        "ids": ids, "positions": positions, "logits": [logits[p].tolist() for p in positions],
        "logprobs": [0.0] + [lp[i - 1, ids[i]].item() for i in range(1, len(ids))],
        "entropy": [0.0] + [entropy[i - 1].item() for i in range(1, len(ids))],
        **greedy(model),
        "loss": loss.item(), "grad_norms": {n: g.norm().item() for n, g in grads.items()},
        "grads": {n: grads[n].flatten().tolist() for n in listed},
    }


def greedy(model):
    """A prompt and its continuation; every choice leads by more than 0.01."""
    for _ in range(100):
        prompt = [int(i) for i in torch.randint(1, VOCAB, (9,))]
        ids = list(prompt)
        for _ in range(GREEDY):
            top = model(torch.tensor([ids])).logits[0, -1].topk(2)
            if top.values[0] - top.values[1] < 0.01:
                break
            ids.append(int(top.indices[0]))
        if len(ids) == len(prompt) + GREEDY:
            return {"greedy_prompt": prompt, "greedy": ids[len(prompt):]}
    sys.exit("no prompt has a clear continuation")


def sensitive(model, g):
    """Whether the numbers tell a decoder that rotates in every layer, or in none."""
    for use in (True, False):
        layers = [layer.self_attn for layer in model.model.layers]
        before = [a.use_rope for a in layers]
        for a in layers:
            a.use_rope = use
        other = model(torch.tensor([g["ids"]])).logits[0, 39]
        for a, b in zip(layers, before):
            a.use_rope = b
        apart = float((other - torch.tensor(g["logits"][4])).abs().max())
        print(f"rotation in {'every layer' if use else 'no layer'} moves a logit by {apart:.3f}")
        assert apart > 0.1


def pairs(w, heads):
    """The row order of llama.cpp: the two rows of a rotated pair are neighbours."""
    return w.reshape(heads, 2, -1, w.shape[1]).transpose(1, 2).reshape(w.shape)


def write_gguf(model, path):
    c = model.config
    w = gguf.GGUFWriter(path, "smollm3")
    w.add_block_count(LAYERS)
    w.add_context_length(c.max_position_embeddings)
    w.add_embedding_length(c.hidden_size)
    w.add_feed_forward_length(c.intermediate_size)
    w.add_head_count(HEADS)
    w.add_head_count_kv(KV)
    w.add_layer_norm_rms_eps(c.rms_norm_eps)
    w.add_rope_freq_base(10000.0)
    w.add_rope_dimension_count(c.hidden_size // HEADS)
    w.add_eos_token_id(0)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.SMOLLM3, LAYERS)
    for name, p in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        p = p.float()
        if ".q_proj." in name:
            p = pairs(p, HEADS)
        if ".k_proj." in name:
            p = pairs(p, KV)
        w.add_tensor(names.get_name(name, try_suffixes=(".weight",)), p.contiguous().numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def main(root):
    path = pathlib.Path(root) / "smollm3"
    path.mkdir(exist_ok=True)
    model = make(path)
    g = golden(model)
    with torch.no_grad():
        sensitive(model, g)
    text = json.dumps(g)
    (path / "golden.json").write_text(text + "\n", encoding="utf-8")
    write_gguf(model, pathlib.Path(root) / "smollm3.gguf")


if __name__ == "__main__":
    main(sys.argv[1])
