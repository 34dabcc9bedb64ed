#!/usr/bin/python3
"""Makes the images and says how to boot them: show.py IMAGES CROSS PROCESSOR…"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import images

PORT = 8169  # the emulator's own
WORDS = {"service": "", "init": "-- run -c /miagent.conf",
         "alone": "rdinit=/miagent rootfstype=ramfs ip=dhcp -- "
                  "run --resource vault --source imds --file /token"}


def main() -> None:
    folder, cross = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    print("A metadata service for the guests, in another terminal:\n\n"
          f"    /usr/bin/python3 tests/emulator/emulator.py --listen 127.0.0.1:{PORT}\n")
    for processor in sys.argv[3:]:
        made = images.make(folder, cross, processor)
        machine = next(each for each in images.MACHINES if each.processor == processor)
        for image in made:
            print(f"{image.name}, {processor}: kernel {image.kernel.stat().st_size:,} bytes, "
                  f"initramfs {image.initramfs.stat().st_size:,}\n\n    "
                  + shlex.join(machine.command(image, PORT, WORDS[image.name])) + "\n")


if __name__ == "__main__":
    main()
