"""Shows that the client's check can fail: a receipt that was changed anywhere is refused.

Submits a withdrawal with the client's own code, then changes one thing after another in the answer and checks it again.
Prints one line for each change; exits with an error if any changed receipt is accepted, or the honest one refused.
"""
import argparse, pathlib, sys
import cryptography.exceptions
import holdfast_client
from holdfast.v1 import withdrawal_pb2


def flipped(data, position):
    """The bytes with one bit changed."""
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


def field(name, change):
    """Changes one field of the receipt."""
    return lambda receipt: setattr(receipt, name, change(getattr(receipt, name)))


def proof(change):
    """Changes the proof's three parts: head, checkpoint, signatures."""

    def apply(receipt):
        parts = [part.splitlines() for part in receipt.tlog_proof.decode().split("\n\n")]
        change(*parts)
        receipt.tlog_proof = ("\n\n".join("\n".join(part) for part in parts) + "\n").encode()

    return apply


def other_index(head, checkpoint, signatures):
    head[1] = f"index {int(head[1].removeprefix('index ')) - 1}"


def hash_too_few(head, checkpoint, signatures):
    del head[2]


def other_size(head, checkpoint, signatures):
    checkpoint[1] = str(int(checkpoint[1]) + 1)


def no_cosignatures(head, checkpoint, signatures):
    del signatures[1:]


def broken_signature(head, checkpoint, signatures):
    mark, name, blob = signatures[1].split(" ")
    signatures[1] = f"{mark} {name} {blob[:30]}{'A' if blob[30] != 'A' else 'B'}{blob[31:]}"


ATTACKS = {
    "another recipient in the calldata": field("raw_transaction", lambda raw: flipped(raw, 80)),
    "another signature in the transaction": field("raw_transaction", lambda raw: flipped(raw, len(raw) - 1)),
    "another signature beside it": field("signature", lambda signature: flipped(signature, 40)),
    "another address": field("address", lambda address: "0x" + "11" * 20),
    "another signing hash": field("signing_hash", lambda digest: flipped(digest, 0)),
    "another intent": field("request_entry", lambda entry: entry.replace(b'"payload":"ey', b'"payload":"eX')),
    "another time of the signature": field("signature_entry", lambda entry: entry.replace(b'ms":1', b'ms":2')),
    "another index": proof(other_index),
    "a hash too few": proof(hash_too_few),
    "another tree size": proof(other_size),
    "no cosignatures": proof(no_cosignatures),
    "a cosignature of other bytes": proof(broken_signature),
}


def is_refused(cell, payload, withdrawal, address):
    try:
        holdfast_client.check(cell, payload, withdrawal, address)
    except (SystemExit, ValueError, KeyError, cryptography.exceptions.InvalidSignature) as refusal:
        return str(refusal) or type(refusal).__name__
    return None


def main():
    options = argparse.ArgumentParser(description=__doc__)
    for name in ("profile", "address", "to", "amount", "customer"):
        options.add_argument(f"--{name}", required=True)
    options.add_argument("--nonce", required=True, type=int)
    options.set_defaults(client="pipeline", wallet="hot-1", asset="USDT", chain_id=1, max_fee=30 * 10**9)
    a = options.parse_args()
    cell = holdfast_client.Cell(pathlib.Path(a.profile))
    payload, honest = holdfast_client.submit(cell, a)
    refusal = is_refused(cell, payload, honest, a.address)
    if refusal:
        sys.exit(f"the honest receipt was refused: {refusal}")
    for name, attack in ATTACKS.items():
        changed = withdrawal_pb2.Withdrawal.FromString(honest.SerializeToString())
        attack(changed.receipt)
        if changed == honest:
            sys.exit(f"{name}: nothing was changed")
        refusal = is_refused(cell, payload, changed, a.address)
        if not refusal:
            sys.exit(f"{name}: accepted")
        print(f"{name}: {refusal}")


main()
