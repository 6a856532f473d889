#!/usr/bin/env python3
"""check_structure.py ROOT: reads the source tree and fails when it is not laid out as docs say.

  - a folder of host/ includes only itself and the folders it may stand on;
  - every line of a registry.def has its file, a documented one, and every op its generic kernel or a word why not;
  - kernels include nothing, and a variant in cpu/ or gpu/ has its stem in generic/ ;
  - files are at most 400 lines (a note; 600: an error), comments at most 132 columns (a note; code is clang-format's matter);
  - header guards follow the path;
  - no mark of unfinished work is left."""

import os
import re
import sys

# folder: what it may include, directly; itself and everything those may include come with it. This is the picture of
# docs/tour.md and the DEPENDS lines of CMakeLists.txt, which are compared with it.
DEPENDS = {
    "base": [],
    "device": ["base"],
    "tensor": ["device"],
    "ops": ["tensor"],
    "data": ["tensor"],
    "comm": ["tensor"],
    "graph": ["ops"],
    "optim": ["graph"],
    "model": ["graph"],
    "distill": ["model", "optim", "data"],
    "compress": ["model", "optim"],
    "place": ["model", "optim"],
    "train": ["distill", "compress", "place", "data", "comm"],
    "report": ["train"],
    "cli": ["report"],
}
JOINED = {"matrix_units", "vector"}  # kernel files that come before others in one program, of which they are no variant
SOFT_LINES, HARD_LINES = 400, 600
COMMENT_COLUMNS = 132
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")

problems, warnings = [], []


def reachable(folder):
    seen, stack = {folder}, [folder]
    while stack:
        for below in DEPENDS[stack.pop()]:
            if below not in seen:
                seen.add(below)
                stack.append(below)
    return seen


def files_under(root, folder, *endings):
    for place, folders, names in os.walk(os.path.join(root, folder)):
        folders.sort()
        for name in sorted(names):
            if name.endswith(endings):
                yield os.path.relpath(os.path.join(place, name), root)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read().split("\n")


def check_cmake(root):
    """The same arrows in CMakeLists.txt, since the linker is the one that cares."""
    text = "\n".join(read(root, "CMakeLists.txt"))
    found = {}
    for name, rest in re.findall(r"^limbeck_folder\((\w+)([^)]*)\)", text, re.M):
        match = re.search(r"DEPENDS((?: [a-z]+)+)", rest)
        found[name] = match.group(1).split() if match else []
    for name in sorted(set(found) | set(DEPENDS)):
        if sorted(found.get(name, ["(absent)"])) != sorted(DEPENDS.get(name, ["(absent)"])):
            problems.append(f"CMakeLists.txt: folder {name} depends on {found.get(name)}, the structure says {DEPENDS.get(name)}")


def check_includes(root):
    for path in files_under(root, "host", ".c", ".h", ".def"):
        parts = path.split(os.sep)
        if len(parts) < 3:
            continue  # host/main.c may see everything
        if parts[1] not in DEPENDS:
            problems.append(f"{path}: no folder of this name is known; add it to DEPENDS here and to CMakeLists.txt")
            continue
        allowed = reachable(parts[1])
        for number, line in enumerate(read(root, path), 1):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if not match:
                continue
            target = match.group(1)
            if not os.path.exists(os.path.join(root, "host", target)):
                problems.append(f"{path}:{number}: include \"{target}\" is not a path from host/")
            elif target.split("/")[0] not in allowed:
                problems.append(f"{path}:{number}: {parts[1]} may not include {target.split('/')[0]} (it may: {', '.join(sorted(allowed))})")


def registry_entries(root):
    """(kind, name, folder) of every line of every registry.def."""
    for path in files_under(root, "host", "registry.def"):
        for line in read(root, path):
            match = re.match(r"LBK_([A-Z]+)\((\w+)\)", line)
            if match:
                yield match.group(1), match.group(2), path.split(os.sep)[1]


def check_registries(root):
    for kind, name, folder in registry_entries(root):
        found = [p for p in files_under(root, os.path.join("host", folder), ".c") if os.path.basename(p) == name + ".c"]
        if len(found) != 1:
            problems.append(f"host/{folder}/registry.def: LBK_{kind}({name}) has {len(found)} files {name}.c")
            continue
        text = "\n".join(read(root, found[0]))
        if not re.match(r"/\*", text):
            problems.append(f"{found[0]}: begins without a comment that says what it is")
        if kind == "OP" and "lbk_emit_" in text:
            check_op_kernels(root, found[0], text)


def check_op_kernels(root, path, text):
    """A kernel file that an op names must exist; each tuned one needs the generic fallback."""
    for name in sorted(set(re.findall(r'["+]((?:generic|cpu|gpu)/\w+)(?=["+])', text))):
        if not os.path.exists(os.path.join(root, "kernels", name + ".cl")):
            problems.append(f"{path}: names kernels/{name}.cl, which is not there")


def check_kernels(root):
    generic = {os.path.basename(p) for p in files_under(root, "kernels/generic", ".cl")}
    for path in files_under(root, "kernels", ".cl"):
        lines = read(root, path)
        if not lines[0].startswith("/*"):
            problems.append(f"{path}: begins without a comment that gives formula, shapes and mapping")
        for number, line in enumerate(lines, 1):
            if re.match(r"\s*#\s*include\b", line):
                problems.append(f"{path}:{number}: kernels compile without #include: the host joins files")
        # conv2d_winograd.cl is another algorithm for conv2d.cl: an op's name, then the algorithm's.
        stem = os.path.basename(path)[: -len(".cl")]
        names = [stem[:end] + ".cl" for end in range(1, len(stem) + 1) if end == len(stem) or stem[end] == "_"]
        if os.sep + "generic" + os.sep not in path and stem not in JOINED and not any(name in generic for name in names):
            problems.append(f"{path}: has no kernels/generic/{stem}.cl to fall back on")


def is_comment(line, inside):
    return inside or line.lstrip().startswith(("/*", "*", "//")) or "/*" in line or "//" in line


def check_texts(root):
    paths = [p for folder in ("host", "kernels", "tests") for p in files_under(root, folder, ".c", ".h", ".cl")]
    for path in paths:
        lines = read(root, path)
        count = len(lines) - 1
        if count > HARD_LINES:
            problems.append(f"{path}: {count} lines, at most {HARD_LINES}")
        elif count > SOFT_LINES:
            warnings.append(f"{path}: {count} lines, better under {SOFT_LINES}")
        inside = False
        for number, line in enumerate(lines, 1):
            if len(line) > COMMENT_COLUMNS and is_comment(line, inside):
                warnings.append(f"{path}:{number}: {len(line)} columns, better under {COMMENT_COLUMNS}")
            if line.rstrip() != line or "\t" in line:
                problems.append(f"{path}:{number}: tab, or blanks at the end")
            if "/*" in line or "*/" in line:
                inside = line.rfind("/*") > line.rfind("*/")
            if UNFINISHED.search(line):
                problems.append(f"{path}:{number}: unfinished: {line.strip()}")


def check_guards(root):
    for path in files_under(root, "host", ".h"):
        parts = path.split(os.sep)[1:]
        guard = "LBK_" + re.sub(r"\W", "_", "_".join(parts)).upper()
        text = "\n".join(read(root, path))
        if not re.search(rf"^#ifndef {guard}\n#define {guard}\n", text, re.M):
            problems.append(f"{path}: expected the header guard {guard}")


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else "."
    for check in (check_cmake, check_includes, check_registries, check_kernels, check_texts, check_guards):
        check(root)
    for line in warnings:
        print("note:", line)
    for line in problems:
        print(line)
    print(f"{len(problems)} problems" if problems else "the tree is as the documents say")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
