"""Lists of published files that `kohl fetch --manifest` must refuse, each in its own words; and wrong command lines.

    fetch_manifest.py BUILD

Prints TAP.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "faults"))
from runs import Report

KOHL = os.path.abspath(f"{sys.argv[1]}/kohl")
USAGE, INPUT = 1, 2
ENTRIES = [{"name": "a", "file": "a.bin", "address": "http://h/a", "digest": "md5:" + "0" * 32, "bytes": 12, "no_top": True},
           {"name": "eight", "file": "eight.bin", "address": "npm:@scope/pack@1.2.3", "digest": "sha256:01234567", "licence": "caf\u00e9", "arch": "vgg19"}]
report = Report()


def main(scratch):
    clean = {"PATH": "/usr/bin:/bin", "HOME": scratch, "LC_ALL": "C", **{k: v for k, v in os.environ.items() if "SAN_OPTIONS" in k}}
    manifest = os.path.join(scratch, "manifest.json")
    with open(manifest, "w", encoding="utf-8") as out:
        json.dump({"files": ENTRIES}, out)
    good = {"name": "a", "file": "a.bin", "address": "http://h/a"}
    texts = {"": "byte 0", "{": "byte", "[]": "object", "{}": "no files", '{"files": []}': "no files", '{"files": {}}': "array", '{"files": [1]}': "objects", '{"file": []}': "'file'|files",
             '{"files": [%s], "files": []}' % json.dumps(good): "once", '{"files": [%s]} x' % json.dumps(good): "byte",
             '{"files": [{"name": "a", "name": "b"}]}': "name: stands here again"}
    bad = [({"name": 5}, "name: is a number|letters"), ({"name": ""}, "name: ''"), ({"name": "-x"}, "'-x'"), ({"name": "a b"}, "'a b'"), ({"name": "x" * 65}, "64"), ({"name": None}, "null"),
           ({"file": "../a"}, "'../a'|plain"), ({"file": "a/b"}, "a/b"), ({"file": ".a"}, "'.a'"), ({"file": "a.part"}, "a.part"), ({"file": "a.npm"}, "a.npm"), ({"file": "x" * 129}, "file:"),
           ({"file": "a\0b"}, "zero"), ({"address": "ftp://x/a"}, "ftp"), ({"address": "file:///etc/passwd"}, "file:"), ({"address": "http:///a"}, "address"), ({"address": "http://h/a b"}, "address"),
           ({"address": "http://h/\x1b"}, "address"), ({"address": "http://h/" + "x" * 400}, "address"), ({"address": "npm:x"}, "npm:x"), ({"address": "npm:x@latest"}, "latest"),
           ({"address": "npm:./x@1.0"}, "./x"), ({"address": "npm:--x@1.0"}, "--x"), ({"address": "npm:@x@1.0"}, "npm"), ({"address": "npm:git+ssh://x@1"}, "git"), ({"address": "npm:X@1"}, "npm:X"),
           ({"arch": "a;b"}, "a;b"), ({"preset": "$(x)"}, "$(x)"), ({"inside": "a/../b"}, "inside"), ({"digest": "sha1:00"}, "sha1:00|sha256:"), ({"digest": "sha256:123"}, "digest"),
           ({"digest": "md5:" + "G" * 32}, "digest"), ({"licence": "x" * 129}, "licence"), ({"licence": "a\nb"}, "licence"), ({"bytes": -1}, "-1"), ({"bytes": 1.5}, "1.5"),
           ({"bytes": 2**32 + 1}, "4294967297|4 GiB"), ({"bytes": "5"}, "whole number"), ({"no_top": 1}, "no_top|true"), ({"url": "x"}, "unknown key 'url'")]
    texts.update({json.dumps({"files": [{**good, **change}]}): words for change, words in bad})
    texts.update({json.dumps({"files": [{k: v for k, v in good.items() if k != key}]}): f"{key}: is missing" for key in good})
    texts[json.dumps({"files": [good, {**good, "file": "b"}]})] = "name|'a'|two"
    texts[json.dumps({"files": [good, {**good, "name": "b"}]})] = "file|'a.bin'|two"
    texts[json.dumps({"files": [{**good, "name": f"n{i}", "file": f"n{i}"} for i in range(4097)]})] = "4096"
    texts[" " * ((1 << 20) + 1)] = "1048576"
    file, wrong = os.path.join(scratch, "bad.json"), []
    for text, words in texts.items():
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)
        done = subprocess.run([KOHL, "fetch", "--manifest", file], env=clean, capture_output=True, text=True)
        if done.returncode != INPUT or done.stdout or done.stderr.count("\n") != 1 or not all(word in done.stderr for word in ["bad.json", *words.split("|")]):
            wrong.append(f"{text[:100]}: exit {done.returncode}, expected {words}: {done.stderr}")
    report(not wrong, f"{len(texts)} bad manifests, each refused in its own words", "\n".join(wrong))
    whole = json.dumps({"files": ENTRIES})
    cut = []
    for n in range(0, len(whole), 9):
        with open(file, "w", encoding="utf-8") as out:
            out.write(whole[:n])
        done = subprocess.run([KOHL, "fetch", "--manifest", file], env=clean, capture_output=True, text=True)
        cut += [n] if done.returncode != INPUT or done.stderr.count("\n") != 1 else []
    report(not cut, "a manifest that is cut off", cut)
    for argv, code, words in ((["--manifest", scratch], INPUT, "regular file"), (["--manifest", scratch + "/no"], INPUT, "No such file"), (["--manifest", manifest, "aa"], USAGE, "'aa'"),
                              (["--manifest", manifest, "eigth"], USAGE, "did you mean eight?"), (["a", "b"], USAGE, "too much"), (["--timeout", "0"], USAGE, "1 to 3600")):
        done = subprocess.run([KOHL, "fetch", *argv], env=clean, capture_output=True, text=True)
        report(done.returncode == code and words in done.stderr and done.stderr.count("\n") == 1, f"{' '.join(argv).replace(scratch, '')}: {words}", done.stderr)


with tempfile.TemporaryDirectory() as folder:
    main(folder)
report.end()
