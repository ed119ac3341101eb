"""Opens and makes sivcar's tokens with Tink alone: an independent reading of docs/formats.md, for comparisons in bulk.

    open_tokens.py KEYSET open < lines of {"token", "workspace", "domain", "pad"}   → the value as canonical JSON
    open_tokens.py KEYSET seal < lines of {"value", "workspace", "domain", "pad"}   → a JSON array of tokens, primary first

Null, and arrays that are not `whole`, are not sealed as such: ask for their elements. `open` also checks that the padding is right.
"""

import base64
import json
import re
import sys

from tink import daead, json_proto_keyset_format, secret_key_access


class Number(str):
    """A number's text as it stands in the document."""


class Members(list):
    """An object's members in order, duplicates included."""


def parse(line):
    return json.loads(line, parse_int=Number, parse_float=Number, object_pairs_hook=Members)


def number(text):
    sign, whole, fraction, exponent = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?", text).groups()
    digits = whole + (fraction or "")
    exponent = int(exponent or 0) - len(fraction or "")
    significant = digits.strip("0")
    if not significant:
        return "0"
    exponent += len(digits) - len(digits.rstrip("0"))
    if abs(exponent) > 10**9:
        raise ValueError("number out of range")
    if 0 <= exponent <= 64:
        return sign + significant + "0" * exponent
    if -64 <= exponent < 0:
        padded = significant.rjust(1 - exponent, "0")
        return f"{sign}{padded[:exponent]}.{padded[exponent:]}"
    return f"{sign}{significant}e{exponent}"


def quote(text):
    # Python's json escapes as canonical JSON does, but leaves lone surrogates raw
    return re.sub("[\ud800-\udfff]", lambda lone: f"\\u{ord(lone[0]):04x}", json.dumps(text, ensure_ascii=False))


def canonical(value):
    if isinstance(value, Number):
        return number(value)
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, Members):
        members = sorted(value, key=lambda member: member[0].encode("utf-8", "surrogatepass"))
        return "{" + ",".join(f"{quote(key)}:{canonical(inner)}" for key, inner in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return {None: "null", True: "true", False: "false"}[value]


def plaintext(value):
    if isinstance(value, str) and not isinstance(value, Number):
        try:
            return value.encode()
        except UnicodeEncodeError:
            pass
    return b"\xff" + canonical(value).encode().ljust(15)


def padded(text, pad):
    return text.ljust(max(1, -(-len(text) // pad)) * pad, b"\xfe") if pad else text


def ciphers(path):
    with open(path, encoding="utf-8") as file:
        keyset = json.load(file)
    enabled = [key["keyId"] for key in keyset["key"] if key["status"] == "ENABLED"]
    enabled.sort(key=lambda key_id: key_id != keyset["primaryKeyId"])
    for key_id in enabled:
        text = json.dumps({**keyset, "primaryKeyId": key_id})
        handle = json_proto_keyset_format.parse(text, secret_key_access.TOKEN)
        yield handle.primitive(daead.DeterministicAead)


def open_token(ask, keys):
    text = ask["token"].removeprefix("siv:")
    sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    whole = keys[0].decrypt_deterministically(sealed, associated(ask))
    value = whole.rstrip(b"\xfe")
    if padded(value, int(ask.get("pad", 0))) != whole:
        raise ValueError("the padding is not the domain's")
    return value[1:].decode().rstrip(" ") if value.startswith(b"\xff") else quote(value.decode())


def seal(ask, keys):
    text = padded(plaintext(ask["value"]), int(ask.get("pad", 0)))
    sealed = [cipher.encrypt_deterministically(text, associated(ask)) for cipher in keys]
    tokens = ["siv:" + base64.urlsafe_b64encode(one).decode().rstrip("=") for one in sealed]
    return json.dumps(tokens, separators=(",", ":"))


def associated(ask):
    return f"exact:{ask['workspace']}/{ask['domain']}".encode()


def main():
    daead.register()
    keys = list(ciphers(sys.argv[1]))
    answer = {"open": open_token, "seal": seal}[sys.argv[2]]
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    for line in sys.stdin:
        print(answer(dict(parse(line)), keys))


main()
