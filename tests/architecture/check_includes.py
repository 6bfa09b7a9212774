#!/usr/bin/env python3
"""Checks that every room includes only itself and the rooms below it.

usage: check_includes.py [SOURCE_DIR]     scans src/ and include/echopath/, prints file:line of each
                                          forbidden include, and exits 1 where there is one
       check_includes.py --self-test      shows that the scan finds what it should
"""

import pathlib
import re
import sys
import tempfile

# Highest first; docs/architecture.md says what each room holds.
ROOMS = ["cli", "evaluation", "training", "generation", "models", "diffusion", "nn", "phantom", "data",
         "distributed", "io", "config", "core"]
# Rooms that may use less than the order allows.
ONLY = {"diffusion": ["core"], "nn": ["core"]}

INCLUDE = re.compile(r'^\s*#\s*include\s*["<](?:echopath/)?([a-z_]+)/([^">]+)[">]')


def allowed(room):
    return {room, *ONLY.get(room, ROOMS[ROOMS.index(room):])}


def room_of(path, source):
    """The room of a source file, or None where it lies in no known room."""
    parts = path.relative_to(source).parts
    room = parts[2] if parts[0] == "include" else parts[1]
    return room if room in ROOMS and len(parts) > 2 else None


def problems_of(path, source):
    where = path.relative_to(source)
    room = room_of(path, source)
    if room is None:
        yield f"{where}:1: this file lies in no room; the rooms are {', '.join(ROOMS)}"
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = INCLUDE.match(line)
        if not match or match[1] not in ROOMS:
            continue
        target = match[1]
        if target not in allowed(room):
            below = ", ".join(sorted(allowed(room) - {room}, key=ROOMS.index)) or "none"
            yield f"{where}:{number}: {room} may not include {target}/{match[2]}; allowed rooms: {below}"
        elif target != room and not re.match(r'.*["<]echopath/', line):
            yield f"{where}:{number}: {target}/{match[2]} is a private header of another room"


def scan(source):
    files = [path for folder in ("src", "include/echopath") for pattern in ("*.cpp", "*.hpp")
             for path in (source / folder).rglob(pattern)]
    return len(files), [problem for path in sorted(files) for problem in problems_of(path, source)]


def self_test():
    cases = {
        ("src/io/a.cpp", '#include "echopath/core/files.hpp"\n'): None,
        ("src/io/a.cpp", '#include "io/a.hpp"\n'): None,
        ("src/io/a.cpp", "#include <vector>\n#include <opencv2/core.hpp>\n"): None,
        ("src/io/a.cpp", '\n#include "echopath/training/train.hpp"\n'): "src/io/a.cpp:2: io may not",
        ("include/echopath/nn/a.hpp", "#  include <echopath/config/options.hpp>\n"):
            "include/echopath/nn/a.hpp:1: nn may not",
        ("src/cli/a.cpp", '#include "training/private.hpp"\n'): "src/cli/a.cpp:1: training/private.hpp",
        ("src/elsewhere/a.cpp", ""): "src/elsewhere/a.cpp:1: this file lies in no room",
        ("src/loose.cpp", ""): "src/loose.cpp:1: this file lies in no room",
    }
    failures = 0
    for (name, text), expected in cases.items():
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
            count, problems = scan(pathlib.Path(folder))
            found = problems[0] if problems else None
            right = count == 1 and (found is None if expected is None
                                    else found is not None and found.startswith(expected))
            if not right:
                failures += 1
                print(f"{name} {text!r}: expected {expected!r}, found {problems!r}")
    print(f"{len(cases) - failures} of {len(cases)} cases right")
    return failures


def main(arguments):
    if arguments == ["--self-test"]:
        return 1 if self_test() else 0
    source = pathlib.Path(arguments[0] if arguments else ".").resolve()
    count, problems = scan(source)
    for problem in problems:
        print(problem)
    print(f"{count} files scanned, {len(problems)} forbidden includes")
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
