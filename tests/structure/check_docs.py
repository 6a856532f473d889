#!/usr/bin/env python3
"""check_docs.py ROOT LIMBECK: documents that the program itself writes are the ones in docs/. To renew one: run its
command, as printed here, and commit the result."""

import difflib
import os
import subprocess
import sys

# file in docs/: arguments of limbeck that print it
GENERATED = {"experiments.md": ["docs"], "models.md": ["docs", "models"], "ops.md": ["docs", "ops"]}


def main():
    root, limbeck = sys.argv[1:3]
    stale = 0
    for name, arguments in GENERATED.items():
        path = os.path.join(root, "docs", name)
        printed = subprocess.run([limbeck, *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout
        with open(path, encoding="utf-8") as file:
            kept = file.read()
        if kept != printed:
            stale += 1
            sys.stdout.writelines(list(difflib.unified_diff(kept.splitlines(True), printed.splitlines(True), path, "printed"))[:60])
            print(f"\ndocs/{name} is not what the program says; renew it: limbeck {' '.join(arguments)} > docs/{name}")
    print("documents agree with the program" if not stale else f"{stale} stale")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
