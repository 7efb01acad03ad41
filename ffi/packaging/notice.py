"""Writes whose code is in the C library, under which licence, with the licences' texts: notice.py OUT

Asks cargo for the crates that the library is linked from on this system, and reads the licence files that lie in them. Its own
code because cargo-about, which does this, is a program to install before the library can be.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The font that the library draws words with, its licence and the file that has the licence's text.
FONT = "Noto Sans 2.015, a subset: OFL-1.1", ROOT / "runtime/fonts/OFL.txt"
LICENCE = re.compile(r"(?i)^(licen[sc]e|copying|notice|unlicense)")


def cargo(*arguments):
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked():
    """Name and version of every crate that is linked, and not only run while building."""
    lines = cargo("tree", "--package", "mmnas-ffi", "--edges", "normal", "--prefix", "none", "--format", "{p}")
    found = (line.split() for line in lines.splitlines() if line and "(proc-macro)" not in line)
    return sorted({(name, version.removeprefix("v")) for name, version, *_ in found if not name.startswith("mmnas")})


def number(texts, file):
    """Number of a file's text, which joins `texts` unless it is there."""
    text = "\n".join(line.rstrip() for line in file.read_text(errors="replace").splitlines()).strip() + "\n"
    found, _ = texts.setdefault(hashlib.sha256(text.encode()).hexdigest(), (len(texts) + 1, text))
    return str(found)


def main():
    metadata = json.loads(cargo("metadata", "--format-version", "1"))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    texts, lines = {}, []
    for key in linked():
        package = packages[key]
        folder = pathlib.Path(package["manifest_path"]).parent
        files = sorted(path for path in folder.iterdir() if path.is_file() and LICENCE.match(path.name))
        numbers = [number(texts, file) for file in files]
        lines.append(f"{key[0]} {key[1]}: {package['license'] or 'see its text'}; texts {', '.join(numbers) or 'none'}\n")
    font, licence = FONT
    parts = ["libmmnas_runtime holds code of these crates, beside its own (MIT OR Apache-2.0).\n",
             "It holds Rust's standard library too (MIT OR Apache-2.0). ONNX Runtime is loaded and not a part of it.\n",
             "The numbers lead to the licences' texts below.\n\n", *lines,
             "\nIt holds a font, which it draws words with.\n\n", f"{font}; texts {number(texts, licence)}\n"]
    parts += [f"\n{'=' * 20} {key} {'=' * 20}\n\n{text}" for key, text in texts.values()]
    notice = "".join(parts)
    out = pathlib.Path(sys.argv[1])
    out.write_text(notice)
    print(f"{out}: {len(lines)} crates, {len(texts)} texts")


if __name__ == "__main__":
    main()
