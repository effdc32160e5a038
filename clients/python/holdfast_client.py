"""A withdrawal over Holdfast's gRPC API with stock grpcio: sign the intent, submit, believe nothing in the receipt."""
import base64, hashlib, json, sys, time, tomllib
from pathlib import Path
import grpc, rlp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from eth_account import Account
from holdfast.v1 import withdrawal_pb2 as pb, withdrawal_pb2_grpc as rpc

REQUEST = "application/vnd.holdfast.withdrawal-request.v1+json"
sha256 = lambda *parts: hashlib.sha256(b"".join(parts)).digest()

def require(condition, what):
    if not condition:
        raise ValueError(what)

class Cell:
    """What a client is installed with: the profile and the pinned genesis document with everybody's public keys."""
    def __init__(self, profile):
        self.dir, self.conf = Path(profile).parent, tomllib.loads(Path(profile).read_text())
        document = base64.b64decode(json.loads((self.dir / self.conf["genesis"]["entry"]).read_bytes())["payload"])
        require(sha256(document).hex() == self.conf["genesis"]["sha256"], "genesis is not the pinned one")
        self.genesis, self.cluster, self.name = json.loads(document), self.conf["cluster"], self.conf["defaults"]["client"]
        self.paths = {key: self.dir / path for key, path in self.conf["clients"][self.name].items()}
        self.key = load_pem_private_key(self.paths["key"].read_bytes(), None)

    def service(self):
        tls = grpc.ssl_channel_credentials((self.dir / self.conf["ca"]).read_bytes(), self.paths["tls_key"].read_bytes(),
                                           self.paths["certificate"].read_bytes())
        host = f"{self.conf['coordinator']['name']}.coordinator.{self.cluster}.holdfast.internal"
        options = [("grpc.ssl_target_name_override", host)]
        return rpc.WithdrawalServiceStub(grpc.secure_channel(self.conf["coordinator"]["address"], tls, options))

    def envelope(self, kind, body):
        """DSSE: the signature covers the type and the exact payload bytes, which nobody re-encodes."""
        payload = json.dumps(body).encode()
        pae = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
        b64 = lambda data: base64.b64encode(data).decode()
        signature = {"keyid": f"client:{self.name}", "sig": b64(self.key.sign(pae))}
        return json.dumps({"payloadType": kind, "payload": b64(payload), "signatures": [signature]}).encode()

def erc20_transfer(contract, to, amount):
    raw = lambda address: bytes.fromhex(address[2:])
    return raw(contract), bytes.fromhex("a9059cbb") + raw(to).rjust(32, b"\0") + amount.to_bytes(32, "big")

def unsigned_eip1559(chain_id, nonce, contract, data, gas=65_000, max_fee=30 * 10**9, tip=10**9):
    return b"\x02" + rlp.encode([chain_id, nonce, tip, max_fee, gas, contract, 0, data, []])

def check_proof(cell, proof, leaf, cosigners_needed):
    """c2sp.org/tlog-proof@v1: the entry is in the tree whose root the log signed and enough nodes cosigned."""
    head, body, signatures = proof.decode().split("\n\n")
    lines = head.split("\n")
    require(lines[0] == "c2sp.org/tlog-proof@v1", "not a tlog-proof")
    index, hashes = int(lines[1].removeprefix("index ")), [base64.b64decode(line) for line in lines[2:]]
    origin, size, root = body.split("\n")[:3]
    body, size, root = (body + "\n").encode(), int(size), base64.b64decode(root)
    require(origin == f"holdfast/{cell.cluster}" and 0 <= index < size, "another log or position")
    node, place, last, path = sha256(b"\0", leaf), index, size - 1, list(hashes)
    for sibling in path:  # RFC 9162, 2.1.3.2
        require(last > 0, "proof is too long")
        if place & 1 or place == last:
            node = sha256(b"\1", sibling, node)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = sha256(b"\1", node, sibling)
        place, last = place >> 1, last >> 1
    require(last == 0 and node == root, "the entry is not in the tree")
    notes = [(line.split(" ")[1], base64.b64decode(line.split(" ")[2])) for line in signatures.strip().split("\n")]
    def signed(name, kind, key, message_of):
        key_id = sha256(name.encode(), b"\n", bytes([kind]), key)[:4]
        for blob in (blob for signer, blob in notes if signer == name and blob[:4] == key_id):
            Ed25519PublicKey.from_public_bytes(key).verify(blob[-64:], message_of(blob[4:-64]))  # raises if forged
            return True
        return False
    require(signed(origin, 1, bytes.fromhex(cell.genesis["coordinator"]["log_key"]), lambda _: body), "no log signature")
    cosigned = lambda stamp: b"cosignature/v1\ntime %d\n%s" % (int.from_bytes(stamp, "big"), body)
    nodes = [signed(f"{origin}/{n['name']}", 4, bytes.fromhex(n["cosigning_key"]), cosigned) for n in cell.genesis["nodes"]]
    require(sum(nodes) >= cosigners_needed, "too few cosignatures")

def check_receipt(cell, receipt, unsigned, address):
    """The raw transaction is the one asked for, signed by the wallet, and the log contains that signature."""
    require(Account.recover_transaction(receipt.raw_transaction) == address == receipt.address, "another sender")
    require(rlp.decode(receipt.raw_transaction[1:])[:9] == rlp.decode(unsigned[1:]), "another transaction was signed")
    check_proof(cell, receipt.tlog_proof, receipt.signature_entry, cell.genesis["threshold"]["t"])
    logged = json.loads(base64.b64decode(json.loads(receipt.signature_entry)["payload"]))
    require(logged["signature"] == "0x" + receipt.signature.hex(), "the log has another signature")

def withdraw(cell, address, wallet, asset, amount, to, customer, nonce, key):
    """Asks for one ERC-20 withdrawal; returns it with a receipt that was checked, or as it stands if not signed."""
    contract, data = erc20_transfer(asset["contract"], to, amount)
    unsigned, now = unsigned_eip1559(asset["chain_id"], nonce, contract, data), int(time.time() * 1000)
    intent = dict(cluster=cell.cluster, client=cell.name, wallet=wallet, asset=asset["symbol"], chain_id=asset["chain_id"],
                  amount=str(amount), destination=to, fee_cap=str(65_000 * 30 * 10**9), customer=customer, idempotency_key=key,
                  created_at_ms=now, expires_at_ms=now + 600_000, transaction="0x" + unsigned.hex())
    request = pb.SubmitWithdrawalRequest(envelope=cell.envelope(REQUEST, intent), wait_ms=20_000)
    answer = cell.service().Submit(request, timeout=30)
    if answer.state == pb.WITHDRAWAL_STATE_SIGNED:
        check_receipt(cell, answer.receipt, unsigned, address)
    return answer
