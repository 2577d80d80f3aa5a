"""Writes chat/format/testdata/calls.json: calls as public chat templates write them.

    python scripts/format_goldens.py XLAM_TEMPLATE

The templates are those of chat/jinja/testdata/goldens.json.gz, whose sources and licences
TEMPLATES.md lists, and one that is given: examples/tool_chat_template_xlam_qwen.jinja of
vLLM. Each renders a conversation with calls through transformers' own compile function, as
apply_chat_template does; what stands between the beginning of the calls and the end of the
reply is kept.

A template that demands an identity for each call writes it into the call. Package format
writes none: it is taken out here, which the field "without" says.
"""

import gzip
import json
import pathlib
import re
import sys

import jinja2
import transformers
from transformers.utils import chat_template_utils

ROOT = pathlib.Path(__file__).parent.parent
MARK = "Where is it?"
STOP = "<\uff5cend\u2581of\u2581sentence\uff5c>"

# format, template, what the calls begin with, what ends the reply, identities to take out, whether package
# format writes the same (or reads it alone)
TEMPLATES = [
    ("xlam", "vllm--tool_chat_template_xlam_qwen.jinja", "[{", "<|im_end|>\n", None, True),
    ("mistral", "mistralai-Mistral-Nemo-Instruct-2407.jinja", "[TOOL_CALLS]", "</s>", r', "id": "call\d{5}"', True),
    ("mistral", "vllm--tool_chat_template_mistral.jinja", "[TOOL_CALLS]", "</s>", r', "id": "call\d{5}"', False),
    ("mistral-v11", "Mistral-Small-3.2-24B-Instruct-2506.jinja", "[TOOL_CALLS]", "</s>", r"\[CALL_ID\]call\d{5}", True),
    ("mistral-v11", "unsloth-mistral-Devstral-Small-2507.jinja", "[TOOL_CALLS]", "</s>", None, True),
    ("mistral-v11", "mistralai-Ministral-3-14B-Reasoning-2512.jinja", "[TOOL_CALLS]", "</s>", None, True),
    ("deepseek-v3", "trl--deepseekv3.jinja", "<\uff5ctool\u2581calls\u2581begin", STOP, None, True),
    ("deepseek-v3", "vllm--tool_chat_template_deepseekv3.jinja", "<\uff5ctool\u2581calls\u2581begin", STOP, None, False),
    ("deepseek-v3.1", "deepseek-ai-DeepSeek-V3.1.jinja", "<\uff5ctool\u2581calls\u2581begin", STOP, None, True),
    ("deepseek-v3.1", "vllm--tool_chat_template_deepseekv31.jinja", "<\uff5ctool\u2581calls\u2581begin", STOP, None, False),
    ("glm", "GLM-4.6.jinja", "<tool_call>", "", None, True),
    ("glm", "trl--glm4moe.jinja", "<tool_call>", "", None, True),
    ("glm", "GLM-4.7-Flash.jinja", "<tool_call>", "", None, False),
    ("harmony", "openai-gpt-oss-120b.jinja", " to=functions.", "", None, False),
    ("xml", "Qwen3-Coder.jinja", "<tool_call>", "<|im_end|>\n", None, True),
    ("xml", "vllm--tool_chat_template_qwen3coder.jinja", "<tool_call>", "<|im_end|>\n", None, True),
]

CASES = [
    [("find_place", {"city": "Troms\u00f8", "days": 2})],
    [("list_all", {})],
    [("find_place", {"city": "a  & b <i> 'q' \"r\" \\ {{ x }}\n\tline", "open": True, "shut": False, "no": None, "rate": 1.5})],
    [("find_place", {"city": "12", "near": {"points": [1, 2.5, -3, [], {}], "it's": "\u00df \U0001F642"}}), ("list_all", {}),
     ("find_place", {"city": "", "rows": [["x", 1], [True]]})],
]

TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array", dict: "object"}


def tools(calls):
    """The tools of the calls, with the types of their arguments."""
    out = {}
    for name, args in calls:
        props = out.setdefault(name, {})
        props.update({k: {"type": TYPES[type(v)]} for k, v in args.items()})
    return [{"type": "function", "function": {"name": n, "description": "Looks.", "parameters": {"type": "object", "properties": p}}}
            for n, p in out.items()]


def main(args):
    packed = json.loads(gzip.decompress((ROOT / "chat/jinja/testdata/goldens.json.gz").read_bytes()))
    source = {t["file"]: t["source"] for t in packed["templates"]}
    source["vllm--tool_chat_template_xlam_qwen.jinja"] = pathlib.Path(args[0]).read_text("utf8")
    cases = []
    for form, file, begin, end, without, same in TEMPLATES:
        compiled = chat_template_utils._compile_jinja_template(source[file])
        for calls in CASES:
            if form == "harmony" and len(calls) > 1:  # the template writes the first alone
                continue
            listed = [{"id": f"call{i:05d}", "type": "function", "function": {"name": n, "arguments": a}} for i, (n, a) in enumerate(calls)]
            content = ""
            if file.startswith("trl--deepseek"):  # it wants arguments as text, and no content
                content = None
                for c in listed:
                    c["function"]["arguments"] = json.dumps(c["function"]["arguments"], ensure_ascii=False)
            text = compiled.render(messages=[{"role": "user", "content": MARK}, {"role": "assistant", "content": content, "tool_calls": listed}],
                                   tools=tools(calls), bos_token="<s>", eos_token=STOP if "deepseek" in form else "</s>")
            text = text[text.index(MARK) + len(MARK):]
            text = text[text.index(begin):]
            if end:
                assert text.rstrip().endswith(end.strip()), (file, text)
                text = text[:text.rindex(end)]
            if without:
                text = re.sub(without, "", text)
            cases.append({"format": form, "template": file, "same": same, "without": without or "", "tools": tools(calls),
                          "calls": [{"name": n, "arguments": a} for n, a in calls], "text": text})
    head = {"made": f"scripts/format_goldens.py, transformers {transformers.__version__}, Jinja {jinja2.__version__}"}
    lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
    out = ROOT / "chat/format/testdata/calls.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n", "utf8")
    print(len(cases), "cases of", len(TEMPLATES), "templates")


main(sys.argv[1:])
