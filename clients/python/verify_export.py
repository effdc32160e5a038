"""Verifies a log that `holdfast audit export` wrote, and proofs of single entries: standard library and Ed25519, nothing else.

It does not replay decisions (that is `holdfast audit verify`). It shows that the entries are those that the log's key and a
threshold of nodes signed, by hashing them as RFC 6962 says and reading C2SP's formats as they are published.
"""
import argparse, base64, hashlib, json, pathlib, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG, COSIGNER = b"\1", b"\4"  # key types of C2SP signed-note and tlog-cosignature

def sha256(data): return hashlib.sha256(data).digest()
def leaf(entry): return sha256(b"\0" + entry)
def node(left, right): return sha256(b"\1" + left + right)
def b64(text): return base64.b64decode(text, validate=True)
def need(condition, message):
    if not condition: raise ValueError(message)

def root_of(hashes):
    """MTH of RFC 6962 over leaf hashes."""
    while len(hashes) > 1:
        pairs = [node(*hashes[i : i + 2]) for i in range(0, len(hashes) - 1, 2)]
        hashes = pairs + hashes[len(pairs) * 2 :]
    return hashes[0]

def split(size): return 1 << (size - 1).bit_length() - 1

def prove_consistency(old, hashes, whole=True):
    """PROOF(m, D[n]) of RFC 6962, section 2.1.2."""
    if old == len(hashes): return [] if whole else [root_of(hashes)]
    k = split(len(hashes))
    if old <= k: return prove_consistency(old, hashes[:k], whole) + [root_of(hashes[k:])]
    return prove_consistency(old - k, hashes[k:], False) + [root_of(hashes[:k])]

def check_consistency(old, old_root, new, new_root, proof):
    """RFC 9162, section 2.1.4.2."""
    if old == new: return need(old_root == new_root and not proof, "two trees of one size differ")
    path = ([old_root] if old & (old - 1) == 0 else []) + proof
    fn, sn = old - 1, new - 1
    while fn & 1: fn, sn = fn >> 1, sn >> 1
    need(path, "the consistency proof is empty")
    fr = sr = path[0]
    for c in path[1:]:
        need(sn > 0, "the consistency proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn and not fn & 1: fn, sn = fn >> 1, sn >> 1
        else: sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and fr == old_root and sr == new_root, "the newer tree does not continue the older one")

def check_inclusion(index, size, root, hash_, proof):
    """RFC 9162, section 2.1.3.2."""
    fn, sn = index, size - 1
    need(0 <= fn <= sn, "the entry is beyond the checkpoint")
    for p in proof:
        need(sn > 0, "the inclusion proof is too long")
        if fn & 1 or fn == sn:
            hash_ = node(p, hash_)
            while fn and not fn & 1: fn, sn = fn >> 1, sn >> 1
        else: hash_ = node(hash_, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and hash_ == root, "the entry is not in the tree of the checkpoint")

def key_id(name, kind, key): return sha256(name.encode() + b"\n" + kind + key)[:4]

class Keys:
    """Whom to trust: {(name, key id): (kind, key, from which size, until which)}, and how many cosigners are needed."""
    def __init__(self, threshold, keys):
        self.threshold, self.known = threshold, {(n, key_id(n, kind, key)): (kind, key, *span) for n, kind, key, *span in keys}
        self.origin = next((name for (name, _), (kind, *_) in self.known.items() if kind == LOG), None)
        need(self.origin and threshold > 0, "a log's key and a threshold are needed")

    @classmethod
    def of_genesis(cls, entry, pinned):
        document = b64(json.loads(entry)["payload"])
        need(sha256(document).hex() == pinned, "entry 0 is not the pinned genesis document")
        genesis = json.loads(document)
        origin = f"holdfast/{genesis['cluster']}"
        cosigners = [(f"{origin}/{n['name']}", COSIGNER, bytes.fromhex(n["cosigning_key"])) for n in genesis["nodes"]]
        log = (origin, LOG, bytes.fromhex(genesis["coordinator"]["log_key"]))
        return cls(genesis["threshold"]["t"], [log, *cosigners])

    @classmethod
    def of_file(cls, path):
        """What `holdfast audit verify --write-keys` wrote."""
        threshold, *vkeys = path.read_text().splitlines()
        keys = []
        for line in vkeys:
            *bounds, vkey = line.split(" ")  # [from <size>] [until <size>] <key>
            span = dict(zip(bounds[::2], map(int, bounds[1::2])))
            need(span.keys() <= {"from", "until"}, f"{line} is no key")
            name, id_, typed = vkey.split("+", 2)
            kind, key = b64(typed)[:1], b64(typed)[1:]
            need(key_id(name, kind, key).hex() == id_, f"the key id of {name} is of another key")
            keys.append((name, kind, key, span.get("from", 0), span.get("until", float("inf"))))
        return cls(int(threshold.removeprefix("threshold ")), keys)

    def open(self, note, cosigners=None):
        """Size and root of a checkpoint that the log's key and enough cosigners signed."""
        body, signatures = note.decode().split("\n\n")
        origin, size, root = body.split("\n")
        need(origin == self.origin, "the checkpoint is of another log")
        need(str(int(size)) == size and int(size) > 0, "the checkpoint's size is malformed")
        signed, cosigned = False, set()
        for line in signatures.rstrip("\n").split("\n"):
            mark, name, blob = line.split(" ")
            need(mark == "\u2014", "a signature line is malformed")
            kind, key, *span = self.known.get((name, b64(blob)[:4]), (None, None))
            if not key or span and not span[0] <= int(size) < span[1]: continue  # nobody whom we know, or not its time
            signature, stamp = b64(blob)[4:], ""
            if kind == COSIGNER:
                need(len(signature) == 72, "a cosignature is malformed")
                stamp = f"cosignature/v1\ntime {int.from_bytes(signature[:8], 'big')}\n"
                signature = signature[8:]
            Ed25519PublicKey.from_public_bytes(key).verify(signature, f"{stamp}{body}\n".encode())
            signed |= kind == LOG
            if kind == COSIGNER: cosigned.add(name)  # two keys of one node are one node
        need(signed, "the log's key has not signed the checkpoint")
        enough = self.threshold if cosigners is None else cosigners
        need(len(cosigned) >= enough, f"{len(cosigned)} nodes cosigned the checkpoint, {enough} are needed")
        return int(size), b64(root)

def named(kind, index, width):
    """C2SP's name of tile or bundle `index`."""
    text = f"{index % 1000:03}"
    while index >= 1000: index //= 1000; text = f"x{index % 1000:03}/{text}"
    return f"tile/{kind}/{text}" + ("" if width == 256 else f".p/{width}")

def chunks(count): return [(n, min(256, count - n * 256)) for n in range(-(-count // 256))]

def bundle(export, index, width):
    data, entries = (export / named("entries", index, width)).read_bytes(), []
    for _ in range(width):
        end = 2 + int.from_bytes(data[:2], "big")
        need(len(data) >= max(2, end), f"bundle {index} ends too early")
        entries.append(data[2:end]); data = data[end:]
    need(not data, f"bundle {index} has bytes after its last entry")
    return entries

def verify_export(export, keys, against):
    size, root = keys.open((export / "checkpoint").read_bytes())
    hashes = [leaf(entry) for index, width in chunks(size) for entry in bundle(export, index, width)]
    level, row = 0, hashes
    while row:  # every tile of every level, from the entries upwards
        for index, width in chunks(len(row)):
            expected = b"".join(row[index * 256 : index * 256 + width])
            need((export / named(level, index, width)).read_bytes() == expected, f"tile {level}/{index} is not of the entries")
        row = [root_of(row[i : i + 256]) for i in range(0, len(row) - 255, 256)]
        level += 1
    need(root_of(hashes) == root, "the entries are not those of the checkpoint")
    print(f"{size} entries and {level} levels of tiles are those of the checkpoint")
    sizes = export / "checkpoints" / "sizes"
    older = against + [sizes.parent / str(int(s)) for s in (sizes.read_text().split() if sizes.exists() else [])]
    for path in older:
        old, old_root = keys.open(path.read_bytes(), cosigners=0)
        need(old <= size, f"{path}: it has {old} entries, the export only {size}")
        check_consistency(old, old_root, size, root, prove_consistency(old, hashes))
    print(f"{len(older)} earlier checkpoints are continued")

def verify_proof(proof, entry, keys):
    """c2sp.org/tlog-proof@v1."""
    head, note = proof.split(b"\n\n", 1)
    form, *lines = head.decode().split("\n")
    need(form == "c2sp.org/tlog-proof@v1", "this is no tlog-proof")
    index, *path = [line for line in lines if not line.startswith("extra ")]
    size, root = keys.open(note)
    index = int(index.removeprefix("index "))
    check_inclusion(index, size, root, leaf(entry), [b64(line) for line in path])
    print(f"entry {index} is in the log of {size} entries")

def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("export", "keys", "proof", "entry"): options.add_argument(f"--{name}", type=pathlib.Path)
    options.add_argument("--genesis-sha256", help="SHA-256 of the genesis document: the keys are taken from there")
    options.add_argument("--against", type=pathlib.Path, action="append", default=[], help="an earlier checkpoint")
    a = options.parse_args()
    try:
        if a.keys: keys = Keys.of_file(a.keys)
        else:
            need(a.genesis_sha256 and a.export, "--keys, or --genesis-sha256 with --export, says whom to trust")
            size = int((a.export / "checkpoint").read_bytes().split(b"\n")[1])
            keys = Keys.of_genesis(bundle(a.export, 0, min(size, 256))[0], a.genesis_sha256)
        if a.export: verify_export(a.export, keys, a.against)
        if a.proof: verify_proof(a.proof.read_bytes(), a.entry.read_bytes(), keys)
    except InvalidSignature: sys.exit("REFUSED: a signature is not of the key that it names")
    except (ValueError, KeyError, OSError) as refusal: sys.exit(f"REFUSED: {refusal}")
    print("VERIFIED")

if __name__ == "__main__": main()
