"""Writes chat/format/testdata/vllm.json: replies in every tool-call format, and what vLLM reads in them.

    TIKTOKEN_ENCODINGS_BASE=FOLDER python scripts/vllm_goldens.py

It needs vllm, whose build for a CPU is enough, and no model; it ends with 2 where vllm is missing.
Each reply goes to the tool parser of its format, as a server without streaming does, and what it
returns is written down: the calls with their arguments as the text that a client gets, and the
text beside them.

gpt-oss is read in tokens. FOLDER has o200k_base.tiktoken, its vocabulary, which openai_harmony
downloads where the variable is not set.

Replies are of two kinds: those that a model should write, and those with the faults that models
sample. Cases of one name have the same fault in all formats.
"""

import json
import logging
import pathlib
import sys

try:
    import vllm
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.entrypoints.openai.parser.harmony_utils import get_encoding
    from vllm.parser.harmony import HarmonyParser
    from vllm.reasoning.gptoss_reasoning_parser import GptOssReasoningParser
    from vllm.tool_parsers import ToolParserManager
    from vllm.tool_parsers.gptoss_tool_parser import GptOssToolParser
except ImportError as e:
    print(f"vllm is missing ({e}): install it (pip install vllm) and run this again with its Python", file=sys.stderr)
    sys.exit(2)

ROOT = pathlib.Path(__file__).parent.parent
BEGIN, END = "<\uff5ctool\u2581calls\u2581begin\uff5c>", "<\uff5ctool\u2581calls\u2581end\uff5c>"
CALL, CUT, SEP = "<\uff5ctool\u2581call\u2581begin\uff5c>", "<\uff5ctool\u2581call\u2581end\uff5c>", "<\uff5ctool\u2581sep\uff5c>"

PROPERTIES = {
    "city": {"type": "string"}, "days": {"type": "integer"}, "rate": {"type": "number"}, "open": {"type": "boolean"},
    "note": {"type": ["string", "null"]}, "tags": {"type": "array"}, "near": {"type": "object"}, "any": {}}
TOOLS = [{"type": "function", "function": {"name": n, "description": "Looks.", "parameters": {"type": "object", "properties": p}}}
         for n, p in (("place", PROPERTIES), ("all", {}))]

# How calls stand in each format whose arguments are JSON: vLLM's parser, what stands before, between and after them, and one call.
JSON_FORMATS = {
    "hermes": ("hermes", "", "\n", "", lambda n, a: '<tool_call>\n{"name": "%s", "arguments": %s}\n</tool_call>' % (n, a)),
    "llama3": ("llama3_json", "", "; ", "", lambda n, a: '{"name": "%s", "parameters": %s}' % (n, a)),
    "xlam": ("xlam", "[", ", ", "]", lambda n, a: '{"name": "%s", "arguments": %s}' % (n, a)),
    "mistral": ("mistral", "[TOOL_CALLS][", ", ", "]", lambda n, a: '{"name": "%s", "arguments": %s}' % (n, a)),
    "mistral-v11": ("mistral", "", "", "", lambda n, a: f"[TOOL_CALLS]{n}[ARGS]{a}"),
    "deepseek-v3": ("deepseek_v3", BEGIN, "\n", END, lambda n, a: f"{CALL}function{SEP}{n}\n```json\n{a}\n```{CUT}"),
    "deepseek-v3.1": ("deepseek_v31", BEGIN, "", END, lambda n, a: f"{CALL}{n}{SEP}{a}{CUT}"),
    "harmony": ("openai", "<|channel|>", "<|start|>assistant<|channel|>", "",
                lambda n, a: f"commentary to=functions.{n} <|constrain|>json<|message|>{a}<|call|>"),
}
OTHER_FORMATS = {"pythonic": "pythonic", "xml": "qwen3_coder", "glm": "glm45"}
NAME_INSIDE = ("hermes", "llama3", "xlam", "mistral")  # a call is one object of JSON

SPECIAL = {
    "hermes": ["<tool_call>", "</tool_call>"], "llama3": ["<|python_tag|>"], "xlam": [], "pythonic": [],
    "mistral": ["[TOOL_CALLS]"], "mistral-v11": ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "[THINK]", "[/THINK]"],
    "deepseek-v3": [BEGIN, END, CALL, CUT, SEP], "deepseek-v3.1": [BEGIN, END, CALL, CUT, SEP], "harmony": [],
    "xml": ["<tool_call>", "</tool_call>", "<think>", "</think>", "<|im_start|>", "<|im_end|>"],
    "glm": ["<tool_call>", "</tool_call>", "<think>", "</think>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>",
            "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"],
}


class Tokenizer:
    """As much of a tokenizer as the parsers ask for: the ids of a format's control tokens."""

    all_special_tokens, all_special_ids, chat_template = [], [], ""

    def __init__(self, special):
        self.ids = {t: i + 1 for i, t in enumerate(special)}

    def get_vocab(self):
        return self.ids

    def encode(self, text, **_):
        return [self.ids[text]] if text in self.ids else []

    def decode(self, ids, **_):
        return "".join(t for t, i in self.ids.items() if i in ids)


PLAIN = '{"city": "Oslo", "days": 2}'

# Arguments as JSON, by the name of the case.
WELL = [
    ("one", PLAIN),
    ("nested", '{"near": {"points": [1, 2.5, -3, [], {}], "it\'s": {"x": null}}, "tags": [["x", 1], [true]]}'),
    ("unicode", '{"city": "Tromsø 東京 🙂"}'),
    ("unicode escaped", '{"city": "Troms\\u00f8 \\ud83d\\ude42"}'),
    ("escapes", '{"city": "a\\n\\t\\"q\\" \\\\d \\/ \'s\' {{ x }}"}'),
    ("numbers", '{"days": -2, "rate": 0.5, "any": [1e5, 1.0, -0.0, 12345678901234567890123]}'),
    ("constants", '{"open": true, "note": null, "any": false}'),
    ("empty strings", '{"city": "", "note": " "}'),
    ("brackets in a string", '{"city": "]}[{ ```json\\n{}\\n``` ; f(a=1)"}'),
    ("text of other types", '{"city": "12", "note": "null", "any": "true"}'),
    ("compact", '{"city":"Oslo","days":2}'),
    ("several lines", '{\n  "city": "Oslo",\n  "days": 2\n}'),
]
BROKEN = [
    ("trailing comma", '{"city": "Oslo", "days": 2,}'),
    ("single quotes", "{'city': 'Oslo', 'days': 2}"),
    ("Python's constants", '{"open": True, "note": None}'),
    ("arguments as a string", '"{\\"city\\": \\"Oslo\\"}"'),
    ("arguments null", "null"),
    ("arguments a list", '["Oslo", 2]'),
    ("no arguments at all", ""),
    ("duplicated keys", '{"city": "Oslo", "city": "Bergen"}'),
    ("line end in a string", '{"city": "a\nb"}'),
    ("unknown escape", '{"city": "\\d+"}'),
    ("NaN", '{"rate": NaN}'),
    ("leading zero", '{"days": 02}'),
    ("unquoted key", '{city: "Oslo"}'),
    ("bracket too few", '{"near": {"x": 1}'),
    ("bracket too many", '{"city": "Oslo"}}'),
    ("empty key", '{"": 1}'),
    ("number too large", '{"rate": 1e400}'),
    ("other white space", '\u00a0{"city": "Oslo"}'),
]


def json_cases(form):
    """The replies of a format whose arguments are JSON."""
    _, before, between, after, call = JSON_FORMATS[form]

    def group(*calls):
        return before + between.join(calls) + after

    one, none = call("place", PLAIN), call("all", "{}")
    whole = group(one)
    yield from ((n, group(call("place", a))) for n, a in WELL + BROKEN)
    yield "two calls", group(one, none)
    yield "three calls", group(one, none, call("place", '{"days": 3}'))
    yield "no arguments", group(none)
    prose = "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant" if form == "harmony" else "I look.\n"
    yield "text before", prose + whole
    thought, shut = ("<think>\n", "\n</think>\n\n")
    if form == "harmony":
        thought, shut = "<|channel|>analysis<|message|>", "<|end|><|start|>assistant"
    elif form == "mistral-v11":
        thought, shut = "[THINK]", "[/THINK]"
    yield "thought before", thought + "Oslo, then." + shut + whole
    if form != "harmony":
        yield "draft in a thought", thought + group(call("all", '{"draft": 1}')) + shut + whole
    yield "answer", "It is 21 degrees." if form != "harmony" else "<|channel|>final<|message|>It is 21 degrees.<|return|>"
    yield "JSON for an answer", '{"degrees": 21}'
    yield "list for an answer", '[{"degrees": 21}]'
    yield "text after", whole + " Done."
    yield "prose between calls", before + one + between + "And " + between + none + after
    yield "cut in a string", whole[:whole.index("slo")]
    yield "cut in the name", whole[:whole.index("place") + 3]
    yield "cut behind the call", (before + one)[:-len(END)] if after == END else (before + one)[:-3]
    yield "unknown tool", group(call("nowhere", PLAIN))
    yield "blanks around the name", group(call(" place ", PLAIN))
    yield "blank in the name", group(call("place it", PLAIN))
    yield "empty name", group(call("", PLAIN))
    yield "second call broken", group(one, call("place", '{"city": }'))
    yield "fence around", "```json\n" + whole + "\n```"
    yield "other keys in arguments", group(call("place", '{"town": "Oslo"}'))
    if form in NAME_INSIDE:
        yield from object_cases(form, one, group)
    yield from marked_cases(form, one, none, whole)


def object_cases(form, one, group):
    """Further replies of a format whose call is an object with a name."""
    key = "parameters" if form == "llama3" else "arguments"
    other = "arguments" if form == "llama3" else "parameters"
    inner = '{"name": "place", "%s": %s}' % (key, PLAIN)

    def instead(text):
        return group(one.replace(inner, text))

    assert inner in one
    yield "other key for arguments", instead(inner.replace(key, other))
    yield "both keys for arguments", instead('{"name": "place", "%s": {"city": "Oslo"}, "%s": {"city": "Bergen"}}' % (key, other))
    yield "further keys", instead('{"id": "call00001", "type": "function", ' + inner[1:])
    yield "arguments first", instead('{"%s": %s, "name": "place"}' % (key, PLAIN))
    yield "no name", instead('{"%s": %s}' % (key, PLAIN))
    yield "name a number", instead('{"name": 3, "%s": %s}' % (key, PLAIN))
    yield "no key for arguments", instead('{"name": "all"}')
    yield "OpenAI's wrapping", instead('{"type": "function", "function": %s}' % inner)
    yield "a list for the object", instead("[" + inner + ", " + inner + "]")


def marked_cases(form, one, none, whole):
    """Replies with the marks of one format in places of their own."""
    if form == "hermes":
        yield "own marks in a string", one.replace("Oslo", "a </tool_call> b")
        yield "own marks escaped", one.replace("Oslo", "a \\u003c/tool_call> b")
        yield "close missing", whole[:-len("\n</tool_call>")]
        yield "close missing between", one[:-len("\n</tool_call>")] + "\n" + none
        yield "two begin tags", "<tool_call>\n" + whole
        yield "no line ends", whole.replace("\n", "")
        yield "more line ends", whole.replace("\n", "\r\n\n ")
        yield "no tags", whole[len("<tool_call>\n"):-len("\n</tool_call>")]
        yield "misspelled tag", whole.replace("<tool_call>", "<toolcall>")
        yield "empty call", "Look: <tool_call>\n</tool_call>"
    elif form == "llama3":
        yield "own marks in a string", one.replace("Oslo", "a; {b}")
        yield "python tag", "<|python_tag|>" + one
        yield "commas between", one + ", " + none
        yield "line end between", one + "\n" + none
        yield "in brackets", "[" + one + "]"
        yield "sentence on the line", "I call " + one
        yield "an answer before", '{"degrees": 21}\n' + one
        yield "more blanks", one + "  ;\n\n " + none
    elif form == "xlam":
        yield "own marks in a string", whole.replace("Oslo", "[a] <tool_call> b")
        yield "several lines of list", "[\n  " + one + ",\n  " + none + "\n]"
        yield "two lists", whole + "\n" + whole
        yield "no brackets", one
        yield "sentence on the line", "I call " + whole
        yield "empty list", "[]"
        yield "tag around", "<tool_call>" + whole + "</tool_call>"
        yield "list ends in a comma", whole[:-1] + ",]"
        yield "not only calls", "[" + one + ', {"degrees": 21}]'
    elif form == "mistral":
        yield "own marks in a string", whole.replace("Oslo", "a [TOOL_CALLS] b")
        yield "own marks escaped", whole.replace("Oslo", "a \\u005bTOOL_CALLS] b")
        yield "blanks between", whole.replace("[TOOL_CALLS]", "[TOOL_CALLS] \n ")
        yield "two begin tags", "[TOOL_CALLS]" + whole
        yield "two lists", whole + "[TOOL_CALLS][" + none + "]"
        yield "no brackets", "[TOOL_CALLS]" + one
        yield "no mark", whole[len("[TOOL_CALLS]"):]
        yield "empty list", "Look: [TOOL_CALLS][]"
        yield "list ends in a comma", whole[:-1] + ",]"
        yield "name behind the mark", "[TOOL_CALLS]place" + PLAIN
    elif form == "mistral-v11":
        yield "own marks in a string", whole.replace("Oslo", "a [TOOL_CALLS] b")
        yield "own marks escaped", whole.replace("Oslo", "a \\u005bTOOL_CALLS] b")
        yield "blanks between", "[TOOL_CALLS] place [ARGS] " + PLAIN + "\n" + none
        yield "two begin tags", "[TOOL_CALLS]" + whole
        yield "an identity", whole.replace("[ARGS]", "[CALL_ID]abcdefghi[ARGS]")
        yield "no mark of arguments", whole.replace("[ARGS]", "")
        yield "a list behind the mark", '[TOOL_CALLS][{"name": "place", "arguments": ' + PLAIN + "}]"
        yield "no mark", whole[len("[TOOL_CALLS]"):]
    elif form == "harmony":
        yield from harmony_cases(one, none, whole)
    else:
        yield from deepseek_cases(form, one, none, whole)


def harmony_cases(one, none, whole):
    yield "own marks escaped", whole.replace("Oslo", "a \\u003c|call|> b")
    yield "recipient before", " to=functions.place<|channel|>commentary json<|message|>" + PLAIN + "<|call|>"
    yield "no type", whole.replace(" <|constrain|>json", "")
    yield "type as text", whole.replace(" <|constrain|>json", " json")
    yield "no blank before the type", whole.replace(" <|constrain|>", "<|constrain|>")
    yield "another type", whole.replace("<|constrain|>json", "<|constrain|>code")
    yield "no call token", whole[:-len("<|call|>")]
    yield "end for call", whole.replace("<|call|>", "<|end|>")
    yield "no namespace", whole.replace("functions.", "")
    yield "another namespace", whole.replace("functions.", "browser.")
    yield "call on analysis", whole.replace("commentary", "analysis")
    yield "call on final", whole.replace("commentary", "final")
    yield "text behind calls", whole + "<|start|>assistant<|channel|>final<|message|>Done.<|return|>"
    yield "no channel", "It is 21 degrees.<|return|>"
    yield "two channels", "<|channel|>" + whole
    yield "thought alone", "<|channel|>analysis<|message|>Hm.<|end|>"
    yield "unknown channel", "<|channel|>notes<|message|>Hm.<|end|><|start|>assistant" + whole
    yield "no start between", whole + "<|channel|>" + none


def deepseek_cases(form, one, none, whole):
    yield "own marks in a string", whole.replace("Oslo", "a " + CUT + " b")
    yield "own marks escaped", whole.replace("Oslo", "a \\u003c" + CUT[1:] + " b")
    yield "blanks between", BEGIN + "\n" + one + "\n\n" + none + "\n" + END
    yield "two begin tags", BEGIN + whole
    yield "end missing", whole[:-len(END)]
    yield "end of the call missing", BEGIN + one[:-len(CUT)] + END
    yield "begin missing", one + END
    yield "empty list", "Look: " + BEGIN + END
    yield "two lists", whole + BEGIN + none + END
    other = JSON_FORMATS["deepseek-v3.1" if form == "deepseek-v3" else "deepseek-v3"][4]
    yield "the other version's call", BEGIN + other("place", PLAIN) + END
    if form == "deepseek-v3":
        yield "no fence", whole.replace("```json\n", "").replace("\n```", "")
        yield "no line end in the fence", whole.replace("\n```" + CUT, "```" + CUT)
        yield "fence without json", whole.replace("```json", "```")
        yield "another kind", whole.replace("function" + SEP, "tool" + SEP)
        yield "line end behind the fence", whole.replace("```" + CUT, "```\n" + CUT)
        yield "blank behind the name", whole.replace("place\n", "place \n")


# Values of xml and glm: pairs of a key and the text of its value.
VALUES = [
    ("one", [("city", "Oslo"), ("days", "2")]),
    ("nested", [("near", '{"points": [1, 2.5, -3, [], {}], "it\'s": {"x": null}}'), ("tags", '[["x", 1], [true]]')]),
    ("unicode", [("city", "Tromsø 東京 🙂")]),
    ("escapes", [("city", 'a\\n "q" \\\\d \'s\' {{ x }} &amp; <b>')]),
    ("numbers", [("days", "-2"), ("rate", "0.5")]),
    ("whole number for a number", [("rate", "1.0")]), ("large number", [("days", "12345678901234567890123")]),
    ("constants", [("open", "true"), ("note", "null")]),
    ("Python's constants", [("open", "True"), ("note", "None")]),
    ("empty strings", [("city", ""), ("note", " ")]),
    ("lines in a string", [("city", "a\n\n b\n")]),
    ("blanks around a string", [("city", "  a  ")]), ("blanks around a number", [("days", " 2 ")]),
    ("text of other types", [("city", "12"), ("note", "true")]),
    ("string in quotes", [("city", '"Oslo"')]),
    ("nothing declared", [("any", "12")]), ("nothing declared, text", [("any", "Oslo")]),
    ("nothing declared, list", [("any", "[1, 2]")]),
    ("unknown argument, number", [("town", "12")]), ("unknown argument, text", [("town", "Oslo")]),
    ("word for an integer", [("days", "two")]), ("fraction for an integer", [("days", "2.5")]),
    ("whole fraction for an integer", [("days", "2.0")]), ("exponent for an integer", [("days", "2e3")]),
    ("number in quotes", [("days", '"2"')]),
    ("list with single quotes", [("tags", "['a', 'b']")]), ("list with a trailing comma", [("tags", '["a",]')]),
    ("object for an array", [("tags", '{"a": 1}')]),
    ("number for a boolean", [("open", "1")]), ("word for a boolean", [("open", "yes")]),
    ("null for a string", [("city", "null")]), ("null for an integer", [("days", "null")]),
    ("capital null", [("note", "NULL")]),
    ("duplicated keys", [("city", "Oslo"), ("city", "Bergen")]),
    ("empty key", [("", "1")]),
    ("blanks around a key", [(" city ", "Oslo")]), ("blank behind a key", [("city ", "Oslo")]),
    ("capital boolean", [("open", "TRUE")]),
    ("line in a number", [("days", "1_000")]),
    ("digit of another script", [("days", "\uff12")]),
    ("number too large", [("rate", "1e400")]),
    ("several lines of list", [("tags", '[\n  "a",\n  "b"\n]')]),
]


def tag_cases(form):
    """The replies of a format whose values stand between tags."""
    def call(name, args):
        if form == "glm":
            return "<tool_call>" + name + "\n" + "".join(
                f"<arg_key>{k}</arg_key>\n<arg_value>{v}</arg_value>\n" for k, v in args) + "</tool_call>"
        return f"<tool_call>\n<function={name}>\n" + "".join(
            f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in args) + "</function>\n</tool_call>"

    one, none = call("place", [("city", "Oslo"), ("days", "2")]), call("all", [])
    yield from ((n, call("place", a)) for n, a in VALUES)
    yield "two calls", one + "\n" + none
    yield "three calls", one + "\n" + none + "\n" + call("place", [("days", "3")])
    yield "no arguments", none
    yield "text before", "I look.\n" + one
    yield "thought before", "<think>\nOslo, then.\n</think>\n\n" + one
    yield "draft in a thought", "<think>\n" + call("all", [("draft", "1")]) + "\n</think>\n\n" + one
    yield "answer", "It is 21 degrees."
    yield "text after", one + " Done."
    yield "prose between calls", one + "\nAnd " + none
    yield "no line ends", one.replace("\n", "")
    yield "more line ends", one.replace(">\n<", ">\n\n <")
    yield "cut in a string", one[:one.index("slo")]
    yield "cut in the name", one[:one.index("place") + 3]
    yield "close missing", one[:-len("</tool_call>")].rstrip()
    yield "close missing between", one[:-len("</tool_call>")] + none
    yield "begin missing", one[len("<tool_call>"):]
    yield "two begin tags", "<tool_call>" + one
    yield "unknown tool", call("nowhere", [("city", "Oslo")])
    yield "blanks around the name", call(" place ", [("city", "Oslo")])
    yield "blank in the name", call("place it", [("city", "Oslo")])
    yield "empty name", call("", [("city", "Oslo")])
    yield "own marks in a string", call("place", [("city", "a </tool_call> b")])
    yield "fence around", "```xml\n" + one + "\n```"
    yield "JSON inside", '<tool_call>\n{"name": "place", "arguments": ' + PLAIN + "}\n</tool_call>"
    yield "empty call", "Look: <tool_call>\n</tool_call>"
    yield "wrong close", one.replace("</arg_value>", "</arg_key>", 1).replace("</parameter>", "</function>", 1)
    if form == "glm":
        yield "value missing", one.replace("<arg_value>2</arg_value>", "")
        yield "value's close missing", one.replace("2</arg_value>", "2")
        yield "text between tags", one.replace("</arg_key>", "</arg_key> is")
    else:
        yield "close of a parameter missing", one.replace("</parameter>", "", 1)
        yield "close of the function missing", one.replace("</function>\n", "")
        yield "name in quotes", one.replace("=place", '="place"').replace("=city", '="city"')
        yield "tag in a string", call("place", [("city", "a <parameter=b> c")])
        yield "text between tags", one.replace("<parameter=days", "and <parameter=days")
        yield "two functions in a call", one.replace("\n</tool_call>", "\n<function=all>\n</function>\n</tool_call>")


def python_cases():
    """The replies of a list of Python calls."""
    one, none = "place(city='Oslo', days=2)", "all()"
    for name, args in [
        ("one", "city='Oslo', days=2"), ("unicode", "city='Tromsø 東京 🙂'"),
        ("unicode escaped", "city='Troms\\u00f8 \\U0001f642 \\xe9'"),
        ("nested", "near={'points': [1, 2.5, -3, [], {}], \"it's\": {'x': None}}, tags=[['x', 1], [True]]"),
        ("escapes", "city='a\\n\\t\\'q\\' \"r\" \\\\d'"), ("unknown escape", "city='\\d+ \\/'"), ("raw string", "city=r'a\\d'"),
        ("f-string", "city=f'a'"), ("bytes", "city=b'a'"), ("two literals", "city='a' 'b'"), ("long string", "city='''a\nb'''"),
        ("line end in a string", "city='a\nb'"), ("numbers", "days=-2, rate=+0.5, any=[1e5, 1.0, -0.0, 12345678901234567890123]"),
        ("other numbers", "days=0x10, rate=1_000, any=0b11"), ("infinite number", "rate=1e999"), ("complex number", "any=2j"),
        ("constants", "open=True, note=None, any=False"), ("JSON's constants", "open=true, note=null, any=false"),
        ("empty strings", "city='', note=\" \""), ("brackets in a string", "city=')]([ f(a=1)'"), ("tuple", "tags=('a', 1)"),
        ("set", "tags={'a'}"), ("keys of other types", "near={1: 'a', True: 'b'}"), ("trailing comma", "city='Oslo',"),
        ("several lines", "\n  city='Oslo',\n  days=2\n"), ("positional", "'Oslo', 2"), ("unpacked", "**{'city': 'Oslo'}"),
        ("keyword for a name", "from='Oslo'"), ("duplicated keys", "city='Oslo', city='Bergen'"), ("sum", "days=1+1"),
        ("variable", "city=oslo"), ("call inside", "city=all()"), ("colon for the sign", "city: 'Oslo'"), ("comment", "days=2 # two\n"),
        ("curly quotes", "city=‘Oslo’"), ("leading zero", "days=02"), ("ellipsis", "any=..."), ("unicode name", "größe=1"),
    ]:
        yield name, "[place(" + args + ")]"
    whole = "[" + one + "]"
    yield "two calls", "[" + one + ", " + none + "]"
    yield "three calls", "[" + one + ", " + none + ", place(days=3)]"
    yield "no arguments", "[" + none + "]"
    yield "compact", "[place(city='Oslo',days=2),all()]"
    yield "several lines of list", "[\n  " + one + ",\n  " + none + "\n]"
    yield "list ends in a comma", "[" + one + ",]"
    yield "text before", "I look.\n" + whole
    yield "thought before", "<think>\nOslo, then.\n</think>\n\n" + whole
    yield "answer", "It is 21 degrees."
    yield "list for an answer", "[1, 2, 3]"
    yield "text after", whole + " Done."
    yield "lines after", whole + "\nDone."
    yield "two lists", whole + "\n[" + none + "]"
    yield "prose between calls", "[" + one + " and " + none + "]"
    yield "cut in a string", whole[:whole.index("slo")]
    yield "close missing", whole[:-1]
    yield "no brackets", one
    yield "fence around", "```python\n" + whole + "\n```"
    yield "unknown tool", "[nowhere(city='Oslo')]"
    yield "dotted name", "[maps.place(city='Oslo')]"
    yield "name with a hyphen", "[find-place(city='Oslo')]"
    yield "name begins with a line", "[_place(city='Oslo')]"
    yield "not only calls", "[" + one + ", 3]"
    yield "blank before", " " + whole
    yield "JSON inside", '[{"name": "place", "arguments": ' + PLAIN + "}]"
    yield "semicolon between", "[" + one + "; " + none + "]"


def read(form, parser_name, text):
    """What vLLM reads: the calls and the text beside them, or the name of what it raises."""
    request = ChatCompletionRequest(messages=[{"role": "user", "content": "x"}], tools=TOOLS)
    if form == "harmony":
        return harmony_read(text, request)
    parser = ToolParserManager.get_tool_parser(parser_name)(Tokenizer(SPECIAL[form]), request.tools)
    try:
        got = parser.extract_tool_calls(text, request)
    except Exception as e:  # what the peer raises is a result
        return {"raises": type(e).__name__}
    return found(got.tool_calls if got.tools_called else [], got.content, text)


def found(calls, content, text):
    """The fields of a case; a reply that is no call and stays as it is has none."""
    named = [getattr(c, "function", c) for c in calls]
    out = {"calls": [[c.name, c.arguments] for c in named]} if calls else {}
    return out if not calls and content == text else {**out, "content": content or ""}


class Harmony(HarmonyParser):
    """The parser of gpt-oss: it reads thoughts, text and calls, in tokens."""

    reasoning_parser_cls, tool_parser_cls = GptOssReasoningParser, GptOssToolParser


class Vocabulary(Tokenizer):
    """That of gpt-oss."""

    def encode(self, text, **_):
        return get_encoding().encode(text, allowed_special="all")

    def decode(self, ids, **_):
        return get_encoding().decode(list(ids))


def harmony_read(text, request):
    vocabulary = Vocabulary([])
    parser = Harmony(vocabulary, request.tools)
    try:
        _, content, calls = parser.parse(text, request, True, vocabulary.encode(text))
    except Exception as e:
        return {"raises": type(e).__name__}
    return found(calls or [], content, text)


def main():
    logging.disable(logging.CRITICAL)
    try:
        get_encoding()
    except Exception as e:
        print(f"the vocabulary of gpt-oss is missing ({e}): set TIKTOKEN_ENCODINGS_BASE to the folder with o200k_base.tiktoken",
              file=sys.stderr)
        sys.exit(2)
    formats, total = [], 0
    for form in list(JSON_FORMATS) + list(OTHER_FORMATS):
        if form in JSON_FORMATS:
            peer, replies = JSON_FORMATS[form][0], list(json_cases(form))
        else:
            peer, replies = OTHER_FORMATS[form], list(python_cases() if form == "pythonic" else tag_cases(form))
        assert len({n for n, _ in replies}) == len(replies), form
        cases = [{"name": name, "text": text, **read(form, peer, text)} for name, text in replies]
        lines = ",\n".join(json.dumps(c, ensure_ascii=False, separators=(",", ":")) for c in cases)
        formats.append(f'{{"format": "{form}", "parser": "{peer}", "cases": [\n{lines}\n]}}')
        total += len(cases)
        print(form, len(cases), "replies,", sum("raises" in c for c in cases), "raise")
    head = json.dumps({"made": "scripts/vllm_goldens.py", "vllm": vllm.__version__, "tools": TOOLS})
    out = ROOT / "chat/format/testdata/vllm.json"
    out.write_text(head[:-1] + ', "formats": [\n' + ",\n".join(formats) + "\n]}\n", "utf8")
    print(total, "replies,", out.stat().st_size, "bytes")


main()
