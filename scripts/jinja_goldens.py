"""Renders chat templates with transformers, as goldens of package chat/jinja.

    python scripts/jinja_goldens.py TEMPLATES OUT        # writes OUT/goldens.json.gz and OUT/TEMPLATES.md
    python scripts/jinja_goldens.py TEMPLATES --show FILE NUMBER
    python scripts/jinja_goldens.py TEMPLATES --full FILE  # all templates with their texts, to look at

TEMPLATES is a folder of templates with a table INDEX.tsv: file, model, source, licence of the
model. Templates whose licence lets them be passed on go into the archive, with
OUT/conversations.json rendered by each of them. For each render it keeps a hash of the
text, or that Python raised and whether the template itself did. The archive also has random
templates (jinja_random.py) with what Python makes of them. It ends with 2 if transformers
is missing.
"""

import datetime
import gzip
import hashlib
import json
import pathlib
import sys

import jinja_random

try:
    import jinja2
    import transformers
    from transformers.utils import chat_template_utils
except ImportError as e:
    print(f"{sys.executable}: {e}; install transformers and jinja2 for this Python", file=sys.stderr)
    sys.exit(2)

FREE = {"Apache-2.0", "MIT", "MIT or Apache-2.0"}


class Clock(datetime.datetime):
    """The date that package chat/jinja has where the data name none."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


chat_template_utils.datetime = Clock


def tool(name, about, properties, required, **more):
    schema = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": about, "parameters": schema, **more}}


WEATHER = tool("get_weather", "The weather \"today\" in a <city> & more: 20 °C", {
    "city": {"type": "string", "description": "the city's name"},
    "days": {"type": "integer", "minimum": 1, "default": 1},
    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
}, ["city"])
ADD = tool("add", "Adds numbers.", {
    "numbers": {"type": "array", "items": {"type": "number"}, "description": "what is added"},
    "options": {"type": "object", "properties": {"round": {"type": "boolean"}, "scale": {"type": ["number", "null"], "maximum": 1.0}}},
}, ["numbers"])
NOTHING = tool("list-all", "Lists all.\nOver two lines.", {}, [], strict=True)
TOOLS = [WEATHER, ADD, NOTHING]


def user(text):
    return {"role": "user", "content": text}


def system(text):
    return {"role": "system", "content": text}


def say(text, *calls, **more):
    m = {"role": "assistant", "content": text, **more}
    if calls:
        m["tool_calls"] = list(calls)
    return m


def call(name, args, number=1):
    return {"id": f"call{number:05d}", "type": "function", "function": {"name": name, "arguments": args}}


def result(text, name="get_weather", number=1):
    return {"role": "tool", "name": name, "tool_call_id": f"call{number:05d}", "content": text}


OSLO = call("get_weather", {"city": "Oslo"})
SUM = call("add", {"numbers": [1, 2.5, -3, 1e22, 1e-7], "options": {"round": True, "scale": None, "it's": "\"q\" \\ é\n"}}, 2)
ASK = user("Is it warm in Oslo?")

CONVERSATIONS = [
    ("user", [ASK], {}),
    ("system", [system("Be brief."), ASK], {}),
    ("three turns", [system("Be brief."), user("Hi"), say("Hello!"), user(" Two\n\nlines é \n")], {}),
    ("two turns, no system", [user("Hi"), say("Hello!"), user("Bye"), say("Bye, then.")], {}),
    ("tools", [ASK], {"tools": TOOLS}),
    ("tools, system", [system("Be brief."), ASK], {"tools": TOOLS}),
    ("a call", [ASK, say("", OSLO), result("{\"t\": 12.0}"), say("12 degrees.")], {"tools": TOOLS}),
    ("a call without content", [ASK, {"role": "assistant", "tool_calls": [OSLO]}, result("12")], {"tools": TOOLS}),
    ("a call, content null", [ASK, say(None, OSLO), result("12"), say("12 degrees."), user("Thanks")], {"tools": TOOLS}),
    ("arguments as text", [ASK, say("", call("get_weather", "{\"city\": \"Oslo\", \"days\": 2}")), result("12")], {"tools": TOOLS}),
    ("parallel calls", [ASK, say("I look.", OSLO, SUM), result("12"), result("1e22", "add", 2), say("Done.")], {"tools": TOOLS}),
    ("calls in turn", [system("S"), ASK, say("", OSLO), result("12"), say("", SUM), result("0", "add", 2)], {"tools": TOOLS}),
    ("a call without arguments", [ASK, say("", call("list-all", {})), result("[]", "list-all")], {"tools": [NOTHING]}),
    ("a call, no tools", [ASK, say("", OSLO), result("12"), say("12.")], {}),
    ("thoughts", [ASK, say("Yes.", reasoning_content="Let me think.\nWarm."), user("Sure?"), say("Yes!", reasoning_content="Sure.")], {}),
    ("thoughts and calls", [system("S"), ASK, say("", OSLO, reasoning_content="I look."), result("12"),
                            say("12.", reasoning_content="Good.")], {"tools": TOOLS}),
    ("a thought in the text", [ASK, say("<think>\nWarm?\n</think>\n\nYes."), user("Sure?"), say("<think>\n\n</think>\n\nYes!")], {}),
    ("no thinking", [ASK, say("Yes."), user("Sure?")], {"enable_thinking": False}),
    ("thinking", [system("S /no_think"), ASK], {"enable_thinking": True, "tools": TOOLS}),
    ("parts", [system("S"), {"role": "user", "content": [{"type": "text", "text": "a "}, {"type": "text", "text": "b"}]}], {}),
    ("empty system", [system(""), ASK], {"tools": [WEATHER]}),
    ("two systems", [system("One."), ASK, system("Two."), user("Hm")], {}),
    ("two users", [user("One."), user("Two.")], {}),
    ("assistant first", [say("I begin."), user("Hm")], {}),
    ("no messages", [], {}),
    ("tools without wrapping", [ASK], {"tools": [t["function"] for t in TOOLS]}),
    ("result as an object", [ASK, say("", OSLO), {"role": "tool", "content": {"t": 12.0, "ok": True, "no": None}}], {"tools": TOOLS}),
    ("spaces", [system("  S \n"), user("\n\t a <b> & 'c' \"d\" {{ e }} \u00a0\u200b🙂 \n"), say(" \n x \n "), user("")], {}),
    ("an unknown role", [{"role": "developer", "content": "Dev."}, ASK, {"role": "critic", "content": "Hm."}], {}),
]


def renders():
    """All renders: a name, the variables."""
    for name, messages, more in CONVERSATIONS:
        for prompt in (False, True):
            yield name, {"messages": messages, "tools": None, "documents": None, "add_generation_prompt": prompt,
                         "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>", **more}


def render(source, variables):
    """A kind and a text: text, raised or failed."""
    try:
        return "text", chat_template_utils._compile_jinja_template(source).render(**variables)
    except jinja2.exceptions.TemplateError as e:
        # The base class is what raise_exception raises.
        return ("raised" if type(e) is jinja2.exceptions.TemplateError else "failed"), f"{type(e).__name__}: {e}"
    except Exception as e:
        return "failed", f"{type(e).__name__}: {e}"


def main(args):
    folder = pathlib.Path(args[0])
    rows = [line.split("\t") for line in (folder / "INDEX.tsv").read_text("utf8").splitlines()[1:]]
    source = {r[0]: (folder / r[0]).read_bytes().decode("utf8") for r in rows}
    variables = list(renders())
    if args[1] == "--show":
        print(*render(source[args[2]], variables[int(args[3])][1]), sep="\n", end="")
        return
    if args[1] == "--full":
        full = [{"file": r[0], "source": source[r[0]], "results": [render(source[r[0]], v) for _, v in variables]} for r in rows]
        pathlib.Path(args[2]).write_text(json.dumps({"conversations": variables, "templates": full}, ensure_ascii=False), "utf8")
        return
    out = pathlib.Path(args[1])
    free = [r for r in rows if r[3] in FREE]
    templates = []
    for r in free:
        results = []
        for _, v in variables:
            kind, text = render(source[r[0]], v)
            results.append(hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()[:12] if kind == "text" else kind)
        templates.append({"file": r[0], "source": source[r[0]], "results": " ".join(results)})
    expressions = {"data": jinja_random.DATA, "cases": jinja_random.cases(1, 2500, render)}
    parts = {"conversations": [[n, v] for n, v in variables], "templates": templates, "expressions": expressions}
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    (out / "goldens.json.gz").write_bytes(gzip.compress(text.encode("utf8"), 9, mtime=0))
    about = ["The templates of goldens.json.gz, each rendered with each conversation by",
             f"transformers {transformers.__version__} and Jinja {jinja2.__version__} (scripts/jinja_goldens.py).", "",
             "| file | source | licence of the model |", "|---|---|---|"]
    about += [f"| {r[0]} | {r[2]} | {r[3]} |" for r in free]
    (out / "TEMPLATES.md").write_text("\n".join(about) + "\n", "utf8")
    print(len(free), "templates", len(variables), "renders each")


main(sys.argv[1:])
