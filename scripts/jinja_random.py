"""Random Jinja templates and what Python makes of them, for scripts/jinja_goldens.py.

cases(seed, n, render) lists n templates with the kind and text that render answers. About three in
four are typed, so that most of them have a text; the others mix everything with everything.
"""

import json
import random
import signal

DATA = {
    "s": "Hello, wörld\n  x ", "e": "", "n": 7, "z": 0, "neg": -3, "f": 2.5, "one": 1.0, "big": 12345678901234567890123, "t": True, "no": None,
    "l": [3, 1, 2], "ls": ["b", "A", "c", "a"], "le": [], "lf": [0.1, 1e22, -2.0, 3], "d": {"b": 1, "a": "x", "items": 5, "C": None}, "de": {},
    "m": [{"role": "user", "content": "hi", "k": {"v": 1}}, {"role": "tool", "content": None}, {"role": "user", "content": "", "k": {"v": 2}}],
    "mix": [1, "1", None, True, 2.5, [1], {"a": 1}], "html": "<a & 'b' \"c\">", "uni": "ÀÉß ŉ ǆ Σς\u2028🙂", "sp": " \t\xa0x y\n\nz ",
}
WORDS = ["a", "", "b,c", " ", "\\n", "é", "%s-%d", "x{}y", "{0}{a}", "role", "k.v", "<>", "aXbXc", "10", "-2.5", " 7 ", "0x1f", "1e3"]
FILTERS = """capitalize default('q') default('q',true) d dictsort first format(1,2) format('x') indent indent(2) indent(2,true) indent('>',blank=true)
 int int(5) items join join(',') join(',',attribute='role') last length count list lower map('upper') map(attribute='role')
 map(attribute='k.v',default=0) map('default','z') max min max(attribute='role') reject('none') rejectattr('content') replace('a','b')
 replace('','-') replace('l','L',1) reverse safe select select('string') select('gt',1) selectattr('content')
 selectattr('role','equalto','user') selectattr('k','defined') sort sort(reverse=true) sort(attribute='role') sort(case_sensitive=true) string
 tojson tojson(indent=2) tojson(ensure_ascii=true) tojson(sort_keys=true) tojson(separators=(',',':')) trim trim('x') unique
 unique(attribute='role') upper nosuch batch(2) list|length list|string map('int')|list reverse|list items|list unique|list|tojson""".split()
TESTS = """defined undefined none boolean true false integer float number string mapping sequence iterable odd even in([1,'a',none]) in:'abc'
 eq:1 eq('a') ne:2 gt:1 ge(2) lt:'b' le:2 equalto:7 nosuch callable""".split()
METHODS = """strip() strip('x') lstrip() rstrip('\\n') split() split(',') split('l',1) rsplit('l',1) splitlines() upper() lower() capitalize()
 startswith('H') startswith(('H','b')) endswith('x') find('l') count('l') count('') replace('l','L') replace('l','L',1) replace('','.') join(ls)
 join(l) removeprefix('He') removesuffix('x') format('q') format() items() keys() values() get('a') get('zz') get('zz',3) get(none) update({})
 append(1) pop() items role content nosuch a b __class__ _x zfill(5) keys()|list items()|list values()|list|tojson""".split()
BINARY = "+ - * / // % ~ and or == != < <= > >= in".split() + ["not in"]


class Maker:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, *options):
        return self.r.choice(options)

    def chance(self, p):
        return self.r.random() < p

    # What has a text, mostly: expressions of a kind.

    def text(self, d):
        if d <= 0 or self.chance(0.15):
            return self.pick("s", "e", "html", "uni", "sp", "m[0].content", "'" + self.pick(*WORDS) + "'", "d.a")
        a, b = lambda: self.text(d - 1), lambda: self.number(d - 1)
        return self.pick(
            lambda: f"({a()} + {a()})", lambda: f"({a()} ~ {self.any(d - 1)} ~ {b()})", lambda: f"({a()} * {self.pick('0', '2', '-1')})",
            lambda: f"({a()}).{self.pick('strip', 'lstrip', 'rstrip')}({self.pick('', chr(39) + 'x' + chr(39), a())})",
            lambda: f"({a()}).{self.pick('upper', 'lower', 'capitalize')}()", lambda: f"({a()}).replace({a()}, {a()})",
            lambda: f"({a()})|replace({a()}, {a()})", lambda: f"({a()})|{self.pick('upper', 'lower', 'capitalize', 'trim', 'string')}",
            lambda: f"({a()})|indent({self.pick('2', '4', chr(39) + '> ' + chr(39))}, {self.pick('true', 'false')}, {self.pick('true', 'false')})",
            lambda: f"({a()})[{self.bound()}:{self.bound()}{self.pick('', ':', ':-1', ':2', ':-2')}]", lambda: f"({self.list(d - 1)})|join({a()})",
            lambda: f"({self.any(d - 1)})|tojson", lambda: f"({self.any(d - 1)})|tojson(indent={self.pick('0', '1', '4')})",
            lambda: f"({self.any(d - 1)})|tojson(ensure_ascii={self.pick('true', 'false')}, sort_keys={self.pick('true', 'false')})",
            lambda: f"({self.any(d - 1)})|string", lambda: f"({a()}).join({self.list_of_text(d - 1)})", lambda: f"({self.list_of_text(d - 1)})|first",
            lambda: f"('%d%%' % {b()})", lambda: f"('%s|%s' % ({a()}, {self.any(d - 1)}))", lambda: f"('{{}}/{{}}').format({self.any(d - 1)}, {a()})",
            lambda: f"({a()} if {self.truth(d - 1)} else {a()})", lambda: f"({a()} or {a()})", lambda: f"({a()} and {a()})",
            lambda: f"({self.any(d - 1)})|default({a()})",
            lambda: f"({a()})|reverse", lambda: f"({a()}).{self.pick('removeprefix', 'removesuffix')}({a()})",
        )()

    def number(self, d):
        if d <= 0 or self.chance(0.2):
            return self.pick("n", "z", "neg", "f", "one", "big", "t", "1", "2", "-3", "0.1", "1e16", "m[0].k.v", "100")
        a = lambda: self.number(d - 1)
        return self.pick(
            lambda: f"({a()} {self.pick('+', '-', '*', '/', '//', '%', '+', '-')} {a()})", lambda: f"(-{a()})", lambda: f"({self.list(d - 1)})|length",
            lambda: f"({self.text(d - 1)})|length", lambda: f"({self.text(d - 1)}).{self.pick('find', 'count')}({self.text(d - 1)})",
            lambda: f"({a()})|int", lambda: f"({self.text(d - 1)})|int",
            lambda: f"(l)|{self.pick('max', 'min', 'first', 'last')}", lambda: f"({self.pick('n', '2', '-3')} ** {self.pick('2', '0', '3')})",
        )()

    def bound(self):
        return self.pick("", "0", "1", "2", "-1", "-2", "5", "none", "99")

    def list_of_text(self, d):
        return self.pick("ls", f"({self.text(d)}).split({self.pick('', chr(39) + 'l' + chr(39))})", f"({self.text(d)}).splitlines()", f"({self.text(d)})|list",
                         f"[{self.text(d)}, {self.text(d)}]", "ls|map('upper')|list", "d|list")

    def list(self, d):
        if d <= 0 or self.chance(0.2):
            return self.pick("l", "ls", "le", "lf", "m", "mix", "range(3)", "[1, 'a', none]", "(1, 2)", "d", "d.values()", "d.items()")
        a = lambda: self.list(d - 1)
        return self.pick(
            lambda: f"[{self.any(d - 1)}, {self.any(d - 1)}]", lambda: f"({a()})|list", lambda: f"({a()})|reverse|list", lambda: f"({a()})|map('string')|list",
            lambda: f"(({a()})|list)[{self.bound()}:{self.bound()}{self.pick('', ':-1')}]", lambda: f"({a()})|select({self.pick(chr(39) + 'string' + chr(39), '', chr(39) + 'none' + chr(39))})|list",
            lambda: f"({self.list_of_text(d - 1)})|{self.pick('sort', 'unique', 'sort(reverse=true)', 'sort(case_sensitive=true)')}|list",
            lambda: "m|selectattr('role', 'equalto', 'user')|list", lambda: "m|map(attribute='role')|list", lambda: "m|rejectattr('content', 'none')|list",
            lambda: "d|dictsort", lambda: "d|items|list", lambda: f"((({a()})|list) + (({a()})|list))", lambda: "m|sort(attribute='role')",
        )()

    def truth(self, d):
        a = lambda: self.truth(d - 1)
        if d <= 0 or self.chance(0.2):
            return self.pick("t", "no", "z", "e", "undef", "le", "de", "true", "not n")
        return self.pick(
            lambda: f"({self.any(d - 1)} is {self.pick('', 'not ')}{self.pick(*TESTS[:13])})", lambda: f"({self.number(d - 1)} {self.pick(*BINARY[9:15])} {self.number(d - 1)})",
            lambda: f"({self.text(d - 1)} {self.pick(*BINARY[9:])} {self.text(d - 1)})", lambda: f"(not {a()})", lambda: f"({a()} {self.pick('and', 'or')} {a()})",
            lambda: f"({self.any(d - 1)} in {self.list(d - 1)})", lambda: f"({self.any(d - 1)} {self.pick('==', '!=')} {self.any(d - 1)})",
            lambda: f"({self.text(d - 1)}).{self.pick('startswith', 'endswith')}({self.text(d - 1)})", lambda: f"(1 < {self.number(d - 1)} <= 5)",
        )()

    def any(self, d):
        if self.chance(0.1):
            return self.pick("no", "d", "de", "m[0]", "{'a': " + self.pick("1", "[none]", "2.0") + ", 'é': 'x'}", "d.C", "m[1].content")
        return self.pick(self.text, self.number, self.list, self.truth)(d)

    # Whatever: most of it fails.

    def atom(self):
        return self.pick("'" + self.pick(*WORDS) + "'", self.pick(*DATA, "undef", "loop", "namespace", "range"), self.pick(*DATA),
                         self.pick("0", "1", "-1", "3", "2.0", "none", "true", "[]", "{}", "()", "(1,2)", "range(3)", "m[0]", "m[0].k"))

    def wild(self, d):
        if d <= 0 or self.chance(0.1):
            return self.atom()
        a = lambda: self.wild(d - 1)
        return self.pick(
            lambda: f"({a()})|{self.pick(*FILTERS)}", lambda: f"({a()})|{self.pick(*FILTERS)}", lambda: f"({a()}).{self.pick(*METHODS)}", lambda: f"({a()}).{self.pick(*METHODS)}",
            lambda: f"(({a()}) is {self.pick('', 'not ')}{self.pick(*TESTS).replace(':', ' ')})", lambda: f"({a()} {self.pick(*BINARY)} {a()})",
            lambda: f"(not {a()})", lambda: f"(-({a()}))", lambda: f"({a()} if {a()})", lambda: f"(({a()})[{a()}])", lambda: f"[{a()}, {a()}]", lambda: f"({a()},)",
            lambda: "{" + f"{self.atom()}: {a()}" + "}",
        )()

    # Statements.

    def tag(self, inside, kind="%"):
        shut = {"{": "}"}.get(kind, kind)
        signs = ["", "", "-", "-"] + (["+"] if kind == "%" else [])
        return "{" + kind + self.pick(*signs) + " " + inside + " " + self.pick(*signs) + shut + "}"

    def space(self):
        return self.pick("", " ", "\n", "  \n", "\n  ", "text", "a\n\n b", "\t{ }\n")

    def out(self):
        return self.tag(self.any(2) if self.chance(0.85) else self.pick("x", "y", "w", "ns.a", "loop.index", "x, y"), "{")

    def body(self, d):
        return "".join(self.space() + self.statement(d) for _ in range(self.r.randrange(1, 4))) + self.space()

    def statement(self, d):
        t, b = self.tag, lambda: self.body(d - 1)
        if d <= 0:
            return self.out()
        return self.pick(
            self.out, self.out, self.out,
            lambda: t("if " + self.truth(2)) + b() + (t("elif " + self.truth(1)) + b() if self.chance(0.3) else "") + (t("else") + b() if self.chance(0.5) else "") + t("endif"),
            lambda: self.loop(d), lambda: self.loop(d), lambda: t(f"set {self.pick('x', 'y', 'w')} = {self.any(2)}"), lambda: t(f"set x, y = {self.any(1)}, {self.any(1)}"),
            lambda: t("set ns = namespace(a=1)") + b() + t("set ns.a = " + self.any(1)) + b(), lambda: t("set y" + self.pick("", " | upper", " | trim | length")) + b() + t("endset"),
            lambda: t(f"macro f({self.pick('', 'x', 'x, y=2', 'x=w')})") + b() + t("endmacro")
            + "{{ f(" + self.pick("", "1", "1, 2", "x=3", "1, 2, 3", "z=1") + ") }}",
            lambda: t("c " + self.space(), "#"), lambda: t("raw") + "{{ x }} " + self.space() + t("endraw"),
            lambda: t("generation") + b() + t("endgeneration"), lambda: t("filter " + self.pick("upper", "trim", "indent(2)")) + b() + t("endfilter"),
        )()

    def loop(self, d):
        t = self.tag
        body = self.body(d - 1)
        if self.chance(0.3):
            body += t("if " + self.pick("loop.first", "loop.last", "loop.index == 2", "x")) + t(self.pick("break", "continue")) + t("endif") + self.out()
        if self.chance(0.3):
            body += "{{ loop." + self.pick("index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem") + " }}"
        over = self.pick("x in " + self.list(1), "x in " + self.list(1), "x in m", "x, y in d.items()", "x, y in d|items", "x, y in d|dictsort", "x in s", "x, y in ls", "x in undef")
        return t("for " + over + self.pick("", "", " if x", " if loop is defined")) + body + (t("else") + self.body(d - 1) if self.chance(0.3) else "") + t("endfor")


def cases(seed, n, render):
    """n lists of a template, a kind and a text."""
    def late(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    m, out = Maker(seed), []
    while len(out) < n:
        k = m.r.random()
        source = "{{ " + m.any(m.r.randrange(1, 5)) + " }}" if k < 0.4 else "{{ " + m.wild(m.r.randrange(1, 5)) + " }}" if k < 0.6 else m.body(2)
        if len(source) > 1500:
            continue
        signal.alarm(5)
        try:
            kind, text = render(source, {**json.loads(json.dumps(DATA)), "tools": None, "documents": None, "add_generation_prompt": False})
        except TimeoutError:
            continue
        finally:
            signal.alarm(0)
        if len(text) > 5000 or "0x7" in text:  # an address, which no other process repeats
            continue
        out.append([source, kind, text if kind == "text" else ""])
    return out
