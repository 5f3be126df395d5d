"""Weight files altered in every way that comes to mind, and how many of them are read all the same:

    python tests/altered_weights.py 50000

Bytes are altered and parsed in memory; `store.read` reads a file and calls the same function.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np

from pyapdraw.errors import WeightsError
from pyapdraw.weights import store


def specimen(seed: int = 0) -> store.Weights:
    """A small network's weights of several dtypes, with tensors that could change places."""
    random_numbers = np.random.default_rng(seed)
    tensors: dict[str, np.ndarray] = {}
    for name in ("whole.down.0", "whole.down.1", "nose", "fusion.last"):
        tensors[f"{name}.weight"] = random_numbers.normal(size=(2, 3, 3)).astype(np.float32)
        tensors[f"{name}.bias"] = random_numbers.normal(size=2).astype(np.float16)
        tensors[f"{name}.num_batches_tracked"] = np.array(random_numbers.integers(1, 9**9))
    tensors["empty"] = np.zeros((0, 3), np.float32)
    return store.Weights("apdrawing", "generator", {"ngf": 4, "levels": 8, "norm": "per_image"}, tensors)


def size_of(data: bytes) -> int:
    return int.from_bytes(data[:8], "little")


def with_header(data: bytes, text: bytes) -> bytes:
    """The file with another header."""
    return len(text).to_bytes(8, "little") + text + data[8 + size_of(data) :]


def flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ (1 << bit)]) + data[at + 1 :]


def a_bit(data: bytes, dice: random.Random) -> bytes:
    return flipped(data, dice.randrange(len(data)), dice.randrange(8))


def a_bit_of_the_header(data: bytes, dice: random.Random) -> bytes:
    return flipped(data, dice.randrange(8 + size_of(data)), dice.randrange(8))


def a_byte_of_the_header(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(8, 8 + size_of(data))
    return data[:at] + bytes([dice.choice(b'0123456789abcdefxyz"{}[]:,. \n')]) + data[at + 1 :]


def several_bits(data: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randrange(2, 9)):
        data = a_bit(data, dice)
    return data


def cut(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(len(data))]


def cut_in_front(data: bytes, dice: random.Random) -> bytes:
    return data[dice.randrange(1, len(data)) :]


def a_byte_less(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at + 1 :]


def appended(data: bytes, dice: random.Random) -> bytes:
    return data + dice.choice((b"\0", b" ", dice.randbytes(1))) * dice.randrange(1, 40)


def inserted(data: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + dice.choice((b"\0", b" ", dice.randbytes(1))) + data[at:]


def more_spaces(data: bytes, dice: random.Random) -> bytes:
    """Where JSON allows them, the size of the header put right."""
    text = data[8 : 8 + size_of(data)]
    at = dice.choice([i for i, byte in enumerate(text) if byte in b"{}[],:"] + [len(text)])
    return with_header(data, text[:at] + b" " * dice.choice((1, 8)) + text[at:])


def another_order(data: bytes, dice: random.Random) -> bytes:
    fields = list(json.loads(data[8 : 8 + size_of(data)]).items())
    if dice.random() < 0.3:
        about = list(fields[0][1].items())
        dice.shuffle(about)
        fields[0] = (fields[0][0], dict(about))
    else:
        dice.shuffle(fields)
    return with_header(data, json.dumps(dict(fields), separators=(",", ":")).encode())


def twice_the_same_key(data: bytes, dice: random.Random) -> bytes:
    text = data[8 : 8 + size_of(data)].rstrip()
    name, value = dice.choice(list(json.loads(text).items()))
    more = f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'))}".encode()
    return with_header(data, dice.choice((b"{" + more + b"," + text[1:], text[:-1] + b"," + more + b"}")))


def another_metadata(data: bytes, dice: random.Random) -> bytes:
    """One field said otherwise, the older format's tag among them."""
    fields = json.loads(data[8 : 8 + size_of(data)])
    about = fields["__metadata__"]
    changes = {"system": "apdrawing2", "part": "auxiliary", "format": store.FORMAT_1, "note": "x", "sha256": "0" * 64,
               "config": about["config"].replace("4", "5")}  # fmt: skip
    key = dice.choice(list(changes))
    about[key] = changes[key]
    text = json.dumps(fields, separators=(",", ":")).encode()
    return with_header(data, text + b" " * (-len(text) % 8))


def exchanged(data: bytes, dice: random.Random) -> bytes:
    """Two tensors of one kind under each other's names, or with each other's content."""
    fields = json.loads(data[8 : 8 + size_of(data)])
    alike: dict[str, list[str]] = {}
    for name, field in fields.items():
        if name != "__metadata__":
            alike.setdefault(f"{field['dtype']} {field['shape']}", []).append(name)
    first, second = dice.sample(dice.choice([names for names in alike.values() if len(names) > 1]), 2)
    if dice.random() < 0.5:
        fields[first], fields[second] = fields[second], fields[first]
        return with_header(data, json.dumps(fields, separators=(",", ":")).encode())
    body = bytearray(data[8 + size_of(data) :])
    places = [slice(*fields[name]["data_offsets"]) for name in (first, second)]
    body[places[0]], body[places[1]] = body[places[1]], body[places[0]]
    return data[: 8 + size_of(data)] + bytes(body)


def another_shape(data: bytes, dice: random.Random) -> bytes:
    fields = json.loads(data[8 : 8 + size_of(data)])
    names = [name for name, field in fields.items() if name != "__metadata__" and field["shape"]]
    field = fields[dice.choice(names)]
    other = {"F32": "I32", "F16": "I16", "I64": "F64"}
    if dice.random() < 0.5:
        field["shape"] = [1, *field["shape"]]
    else:
        field["dtype"] = other[field["dtype"]]
    return with_header(data, json.dumps(fields, separators=(",", ":")).encode())


# How, and the share of each; most are single bits, half of them in the header.
WAYS: dict[Callable[[bytes, random.Random], bytes], int] = {
    a_bit: 8, a_bit_of_the_header: 8, a_byte_of_the_header: 3, several_bits: 2, cut: 2, cut_in_front: 1, a_byte_less: 1,
    appended: 2, inserted: 2, more_spaces: 2, another_order: 1, twice_the_same_key: 1, another_metadata: 2,
    exchanged: 2, another_shape: 1,
}  # fmt: skip


def count_accepted(data: bytes, count: int, seed: int = 0) -> tuple[Counter[str], list[tuple[str, bytes]]]:
    """Alters a file `count` times. Returns how often in which way, and (way, bytes) of what was not refused."""
    dice = random.Random(seed)
    tried: Counter[str] = Counter()
    accepted = []
    while tried.total() < count:
        (way,) = dice.choices(list(WAYS), list(WAYS.values()))
        altered = way(data, dice)
        if altered == data:
            continue
        tried[way.__name__] += 1
        try:
            store.decode("altered", altered)
        except WeightsError:
            continue
        accepted.append((way.__name__, altered))
    return tried, accepted


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    began = time.perf_counter()
    tried, accepted = count_accepted(store.encode("specimen", specimen()), count)
    for way, times in tried.most_common():
        print(f"{way:22} {times:6}")
    print(f"{len(accepted)} of {count} accepted, {time.perf_counter() - began:.0f} s")
    print(*(f"{way}: {data!r}" for way, data in accepted[:5]), sep="\n", end="")


if __name__ == "__main__":
    main()
