#!/usr/bin/env python3
"""A cddrec checkpoint as PyTorch tensors, and PyTorch tensors as a checkpoint that cddrec reads.

A checkpoint is DIR/model.safetensors: the tensors under PyTorch's names, `item_ids` (one id a line, in the order of the rows of
item_embedding.weight, which has one row more, for the mask), the settings as metadata, and at the head of the header the CRC-32 of the file.
Needs torch and safetensors. As a program it puts the checksum into a file that something else wrote: checkpoint.py FILE
"""
import json
import pathlib
import sys
import zlib

HEAD = b'{"__metadata__":{"checksum":"'
DIGITS = b"00000000"


def load(directory):
    """The tensors by name, the item ids in the order of their numbers, the metadata."""
    from safetensors import safe_open
    with safe_open(pathlib.Path(directory) / "model.safetensors", framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata()
    items = bytes(tensors.pop("item_ids").tolist()).decode().split("\n")[:-1]
    return tensors, items, metadata


def save(directory, model, settings, tensors, items):
    """Writes DIR/model.safetensors. `model` is cddrec or sasrec, say; settings that are left out are those of the command's older models."""
    import torch
    from safetensors.torch import save as to_bytes
    tensors = {name: value.detach().float().cpu().contiguous() for name, value in tensors.items()}
    tensors["item_ids"] = torch.tensor(list("".join(f"{i}\n" for i in items).encode()), dtype=torch.uint8)
    metadata = {"format": "cddrec 1", "model": model}
    for key, value in settings.items():
        metadata[f"settings.{key}"] = str(value).lower() if isinstance(value, bool) else str(value)
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    replace(directory / "model.safetensors", seal(to_bytes(tensors, metadata)))


def replace(path, content):
    """An interrupted or full write leaves the file that is there."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(content)
    fresh.replace(path)


def seal(file):
    """The bytes of a safetensors file with its checksum, computed as if its digits were zeros, at the head of the header."""
    length = int.from_bytes(file[:8], "little")
    header = json.loads(file[8:8 + length])
    metadata = header.pop("__metadata__", {})
    metadata.pop("checksum", None)
    text = json.dumps({"__metadata__": {"checksum": DIGITS.decode(), **metadata}, **header}, ensure_ascii=False, separators=(",", ":")).encode()
    assert text.startswith(HEAD + DIGITS)
    text += b" " * (-(8 + len(text)) % 64)
    whole = len(text).to_bytes(8, "little") + text + file[8 + length:]
    begin = 8 + len(HEAD)
    return whole[:begin] + b"%08x" % zlib.crc32(whole) + whole[begin + 8:]


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: checkpoint.py FILE")
    path = pathlib.Path(sys.argv[1])
    replace(path, seal(path.read_bytes()))
