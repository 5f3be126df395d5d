"""Writes the second half of pyapdraw/_C.pyi: the operations and their records of options, as the built module has them.

    python csrc/bindings/stub.py

pybind11 puts the signature of a function into its docstring, with the names and defaults of module.cpp.
"""

import re
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
STUB = ROOT / "pyapdraw" / "_C.pyi"
MARK = "# From here on written by csrc/bindings/stub.py.\n"
WIDTH = 120

# What pybind11 writes -> what a reader of the stub needs.
PLAIN = {
    r"typing\.SupportsInt \| typing\.SupportsIndex": "int",
    r"typing\.SupportsFloat \| typing\.SupportsIndex": "float",
    r"typing\.Annotated\[collections\.abc\.(Sequence\[\w+\]), \"FixedSize\(\d+\)\"\]": r"\1",
    r": array\b": ": Array",
    r"\w+\._C\.BareContext = <.*?>": "Context = ...",
    r"\w+\._C\.InkOptions = <.*?>": "InkOptions = ...",
    r"\w+\._C\.": "",
    r"self: \w+": "self",
    "'": '"',
    r"\d\.\d{9,}": lambda m: f"{float(m[0]):.7g}",  # a default of single precision
}


def definition(signature: str, indent: str = "") -> str:
    """`def name(...) -> None: ...` of the first line of a docstring, broken as ruff breaks it."""
    for pattern, plain in PLAIN.items():
        signature = re.sub(pattern, plain, signature)
    whole = f"{indent}def {signature}: ..."
    if len(whole) <= WIDTH:
        return whole
    name, rest = signature.split("(", 1)
    arguments, result = rest.rsplit(")", 1)
    inside = f"{indent}    {arguments}"
    if len(inside) > WIDTH:
        inside = "\n".join(f"{indent}    {a}," for a in arguments.split(", "))
    return f"{indent}def {name}(\n{inside}\n{indent}){result}: ..."


def first_line(thing: object) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


def written(module: ModuleType, by_hand: str) -> str:
    """What follows the hand-written half of the stub: every name of the module that is not in that."""
    names = [n for n in dir(module) if not re.search(rf"^(def|class) {n}\b|^{n}: ", by_hand, re.M) and n[0] != "_"]
    records = [n for n in names if isinstance(getattr(module, n), type) and n != "BareContext"]
    operations = list(next(iter(module.backends().values())))
    inner = module.inner_operations()
    lines = []
    for name in records:
        lines += [f"class {name}:", definition(first_line(getattr(module, name).__init__), "    "), ""]
    lines += [definition(first_line(getattr(module, op))) for op in operations if op not in inner]
    lines += ["", "# Inner: no function of pyapdraw.ops has the name."]
    lines += [definition(first_line(getattr(module, op))) for op in operations if op in inner]
    return MARK + "\n".join(lines) + "\n"


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from pyapdraw import _C

    by_hand = STUB.read_text(encoding="utf-8").partition(MARK)[0]
    STUB.write_text(by_hand + written(_C, by_hand), encoding="utf-8")


if __name__ == "__main__":
    main()
