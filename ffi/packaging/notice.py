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
LICENCE = re.compile(r"(?i)^(licen[sc]e|copying|notice|unlicense)")


def cargo(*arguments):
    command = ["cargo", *arguments, "--locked"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def linked():
    """Name and version of every crate that is linked, and not only run while building."""
    lines = cargo("tree", "--package", "mmnas-ffi", "--edges", "normal", "--prefix", "none", "--format", "{p}")
    found = (line.split() for line in lines.splitlines() if line and "(proc-macro)" not in line)
    return sorted({(name, version.removeprefix("v")) for name, version, *_ in found if not name.startswith("mmnas")})


def main():
    metadata = json.loads(cargo("metadata", "--format-version", "1"))
    packages = {(package["name"], package["version"]): package for package in metadata["packages"]}
    texts, lines = {}, []
    for key in linked():
        package = packages[key]
        folder = pathlib.Path(package["manifest_path"]).parent
        numbers = []
        for file in sorted(path for path in folder.iterdir() if path.is_file() and LICENCE.match(path.name)):
            text = "\n".join(line.rstrip() for line in file.read_text(errors="replace").splitlines()).strip() + "\n"
            digest = hashlib.sha256(text.encode()).hexdigest()
            number, _ = texts.setdefault(digest, (len(texts) + 1, text))
            numbers.append(str(number))
        lines.append(f"{key[0]} {key[1]}: {package['license'] or 'see its text'}; texts {', '.join(numbers) or 'none'}\n")
    parts = ["libmmnas_runtime holds code of these crates, beside its own (MIT OR Apache-2.0).\n",
             "It holds Rust's standard library too (MIT OR Apache-2.0). ONNX Runtime is loaded and not a part of it.\n",
             "The numbers lead to the licences' texts below.\n\n", *lines]
    parts += [f"\n{'=' * 20} {number} {'=' * 20}\n\n{text}" for number, text in texts.values()]
    notice = "".join(parts)
    out = pathlib.Path(sys.argv[1])
    out.write_text(notice)
    print(f"{out}: {len(lines)} crates, {len(texts)} texts")


if __name__ == "__main__":
    main()
