"""A Holdfast client: signs and submits a withdrawal of an ERC-20 token, and believes nothing of the answer unchecked."""
import argparse, base64, hashlib, json, pathlib, sys, time, tomllib, uuid
import grpc, rlp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from eth_account import Account
from eth_utils import keccak, to_canonical_address
from holdfast.v1 import withdrawal_pb2, withdrawal_pb2_grpc

TYPE = b"application/vnd.holdfast.withdrawal-request.v1+json"
GAS_LIMIT, LIFE_MS = 65_000, 600_000

def sha256(data): return hashlib.sha256(data).digest()
def payload_of(envelope): return base64.b64decode(json.loads(envelope)["payload"])
def need(condition, message):
    if not condition: sys.exit(f"refused: {message}")

class Cell:
    """What is pinned: the profile and, by its hash, the genesis document with everybody's public keys."""
    def __init__(self, profile):
        self.at, self.profile = profile.parent, tomllib.loads(profile.read_text())
        document, self.name = payload_of(self.read(self.profile["genesis"]["entry"])), self.profile["cluster"]
        need(sha256(document).hex() == self.profile["genesis"]["sha256"], "this is not the pinned genesis document")
        self.genesis = json.loads(document)

    def read(self, path): return (self.at / path).read_bytes()

    def withdrawals(self, client):
        me, server = self.profile["clients"][client], self.profile["coordinator"]
        tls = grpc.ssl_channel_credentials(*(self.read(p) for p in (self.profile["ca"], me["tls_key"], me["certificate"])))
        # Only the coordinator of this cluster has this name in its certificate.
        name = f"{server['name']}.coordinator.{self.name}.holdfast.internal"
        channel = grpc.secure_channel(server["address"], tls, [("grpc.ssl_target_name_override", name)])
        return withdrawal_pb2_grpc.WithdrawalServiceStub(channel)

def submit(cell, a):
    now = int(time.time() * 1000)
    intent = {"cluster": cell.name, "client": a.client, "wallet": a.wallet, "customer": a.customer, "asset": a.asset,
              "chain_id": a.chain_id, "amount": a.amount, "destination": a.to, "fee_cap": str(GAS_LIMIT * a.max_fee),
              "idempotency_key": uuid.uuid4().hex, "created_at_ms": now, "expires_at_ms": now + LIFE_MS}
    token = next(t for t in cell.genesis["assets"] if (t["symbol"], t["chain_id"]) == (a.asset, a.chain_id))["contract"]
    pay = bytes.fromhex("a9059cbb") + to_canonical_address(a.to).rjust(32, b"\0") + int(a.amount).to_bytes(32, "big")
    fields = [a.chain_id, a.nonce, 10**9, a.max_fee, GAS_LIMIT, to_canonical_address(token), 0, pay, []]
    payload = json.dumps(intent | {"transaction": "0x02" + rlp.encode(fields).hex()}).encode()
    key = load_pem_private_key(cell.read(cell.profile["clients"][a.client]["key"]), None)
    sig = key.sign(b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE, len(payload), payload))
    payload64, sig64 = base64.b64encode(payload).decode(), base64.b64encode(sig).decode()
    signatures = [{"keyid": f"client:{a.client}", "sig": sig64}]
    envelope = json.dumps({"payloadType": TYPE.decode(), "payload": payload64, "signatures": signatures}).encode()
    request = withdrawal_pb2.SubmitWithdrawalRequest(envelope=envelope, wait_ms=30_000)
    return payload, cell.withdrawals(a.client).Submit(request, timeout=35)

def check_proof(cell, leaf, proof):
    """c2sp.org/tlog-proof@v1: inclusion by hashing, the log's signature, cosignatures of a threshold of nodes."""
    (form, index, *path), (origin, size, root), signatures = (part.splitlines() for part in proof.decode().split("\n\n"))
    need(form == "c2sp.org/tlog-proof@v1" and origin == f"holdfast/{cell.name}", "this is no proof from this log")
    fn, sn, node = int(index.removeprefix("index ")), int(size) - 1, sha256(b"\0" + leaf)
    need(fn <= sn, "the entry is beyond the checkpoint")
    for sibling in map(base64.b64decode, path):  # RFC 9162, section 2.1.3.2
        need(sn > 0, "the inclusion proof is too long")
        left = fn & 1 or fn == sn
        node = sha256(b"\1" + sibling + node) if left else sha256(b"\1" + node + sibling)
        while left and fn and not fn & 1: fn, sn = fn >> 1, sn >> 1
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and node == base64.b64decode(root), "the entry is not in the tree of the checkpoint")
    keys = {f"{origin}/{n['name']}": (b"\4", n["cosigning_key"]) for n in cell.genesis["nodes"]}
    keys[origin], note, signed_by = (b"\1", cell.genesis["coordinator"]["log_key"]), f"{origin}\n{size}\n{root}\n", set()
    for name, blob in (line.removeprefix("\u2014 ").split(" ") for line in signatures):
        kind, key = keys.get(name, (b"", ""))
        key, blob = bytes.fromhex(key), base64.b64decode(blob)
        if blob[:4] != sha256(name.encode() + b"\n" + kind + key)[:4]: continue  # a key that nobody here knows
        stamp = f"cosignature/v1\ntime {int.from_bytes(blob[4:12], 'big')}\n" if kind == b"\4" else ""
        Ed25519PublicKey.from_public_bytes(key).verify(blob[-64:], (stamp + note).encode())
        signed_by.add(name)
    need(origin in signed_by and len(signed_by) > cell.genesis["threshold"]["t"], "too few have signed the checkpoint")

def check(cell, payload, withdrawal, address):
    need(withdrawal.HasField("receipt"), f"not signed: {withdrawal.reason.code}: {withdrawal.reason.sentence}")
    receipt, unsigned = withdrawal.receipt, bytes.fromhex(json.loads(payload)["transaction"][2:])
    need(payload_of(receipt.request_entry) == payload, "the receipt is for another intent")
    *fields, y, r, s = rlp.decode(receipt.raw_transaction[1:])
    need(b"\2" + rlp.encode(fields) == unsigned, "another chain, recipient, calldata or fee was signed")
    need(receipt.signing_hash == keccak(unsigned), "the signing hash is not of this transaction")
    need(Account.recover_transaction(receipt.raw_transaction) == receipt.address == address, "another key has signed")
    need(receipt.signature == r.rjust(32, b"\0") + s.rjust(32, b"\0") + y.rjust(1, b"\0"), "another signature is stated")
    logged = json.loads(payload_of(receipt.signature_entry))
    need(logged["withdrawal"] == withdrawal.id and logged["signature"] == "0x" + receipt.signature.hex(), "not what is logged")
    check_proof(cell, receipt.signature_entry, receipt.tlog_proof)

if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("profile", "address", "to", "amount", "nonce", "customer"): options.add_argument(f"--{name}", required=True)
    for name, value in {"client": "pipeline", "wallet": "hot-1", "asset": "USDT", "chain-id": 1, "max-fee": 30 * 10**9}.items():
        options.add_argument(f"--{name}", default=value, type=type(value))
    a = options.parse_args()
    a.nonce, cell = int(a.nonce), Cell(pathlib.Path(a.profile))
    payload, withdrawal = submit(cell, a)
    check(cell, payload, withdrawal, a.address)
    print(json.dumps({"withdrawal": withdrawal.id, "raw_transaction": "0x" + withdrawal.receipt.raw_transaction.hex()}))
