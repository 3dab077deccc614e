"""`kohl fetch` against a server with faults, folders, and an npm that is a script.

    fetch.py BUILD

Whatever the server does: exit code and words as documented, FILE only with the right bytes, FILE.part only where it can be
gone on with, and the next call against a good server ends with the right bytes.  Prints TAP.
"""
import csv
import hashlib
import io
import json
import os
import pty
import random
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "fetch"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))
from runs import Report
from server import Server

BUILD = sys.argv[1]
KOHL, SHIM = os.path.abspath(f"{BUILD}/kohl"), os.path.abspath(f"{BUILD}/faults/fail_io.so")
USAGE, INPUT, RESOURCE, INTERRUPTED = 1, 2, 4, 130
SIZE = 300000
report = Report()
data = random.Random(5).randbytes(SIZE)
other = random.Random(6).randbytes(1000)
server = Server({"a.bin": data, "eight.bin": data, "md5.bin": data, "none.bin": data, "sized.bin": data, "zero.bin": b"", "pack-1.2.3.tgz": other})
sha, md5 = hashlib.sha256(data).hexdigest(), hashlib.md5(data).hexdigest()
scratch = os.path.realpath(tempfile.mkdtemp())
cache = os.path.join(scratch, "cache")


def entry(name, digest, **more):
    return {"name": name, "file": f"{name}.bin", "address": f"{server.base}/good/{name}.bin", "digest": digest, **more}


ENTRIES = [entry("a", f"sha256:{sha}", arch="vgg19", preset="torchvision", licence="MIT"), entry("eight", f"sha256:{sha[:8]}", arch="vgg19"),
           entry("md5", f"md5:{md5}", arch="vgg19", preset="keras-caffe", no_top=True), entry("none", "", arch="vgg19", inside="x.ckpt"),
           entry("sized", f"sha256:{sha}", bytes=SIZE), entry("zero", "md5:d41d8cd98f00b204e9800998ecf8427e"),
           {"name": "pack", "file": "pack-1.2.3.tgz", "address": "npm:@scope/pack@1.2.3", "arch": "vgg19", "preset": "slim",
            "digest": f"sha256:{hashlib.sha256(other).hexdigest()}"}]
manifest = os.path.join(scratch, "manifest.json")
with open(manifest, "w", encoding="utf-8") as out:
    json.dump({"files": ENTRIES}, out)
CLEAN = {"PATH": "/usr/bin:/bin", "HOME": scratch, "LC_ALL": "C", **{k: v for k, v in os.environ.items() if "SAN_OPTIONS" in k}}


def path(name="a.bin"):
    return os.path.join(cache, name)


def command(*argv, where=cache):
    return [KOHL, "fetch", *argv, "--manifest", manifest, *(["--cache", where] if where else [])]


def run(*argv, where=cache, env=None, cwd=None):
    done = subprocess.run(command(*argv, where=where), env={**CLEAN, **(env or {})}, capture_output=True, text=True, timeout=60, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def bytes_of(name):
    try:
        with open(name, "rb") as file:
            return file.read()
    except OSError:
        return None


def fresh(**files):
    """An empty cache, but for these files (part="...": a.bin.part)."""
    shutil.rmtree(cache, ignore_errors=True)
    os.makedirs(cache)
    for name, content in files.items():
        with open(path({"part": "a.bin.part", "whole": "a.bin", "sized_part": "sized.bin.part"}[name]), "wb") as file:
            file.write(content)
    server.take_log()


def check(text, done, code, words, listing, lines=None, name="a"):
    """One run: exit code, words on standard error (separated by |), number of lines there, and what is in the cache; where it
    failed, the next run against the good server must succeed."""
    wrong = []
    got, out, said = done
    if got != code:
        wrong.append(f"exit {got}, expected {code}")
    wrong += [f"no '{word}'" for word in words.split("|") if word and word not in said]
    if lines is not None and len(said.splitlines()) != lines:
        wrong.append(f"{len(said.splitlines())} lines, expected {lines}")
    if any(not line.startswith("kohl fetch: ") for line in said.splitlines()):
        wrong.append("a line that does not begin with kohl fetch:")
    there = {entry: os.path.getsize(path(entry)) for entry in sorted(os.listdir(cache))} if os.path.isdir(cache) else {}
    if there != listing:
        wrong.append(f"in the cache {there}, expected {listing}")
    if code and name:
        again = run(name)
        if again[0] or bytes_of(path(f"{name}.bin")) != data or os.path.exists(path(f"{name}.bin.part")):
            wrong.append(f"the next call does not end well: {again}")
    report(not wrong, text, "; ".join(wrong) + f"\n{out}{said}")


def fault(kind):
    return ["a", "--from", f"{server.base}/{kind}"]


def lists():
    fresh()
    shutil.copy(manifest, path("md5.bin.part"))
    code, out, _ = run("--format", "json")
    objects = json.loads(out)
    rows = {kind: list(csv.DictReader(io.StringIO(run("--format", kind)[1]), delimiter=mark)) for kind, mark in (("csv", ","), ("tsv", "\t"))}
    names = [e["name"] for e in ENTRIES]
    report(code == 0 and [o["name"] for o in objects] == names and rows["csv"] == rows["tsv"] and [r["name"] for r in rows["csv"]] == names,
           "the list has the same files as JSON, CSV and TSV", out)
    report(objects[2]["cached"] == "part" and objects[2]["cached_bytes"] == os.path.getsize(manifest) and rows["csv"][0]["cached"] == "no"
           and objects[0]["digest"] == f"sha256:{sha}" and objects[4]["bytes"] == SIZE and objects[2]["no_top"] is True, "with what is in the cache", out)
    code, out, said = run("--list", "md5")
    report(code == 0 and len(out.splitlines()) == 2 and "part, " in out and not said, "--list NAME shows one", out + said)
    done = subprocess.run([KOHL, "fetch"], env=CLEAN, capture_output=True, text=True)
    report(done.returncode == 0 and "nsfwjs" in done.stdout and "vgg19-keras-notop" in done.stdout, "the built-in list", done.stdout + done.stderr)


def good_files():
    for name, flags in (("a", "--arch vgg19 --preset torchvision"), ("eight", "--arch vgg19"), ("md5", "--arch vgg19 --preset keras-caffe --no-top"),
                        ("sized", None)):
        fresh()
        code, out, said = run(name)
        lines = out.splitlines()
        expected = [path(f"{name}.bin")] + ([f"kohl convert {path(name + '.bin')} {flags} -o {name}.safetensors"] if flags else [])
        report((code, said, lines) == (0, "", expected) and bytes_of(path(f"{name}.bin")) == data and os.listdir(cache) == [f"{name}.bin"],
               f"{name}: fetched, and the line to type next", f"{code} {out} {said}")
        server.take_log()
        code, out, said = run(name, "--from", "http://127.0.0.1:1")
        report((code, said, out.splitlines(), server.take_log()) == (0, "", expected, []), f"{name}: checked, and not fetched again", out + said)
    fresh()
    code, out, said = run("none")
    report(code == 0 and said.count("\n") == 1 and "warning" in said and sha in said
           and out.splitlines()[1] == f"tar -xzf {path('none.bin')} -C {cache} && kohl convert {path('x.ckpt')} --arch vgg19 -o none.safetensors",
           "no digest: a warning with the file's SHA-256; an archive is unpacked first", out + said)
    check("an empty file", run("zero"), 0, "", {"none.bin": SIZE, "zero.bin": 0})
    fresh()
    got = json.loads(run("a", "--format", "json")[1])
    report((got["path"], got["bytes"], got["digest"], got["checked"], got["fetched"]) == (path(), SIZE, f"sha256:{sha}", True, True), "as JSON", got)
    got = next(csv.DictReader(io.StringIO(run("a", "--format", "csv")[1])))
    report((got["path"], got["digest"], got["fetched"]) == (path(), f"sha256:{sha}", "no"), "as CSV", got)
    report(run("a", "-q")[1] == path() + "\n", "--quiet prints the path alone")
    fresh(whole=data[:-1] + b"x")
    check("one with a wrong digest in the cache is replaced", run("a"), 0, f"warning|SHA-256|expected {sha}|fetched again", {"a.bin": SIZE}, 1)


def resuming():
    for kind, words in (("short", "bytes remaining"), ("reset", "reset")):
        fresh()
        check(f"{kind}: what came is kept", run(*fault(kind)), RESOURCE, f"{words}|100000 bytes are in {path()}.part|goes on|from {server.base}/good/a.bin|{sha}",
              {"a.bin.part": 100000}, 2)
        report(server.take_log()[-1] == ("/good/a.bin", "bytes=100000-"), f"{kind}: and only the rest is asked for")
    fresh(part=data[:1234])
    check("a server that ignores ranges begins again", run(*fault("ignores")), 0, "", {"a.bin": SIZE})
    report(server.take_log() == [("/ignores/a.bin", "bytes=1234-")], "though it was asked for one")
    fresh(part=data)
    check("a part that is whole is found so", run("a"), 0, "", {"a.bin": SIZE})
    report(server.take_log() == [("/good/a.bin", f"bytes={SIZE}-")], "by one request")
    fresh(sized_part=data)
    check("of a known size without a request", run("sized"), 0, "", {"sized.bin": SIZE})
    report(server.take_log() == [], "without any")
    fresh(part=data + b"too much")
    check("a part that is too long begins again", run("a"), 0, "", {"a.bin": SIZE})
    report([r[1] for r in server.take_log()] == [f"bytes={SIZE + 8}-", None], "after the server has said so")
    fresh(sized_part=data + b"too much")
    check("of a known size at once", run("sized"), 0, "", {"sized.bin": SIZE})
    report([r[1] for r in server.take_log()] == [None], "without a range")
    fresh(part=b"?" * 1000)
    check("a part of another file", run("a"), INPUT, "SHA-256|expected|it is removed", {}, 1)
    for kind in ("another", "unranged", "badrange"):
        fresh(part=data[:1000])
        check(f"{kind}: a range that was not asked for", run(*fault(kind)), RESOURCE, "another part of the file", {"a.bin.part": 1000}, 2)
    fresh(part=data[:5])
    check("416 for ever", run(*fault("never")), RESOURCE, "416", {}, 2)
    fresh()
    with open(path("none.bin.part"), "wb") as file:
        file.write(b"?" * 99)
    check("without a digest nothing is resumed", run("none"), 0, "warning", {"none.bin": SIZE})
    report(server.take_log()[0][1] is None, "but begun again")
    fresh()
    check("nor kept", run("none", "--from", f"{server.base}/short"), RESOURCE, "remaining", {}, name=None)


def refusals():
    fresh()
    cases = [("wrong", INPUT, "SHA-256|it is removed", 1), ("403", RESOURCE, "403 (forbidden)", 2), ("500", RESOURCE, "500", 2), ("204", RESOURCE, "204", 2),
             ("page", RESOURCE, "no end", 2), ("headers", RESOURCE, "a.bin: ", 2), ("nonsense", RESOURCE, "HTTP/0.9", 2),
             ("huge", INPUT, "5368709120|at most 4294967296", 2), ("empty", INPUT, "SHA-256", 1), ("closes", INPUT, "SHA-256|it is removed", 1),
             ("tofile", RESOURCE, "'file:///etc/passwd'|https or http", 2), ("toftp", RESOURCE, "ftp://", 2), ("nowhere", RESOURCE, "302", 2),
             ("loop", RESOURCE, "11th redirect", 2), ("hops/11", RESOURCE, "11th redirect", 2)]
    for kind, code, words, lines in cases:
        fresh()
        check(kind, run(*fault(kind)), code, words, {}, lines)
    for kind in ("moved", "hops/10", "chunked"):
        fresh()
        check(kind, run(*fault(kind)), 0, "", {"a.bin": SIZE}, 0)
    for kind, code, words, left in (("longer", INPUT, f"more than {SIZE}", {}), ("empty", RESOURCE, f"0 of {SIZE}", {}), ("closes", RESOURCE, f"{SIZE - 1000} of {SIZE}", {"sized.bin.part": SIZE - 1000})):
        fresh()
        done = run("sized", "--from", f"{server.base}/{kind}")
        if kind == "longer":  # how much of it came before the end was seen depends on the pieces
            left = {"sized.bin.part": os.path.getsize(path("sized.bin.part"))} if os.path.exists(path("sized.bin.part")) else {}
        check(f"{kind}, of a known size", done, code, words, left, 2, name="sized")
    fresh()
    for what, base, words in (("refused", "http://127.0.0.1:1", "127.0.0.1"), ("an unknown host", "http://nowhere.invalid", "nowhere.invalid"),
                              ("no TLS there", server.base.replace("http", "https") + "/good", "a.bin: ")):
        fresh()
        check(what, run("a", "--from", base), RESOURCE, words + f"|get a.bin from {server.base}/good/a.bin|put it into {cache}|--from", {}, 2)


def times():
    for kind, left in (("stalls", {"a.bin.part": 50000}), ("mute", {})):
        fresh()
        begin = time.monotonic()
        check(f"{kind}: ended by --timeout", run(*fault(kind), "--timeout", "1"), RESOURCE, "", left, 2)
        report(time.monotonic() - begin < 6, f"{kind}: after about a second")
    for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, INTERRUPTED), (signal.SIGTERM, INTERRUPTED)):
        fresh()
        process = subprocess.Popen(command(*fault("slow")), env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(500):
            time.sleep(0.02)
            if os.path.exists(path("a.bin.part")) and os.path.getsize(path("a.bin.part")) > 50000:
                break
        if number == signal.SIGKILL:
            check("a second process is refused", run(*fault("slow")), RESOURCE, "another process is writing it", {"a.bin.part": os.path.getsize(path("a.bin.part"))},
                  1, name=None)
        process.send_signal(number)
        out, said = process.communicate(timeout=20)
        size = os.path.getsize(path("a.bin.part"))
        server.take_log()
        check(f"{number.name} in the middle", (process.returncode, out, said), code, "" if code < 0 else f"{size} bytes are in|goes on", {"a.bin.part": size})
        report(server.take_log() == [("/good/a.bin", f"bytes={size}-")] and 0 < size < SIZE, f"{number.name}: and gone on with")


def folders():
    here = os.path.join(scratch, "a folder")
    os.makedirs(here)
    with open(os.path.join(here, "a.bin"), "wb") as file:
        file.write(data)
    for base in (here, here + "/", "file://" + here.replace(" ", "%20"), "file://localhost" + here.replace(" ", "%20"), "a folder"):
        fresh()
        check(f"--from {base.replace(scratch, '')}", run("a", "--from", base, cwd=scratch), 0, "", {"a.bin": SIZE}, 0)
    fresh(part=data[:100])
    check("a file that is not there", run("md5", "--from", here), INPUT, "md5.bin|No such file", {"a.bin.part": 100}, 1)
    for base, words in (("file://elsewhere/x", "another machine"), ("file:///x%2", "two hexadecimal"), ("file:///x%00", "two hexadecimal"), ("ftp://x", "http://"), ("http://", "http://"),
                        ("http:///x", "http://"), ("http://x y", "http://"), ("http://x/" + "y" * 400, "http://")):
        fresh()
        check(f"--from {base[:20]}", run("a", "--from", base), USAGE, words, {}, 1)
    os.rename(os.path.join(here, "a.bin"), os.path.join(here, "b"))
    os.mkfifo(os.path.join(here, "a.bin"))
    fresh()
    check("a pipe in a folder", run("a", "--from", here), INPUT, "regular file", {}, 1)
    os.remove(os.path.join(here, "a.bin"))
    with open(os.path.join(here, "a.bin"), "wb") as file:
        file.write(data[:-1])
    fresh()
    check("a wrong file in a folder", run("a", "--from", here), INPUT, "SHA-256|removed", {}, 1)
    with open(os.path.join(here, "sized.bin"), "wb") as file:
        file.write(data + b"x")
    fresh()
    check("a longer file in a folder", run("sized", "--from", here), INPUT, f"more than {SIZE}", {}, 1, name="sized")
    shutil.rmtree(here)


def places():
    deep = os.path.join(scratch, "x", "it's a", "cache")
    code, out, said = run("a", where=deep)
    words = shlex.split(out.splitlines()[1]) if code == 0 else []
    report(code == 0 and out.splitlines()[0] == f"{deep}/a.bin" and words[2] == f"{deep}/a.bin" and bytes_of(words[2]) == data, "folders are made, and quoted for the shell",
           out + said)
    for env, where in (({}, f"{scratch}/.cache/kohl"), ({"XDG_CACHE_HOME": f"{scratch}/xdg"}, f"{scratch}/xdg/kohl"), ({"XDG_CACHE_HOME": "relative"}, f"{scratch}/.cache/kohl"),
                       ({"XDG_CACHE_HOME": f"{scratch}/xdg", "KOHL_CACHE": f"{scratch}/own"}, f"{scratch}/own")):
        code, out, said = run("a", "-q", where=None, env=env)
        report((code, out) == (0, f"{where}/a.bin\n"), f"the folder by {env or 'HOME'}".replace(scratch, ""), out + said)
    code, _, said = run("a", where=None, env={"HOME": ""})
    report(code == USAGE and "--cache" in said, "no folder", said)
    fresh()
    for where, words in ((manifest, "Not a directory"), (f"{manifest}/x", "Not a directory"), ("/proc/nowhere/x", "No such file")):
        code, _, said = run("a", where=where)
        report(code == INPUT and words in said and said.count("\n") == 1, f"a cache in {where.replace(scratch, '')}", said)
    os.mkdir(path())
    check("a folder of the file's name", run("a"), INPUT, "a.bin|regular file", {"a.bin": os.path.getsize(path())}, 1, name=None)
    fresh()
    os.symlink(manifest, path("a.bin.part"))
    code, _, said = run("a")
    report(code == INPUT and "a.bin.part" in said and bytes_of(manifest)[:1] == b"{", "a link in place of the part", said)
    fresh()
    os.mkfifo(path("a.bin.part"))
    code, _, said = run("a")
    report(code == INPUT and "regular file" in said, "a pipe in place of the part", said)


def full_disk():
    if os.path.basename(os.path.normpath(BUILD)) in ("asan", "tsan"):
        print("# skipped a full disk: a sanitizer must be the first library of a process")
        return
    wrong, calls = [], 0
    for mode, number in (("on", 28), ("once", 5)):
        for at in range(1 if mode == "on" else 2, 200, 2):
            fresh()
            code, _, said = run("a", env={"LD_PRELOAD": SHIM, "FAIL_IO_FOLDER": cache, "FAIL_IO_AT": str(at), "FAIL_IO_MODE": mode, "FAIL_IO_ERRNO": str(number)})
            whole = bytes_of(path())
            if code == 0 and whole == data:
                break
            calls += 1
            if code not in ((RESOURCE,) if number == 28 else (INPUT, RESOURCE)) or said.count("\n") != 1 or (whole is not None and whole != data):
                wrong.append((mode, at, code, said))
            if run("a")[0] or bytes_of(path()) != data:
                wrong.append((mode, at, "the next call does not end well"))
    report(not wrong and calls > 12, f"{calls} calls that fail, on a full disk and for an error of the medium", wrong)


def npm():
    tools = os.path.join(scratch, "tools")
    os.makedirs(tools)
    with open(os.path.join(tools, "pack-1.2.3.tgz"), "wb") as file:
        file.write(other)

    def script(text):
        with open(os.path.join(tools, "npm"), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\necho \"$PWD $*\" > {tools}/called\n{text}\n")
        os.chmod(os.path.join(tools, "npm"), 0o755)

    def pack():
        return run("pack", env={"PATH": f"{tools}:/usr/bin:/bin"})

    tarball = f"cp {tools}/pack-1.2.3.tgz ."
    fresh()
    script(f"{tarball}; echo pack-1.2.3.tgz")
    done = pack()
    called = bytes_of(os.path.join(tools, "called")).decode().split()
    check("npm: fetched", done, 0, "", {"pack-1.2.3.tgz": 1000}, 0)
    report(called[0] == path("pack-1.2.3.tgz.npm") and called[1] == "pack" and "--ignore-scripts" in called and called[-1] == "@scope/pack@1.2.3" and len(called) == 5,
           "npm: called in a folder of its own with fixed arguments", called)
    for what, text, code, words, lines in (
            ("fails", "echo 'npm notice x' >&2; echo 'npm ERR! code E404.' >&2; exit 1", RESOURCE, "exit code 1): code E404\n|npm pack @scope/pack@1.2.3`|put it into", 2),
            ("is killed", "kill -9 $$", RESOURCE, "signal 9|does not say", 2), ("makes nothing", "exit 0", RESOURCE, "made no pack-1.2.3.tgz", 2),
            ("packs another file", "echo other > pack-1.2.3.tgz", INPUT, "SHA-256|removed", 1), ("packs a folder", "mkdir pack-1.2.3.tgz", INPUT, "regular file", None)):
        fresh()
        script(text)
        done = pack()
        shutil.rmtree(path("pack-1.2.3.tgz.npm/pack-1.2.3.tgz"), ignore_errors=True)
        if what == "packs a folder" and os.path.isdir(path("pack-1.2.3.tgz.npm")):
            os.rmdir(path("pack-1.2.3.tgz.npm"))
        check(f"npm {what}", done, code, words, {}, lines, name=None)
    fresh()
    check("no npm", run("pack", env={"PATH": scratch}), RESOURCE, "this machine has no npm|npm pack @scope/pack@1.2.3|put it into", {}, 2, name=None)
    check("--from an address in place of npm", run("pack", "--from", f"{server.base}/good"), 0, "", {"pack-1.2.3.tgz": 1000}, 0)
    fresh()
    script(f"sleep 30 & echo $! > {tools}/child; wait")
    process = subprocess.Popen(command("pack"), env={**CLEAN, "PATH": f"{tools}:/usr/bin:/bin"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not bytes_of(f"{tools}/child"):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    begin = time.monotonic()
    out, said = process.communicate(timeout=20)
    check("npm: Ctrl-C", (process.returncode, out, said), INTERRUPTED, "", {}, name=None)
    child = int(bytes_of(f"{tools}/child"))
    time.sleep(0.1)
    state = bytes_of(f"/proc/{child}/stat") or b"x (sleep) Z"
    report(time.monotonic() - begin < 5 and state.split(b") ")[-1][:1] in b"ZX", "npm: and its children end with it", state)


def others():
    fresh()
    code, out, said = run(*["a", "--from", "http://elsewhere.invalid/good"], env={"http_proxy": server.base})
    report(code == 0 and server.take_log()[0][0] == "http://elsewhere.invalid/good/a.bin", "a proxy of the environment", out + said)
    fresh()
    leader, follower = pty.openpty()
    process = subprocess.Popen(command(*fault("slow")), env=CLEAN, stdout=follower, stderr=subprocess.PIPE)
    os.close(follower)
    shown = b""
    while process.poll() is None or select.select([leader], [], [], 0.1)[0]:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                shown += os.read(leader, 65536)
            except OSError:
                break
    process.wait()
    os.close(leader)
    lines = shown.decode().replace("\r\n", "\n").split("\r")
    report(process.returncode == 0 and len(lines) > 4 and any(" of 0.3 MB, " in line and "MB/s" in line for line in lines) and any("left" in line for line in lines),
           "progress on a terminal", shown)


def main():
    begin = time.monotonic()
    try:
        for part in (lists, good_files, resuming, refusals, times, folders, places, full_disk, npm, others):
            part()
    finally:
        server.halt.set()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"# {time.monotonic() - begin:.0f} s")
    report.end()


probe = subprocess.run([KOHL, "fetch", "--cache", cache, "vgg19-keras", "--from", "http://127.0.0.1:1"], env=CLEAN, capture_output=True, text=True)
if "libcurl" in probe.stderr:
    print("# skipped: this build or machine has no libcurl")
    sys.exit(0)
main()
