#!/usr/bin/env python3
"""`limbeck reproduce`: a table that was killed and interrupted ends as one left alone; what is shared is trained once; a run that
fails is reported and the others go on; the printed figures are those of the runs.

usage: check_reproduce.py LIMBECK SOURCE_FOLDER
Standard library only."""
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

LIMBECK, SOURCE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
EXPERIMENT = """[experiment]
name = small
checkpoint = 0
[data]
dataset = digits
batch = 128
labels = 0.2
[teacher]
model = mlp-wide
epochs = 2
[student]
model = mlp-tiny
epochs = 12
lr = 0.1
[distill]
methods = kd
"""
TABLE = """[table]
summary = a table for a test
experiment = small.ini
seeds = 2
[column.few]
title = few labels
[column.more]
data.labels = 0.6
[row.teacher]
expected = few:90, more:91.5
source = nowhere
[row.t1]
distill.kd.temperature = 1
[row.t4]
title = T = 4
distill.kd.temperature = 4
expected = more:80
"""
COLUMNS, ROWS, SEEDS = ("few", "more"), ("t1", "t4"), (1, 2)
LIMIT = 900  # seconds; what has not ended by then never will
TRIES = 30


def need(condition, text):
    if not condition:
        print("FAILED:", text)
        sys.exit(1)


def start(*words):
    return subprocess.Popen([LIMBECK, "reproduce", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process, status=0):
    out, errors = process.communicate(timeout=LIMIT)
    need(process.returncode == status, f"exit status {process.returncode}, expected {status}: {out}{errors}")
    return out, errors


def reproduce(*words, status=0):
    return finish(start(*words), status)


def read(*parts):
    with open(os.path.join(*parts), "rb") as file:
        return file.read()


def phases(*folder):
    """The networks that a run trained."""
    return {json.loads(line)["phase"] for line in read(*folder, "metrics.jsonl").splitlines()}


def folders(out):
    for column in COLUMNS:
        for row in ("alone", *ROWS):
            for seed in SEEDS:
                yield os.path.join(out, column, row, f"seed{seed}")


def without_times(table):
    return {key: value for key, value in table.items() if key != "seconds"}


def accuracy(out, column, row, seed, role):
    return 100 * json.loads(read(out, column, row, f"seed{seed}", "result.json"))[role]["test"]["accuracy"]


def close(a, b):
    return abs(a - b) <= 1e-9


def check_figures(table):
    """table.json against the result.json of every run."""
    for row in table["rows"]:
        name = row["name"]
        for column, cell in row["columns"].items():
            place, role = {"teacher": ("alone", "teacher"), "control": ("alone", "control")}.get(name, (name, "student"))
            values = [accuracy("alone", column, place, seed, role) for seed in SEEDS]
            need(all(map(close, cell["accuracy"], values)), f"{name} {column}: {cell}, runs say {values}")
            need(close(cell["mean"], statistics.mean(values)) and close(cell["deviation"], statistics.stdev(values)), f"{cell}")
            if name in ROWS:
                control = statistics.mean(accuracy("alone", column, "alone", seed, "control") for seed in SEEDS)
                need(close(cell["difference_to_control"], cell["mean"] - control), f"{name} {column}: {cell}")
    cells = {row["name"]: row["columns"] for row in table["rows"]}
    need(list(cells) == ["teacher", "control", *ROWS] and all(list(row) == list(COLUMNS) for row in cells.values()), f"{list(cells)}")
    need(cells["teacher"]["more"]["expected"] == 91.5 and cells["t4"]["more"]["expected"] == 80, "expected")
    need("expected" not in cells["t4"]["few"], "a value nobody expects")
    need(close(cells["t4"]["more"]["difference_to_expected"], cells["t4"]["more"]["mean"] - 80), "difference to expected")
    return cells


def check_alone():
    out, _ = reproduce("table.ini", "--out", "alone", "--quiet")
    table = json.loads(read("alone", "table.json"))
    cells = check_figures(table)
    need(out.encode() == read("alone", "table.md"), "what is printed is not table.md")
    t4 = cells["t4"]["more"]
    for part in (f"| T = 4 | {cells['t4']['few']['mean']:.2f} \u00b1 ", f" {t4['mean']:.2f} \u00b1 {t4['deviation']:.2f} ({t4['difference_to_control']:+.2f}) |",
                 "| | few labels | more |\n", f"| 91.50 | {cells['teacher']['more']['mean'] - 91.5:+.2f} | nowhere |\n", "\n12 runs, ",
                 "teacher on "):
        need(part in out, f"table.md lacks '{part}': {out}")
    need((table["runs"], table["failures"]) == (12, 0) and table["devices"] and table["seconds"] > 0, f"{table}")
    for folder in folders("alone"):
        expected = {"teacher", "control"} if "/alone/" in folder else {"student"}
        need(phases(folder) == expected, f"{folder} trained {phases(folder)}")
    for column in COLUMNS:
        need(read("alone", column, "t1", "seed1", "teacher.safetensors") == read("alone", column, "alone", "seed1", "teacher.safetensors"),
             "a row has another teacher")
    need(read("alone", "few", "alone", "seed1", "teacher.safetensors") != read("alone", "few", "alone", "seed2", "teacher.safetensors"),
         "the seed does nothing")
    before = {folder: os.stat(os.path.join(folder, "result.json")).st_mtime_ns for folder in folders("alone")}
    need(reproduce("table.ini", "--out", "alone", "--quiet")[0] == out, "a second time prints something else")
    need(all(os.stat(os.path.join(f, "result.json")).st_mtime_ns == t for f, t in before.items()), "a finished run was run again")
    return table


def stop_within(run, number):
    """Sends a signal in the middle of a run of the table and returns what the program said. On a machine that does other things first
    the run may be over by then: it is done again, with all that comes after it."""
    for _ in range(TRIES):
        process = start("table.ini", "--out", "killed", "--quiet")
        while process.poll() is None and not os.path.exists(f"{run}/checkpoint/student.safetensors"):
            time.sleep(0.001)
        process.send_signal(number)
        out, errors = process.communicate(timeout=LIMIT)
        need(process.returncode in (0, 130 if number == signal.SIGINT else -number), f"exit status {process.returncode}: {out}{errors}")
        if process.returncode and not os.path.exists(f"{run}/result.json"):
            return errors
        shutil.rmtree(run)
        if os.path.exists("killed/table.json"):
            os.remove("killed/table.json")
    need(False, f"{run} was over before each of {TRIES} signals")


def check_killed(alone):
    """Killed in the middle of a row's run, interrupted in the middle of another one, then left to end."""
    stop_within("killed/few/t4/seed1", signal.SIGKILL)
    errors = stop_within("killed/more/t1/seed1", signal.SIGINT)
    need("the same command goes on" in errors and not os.path.exists("killed/table.json"), errors)
    out, _ = reproduce("table.ini", "--out", "killed", "--json")
    need(without_times(json.loads(out)) == without_times(alone), f"another table: {out}")
    for folder in folders("killed"):
        name = "control.safetensors" if "/alone/" in folder else "student.safetensors"
        for same in (name, "metrics.jsonl"):
            need(read(folder, same) == read(folder.replace("killed", "alone", 1), same), f"{folder}/{same} differs from the one left alone")


def check_failures():
    with open("failing.ini", "w") as file:
        file.write(TABLE + "[row.bad]\nstudent.lr = 1000\nstudent.weight_decay = 10\nstudent.momentum = 0\n[row.typo]\ndistill.kd.temprature = 3\n")
    out, errors = reproduce("failing.ini", "--out", "failing", "--columns", "few", "--seeds", "1", status=4)
    need("2 of 5 runs failed" in errors, errors)
    for part in ("| bad | - |\n", "| typo | - |\n", "- failing/few/bad/seed1: student: step ", "[distill.kd] temprature: unknown key",
                 "\n3 runs, "):
        need(part in out, f"lacks '{part}': {out}")
    need(re.search(r"\n\| T = 4 \| \d+\.\d\d \([+-]\d+\.\d\d\) \|\n", out), f"the others have gone on: {out}")
    out, _ = reproduce("failing.ini", "--out", "failing", "--columns", "few", "--seeds", "1", "--only", "t4", "--json")
    table = json.loads(out)
    need([row["name"] for row in table["rows"]] == ["teacher", "control", "t4"], "--only")
    need(all(list(row["columns"]) == ["few"] for row in table["rows"]), "--columns")
    _, errors = reproduce("failing.ini", "--out", "failing", "--columns", "few", "--seeds", "1", "--only", "t4", "--quiet",
                          "--set", "student.epochs=13", status=2)
    need("2 of 2 runs failed" in errors, errors)
    need("the run was started with other settings" in read("failing", "table.md").decode(), "other settings in the same folder")


def check_shared_teacher():
    with open("shared.ini", "w") as file:
        file.write(TABLE.replace("seeds = 2", "seeds = 2\nteacher_seed = 2"))
    out, _ = reproduce("shared.ini", "--columns", "few", "--only=t4", "--json", "--set", "student.epochs=1", "--set", "teacher.epochs=1")
    cells = {row["name"]: row["columns"]["few"] for row in json.loads(out)["rows"]}
    need(cells["teacher"]["accuracy"][0] is None and cells["teacher"]["accuracy"][1] > 0, f"{cells}")
    need(None not in cells["control"]["accuracy"] + cells["t4"]["accuracy"], f"{cells}")
    base = "runs/tables/shared/few"
    need(phases(base, "alone", "seed2") == {"teacher", "control"} and phases(base, "alone", "seed1") == {"control"}, "one teacher")
    need(read(base, "t4", "seed1", "teacher.safetensors") == read(base, "alone", "seed2", "teacher.safetensors"), "one teacher")


def check_refusals():
    for message, *words in (("--only: the table has no \"t5\"; did you mean \"t1\"?", "table.ini", "--only", "t5"),
                            ("--columns: the table has no \"nonsense\"", "table.ini", "--columns", "nonsense"),
                            ("--set \"experiment.seed=3\": a table sets this itself", "table.ini", "--set", "experiment.seed=3"),
                            ("--seeds: 1 leaves out the teacher's seed, teacher_seed = 2", "shared.ini", "--seeds", "1"),
                            ("there is no table \"digit\"; did you mean \"digits\"?", "digit")):
        _, errors = reproduce(*words, "--out", "refused", status=2)
        need(message in errors, f"expected '{message}', got '{errors}'")
    need(not os.path.exists("refused"), "something was written")


def main():
    alone = check_alone()
    check_killed(alone)
    check_failures()
    check_shared_teacher()
    check_refusals()
    print("tables say what their runs say")


os.environ.setdefault("LIMBECK_HOME", SOURCE)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    for name, text in (("small.ini", EXPERIMENT), ("table.ini", TABLE)):
        with open(name, "w") as file:
            file.write(text)
    main()
    os.chdir("/")
