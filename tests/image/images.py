"""The images of a processor: what is in them, and how they are booted.

`service`: BusyBox and miagent, a service of BusyBox' init. `init`: miagent as the first process,
and what its network needs. The kernel of both is Debian's for clouds, as it is packaged. `alone`:
miagent, and a kernel built for it.
"""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence

import archive

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONFIG = HERE / "service/miagent.conf"
MODULES = ("failover", "net_failover", "virtio_net", "virtio_mmio")  # in this order

DEBIAN = {"x86_64": "amd64", "aarch64": "arm64"}
# x86's kernel stops where its timer doesn't tick within some loops; on a busy machine, an emulated
# one may not.
WORDS = {"x86_64": "console=ttyS0 no_timer_check", "aarch64": "console=ttyAMA0"}
# One CPU with all that qemu can emulate, but no cryptography in each return from a function.
CPUS = {"x86_64": "max", "aarch64": "max,pauth-impdef=on"}


@dataclass(frozen=True)
class Machine:
    """One that qemu emulates, as bare as it can be made."""

    name: str
    processor: str
    network_card: str
    # For a kernel without ACPI: more of -M, and what tells it of the network card. qemu can do so,
    # too, but at the line's end, where it would be miagent's argument.
    plain: str = ""
    plain_words: str = ""

    def command(self, image: Image, port: int, words: str = "") -> List[str]:
        """What boots an image with the console on standard input and output.

        What the guest sends to the metadata service goes to a port of this machine; nothing else
        can be reached from it. Its clock begins in 1970, as without one. `words` goes to the end
        of the kernel's line.
        """
        more, more_words = (self.plain, self.plain_words) if image.is_alone else ("", "")
        words = f"{WORDS[self.processor]} reboot=t panic=-1 {more_words} {words}"
        return [f"qemu-system-{self.processor}", "-accel", "tcg",
                "-M", self.name + more,
                "-cpu", CPUS[self.processor], "-m", "256", "-nodefaults", "-no-user-config",
                "-display", "none", "-serial", "stdio", "-rtc", "base=1970-01-01T00:00:00",
                "-netdev", "user,id=net,net=169.254.0.0/16,host=169.254.10.1,"
                "dhcpstart=169.254.10.15,restrict=on,guestfwd=tcp:169.254.169.254:80-cmd:"
                f"{sys.executable} {HERE / 'relay.py'} {port}",
                "-device", f"{self.network_card},netdev=net", "-kernel", str(image.kernel),
                "-initrd", str(image.initramfs), "-append",
                " ".join(words.split())]


MACHINES = (Machine("q35", "x86_64", "virtio-net-pci,romfile="),
            Machine("microvm", "x86_64", "virtio-net-device", ",acpi=off,auto-kernel-cmdline=off",
                    "virtio_mmio.device=512@0xfeb00e00:12"),
            Machine("virt", "aarch64", "virtio-net-device"))


@dataclass(frozen=True)
class Image:
    """An initramfs, as a file in a folder, beside its kernel."""

    name: str
    folder: Path

    @property
    def is_alone(self) -> bool:
        """Whether its kernel is the one that was built for it."""
        return self.name == "alone"

    @property
    def kernel(self) -> Path:
        return self.folder / ("alone.kernel" if self.is_alone else "kernel")

    @property
    def initramfs(self) -> Path:
        return self.folder / f"{self.name}.initramfs"


def busybox(processor: str) -> bytes:
    return (_package("busybox-static", processor) / "usr/bin/busybox").read_bytes()


def service_files(build: Path, processor: str) -> List[archive.Entry]:
    """BusyBox' init starts miagent, and again whenever it ends."""
    inittab = (HERE / "service/inittab").read_text(encoding="utf-8")
    own_lines = (ROOT / "packaging/busybox/inittab").read_text(encoding="utf-8")
    inittab = "".join(own_lines if line.startswith("# Here come") else line
                      for line in inittab.splitlines(keepends=True))
    return [
        archive.file("bin/busybox", busybox(processor), 0o755),
        archive.link("init", "bin/busybox"),
        archive.file("usr/bin/miagent", (build / "miagent").read_bytes(), 0o755),
        archive.file("etc/inittab", inittab.encode()),
        archive.file("etc/miagent.conf", CONFIG.read_bytes()),
        archive.file("etc/init.d/rcS", (HERE / "service/rcS").read_bytes(), 0o755),
        archive.file("etc/init.d/wait", (HERE / "service/wait").read_bytes(), 0o755),
        *(archive.file(f"lib/modules/{name}.ko", content)
          for name, content in _modules(processor).items()),
        *(archive.folder(name) for name in ("dev", "proc", "run", "sys")),
    ]


def init_files(build: Path, processor: str) -> List[archive.Entry]:
    """The kernel starts /init, which brings up the network and becomes miagent."""
    return [
        archive.file("init", (build / "image/start").read_bytes(), 0o755),
        archive.file("miagent", (build / "miagent").read_bytes(), 0o755),
        archive.file("miagent.conf", CONFIG.read_bytes()),
        archive.folder("proc"),
        archive.folder("run/tokens"),
        *(archive.file(f"{name}.ko", content) for name, content in _modules(processor).items()),
    ]


def alone_files(build: Path, _: str) -> List[archive.Entry]:
    """The kernel brings up the network, and starts miagent."""
    return [archive.file("miagent", (build / "miagent").read_bytes(), 0o755)]


FILES = {"service": service_files, "init": init_files, "alone": alone_files}


def make(folder: Path, cross: Path, processor: str) -> List[Image]:
    """Brings the kernels and writes the images; the product is that of `make cross`."""
    if processor not in DEBIAN:
        sys.exit(f"there is no image for {processor}, only for {' and '.join(DEBIAN)}")
    made = [Image(name, folder / processor) for name in FILES]
    made[0].folder.mkdir(parents=True, exist_ok=True)
    for image in made:
        shutil.copyfile(_path_from(HERE / "kernel.sh", processor) if image.is_alone else
                        next(_kernel(processor).glob("boot/vmlinuz-*")), image.kernel)
        image.initramfs.write_bytes(archive.pack(FILES[image.name](cross / processor, processor)))
    return made


def _kernel(processor: str) -> Path:
    return _package(f"linux-image-cloud-{DEBIAN[processor]}", processor)


def _modules(processor: str) -> Dict[str, bytes]:
    """The network card's drivers, unpacked: neither BusyBox nor `init` could do it."""
    found = {}
    for name in MODULES:
        path = next(_kernel(processor).glob(f"usr/lib/modules/*/kernel/**/{name}.ko.xz"))
        found[name] = lzma.decompress(path.read_bytes())
    return found


def _package(name: str, processor: str) -> Path:
    """A package of Debian's, unpacked, for a processor."""
    return _path_from(ROOT / "toolchains/fetch.sh", f"package:{name}", DEBIAN[processor])


def _path_from(script: Path, *words: str) -> Path:
    """What a script made or brought: it says where that is."""
    done = subprocess.run([str(script), *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{script} {' '.join(words)}: exit {done.returncode}")
    return Path(done.stdout.strip())
