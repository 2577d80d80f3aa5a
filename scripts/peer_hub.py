"""Reads, or fills, a Hugging Face cache with huggingface_hub.

peer_hub.py ID FILE...      prints for each file the path and SHA-256 that the cache has
"""
import hashlib
import os
import sys

import huggingface_hub as hf

offline = os.environ.get("HF_HUB_OFFLINE") == "1"
name, files = sys.argv[1], sys.argv[2:]
folder = hf.snapshot_download(name, local_files_only=offline, allow_patterns=None if offline else files)
print("version", hf.__version__)
print("snapshot", os.path.basename(folder))
for file in files:
    path = hf.hf_hub_download(name, file, local_files_only=offline)
    assert os.path.dirname(path) == folder, (path, folder)
    with open(path, "rb") as f:
        print("file", file, hashlib.sha256(f.read()).hexdigest())
repo, = [r for r in hf.scan_cache_dir().repos if r.repo_id == name]
assert not hf.scan_cache_dir().warnings, hf.scan_cache_dir().warnings
print("files", repo.nb_files, "bytes", repo.size_on_disk)
