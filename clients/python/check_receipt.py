"""Checks a `receipt.json` of `holdfast demo` with an Ethereum library that is not ours.

Usage: check_receipt.py target/demo/receipt.json
"""
import json
import pathlib
import sys

import rlp
from eth_account import Account
from eth_keys.datatypes import PublicKey
from eth_utils import keccak, to_bytes, to_canonical_address, to_checksum_address

TRANSFER = bytes.fromhex("a9059cbb")


def need(condition, message):
    if not condition:
        sys.exit(f"refused: {message}")


def main():
    receipt = json.loads(pathlib.Path(sys.argv[1]).read_text())
    raw, unsigned = to_bytes(hexstr=receipt["raw_transaction"]), to_bytes(hexstr=receipt["unsigned_transaction"])
    effects = receipt["effects"]

    sender = Account.recover_transaction(raw)
    need(sender == receipt["address"], f"{sender} signed it, not {receipt['address']}")
    key = PublicKey.from_compressed_bytes(to_bytes(hexstr=receipt["public_key"]))
    need(key.to_checksum_address() == receipt["address"], "the address is not the public key's")
    need(keccak(unsigned) == to_bytes(hexstr=receipt["signing_hash"]), "the signing hash is another")

    need(raw[:1] == unsigned[:1] == b"\2", "this is no EIP-1559 transaction")
    *fields, _, _, _ = rlp.decode(raw[1:])
    need(rlp.encode(fields) == unsigned[1:], "the signed transaction is not the unsigned one")
    chain_id, to, calldata = int.from_bytes(fields[0], "big"), to_checksum_address(fields[5]), fields[7]
    need(chain_id == receipt["chain_id"] == 1, f"it is for chain {chain_id}")
    need(to == receipt["to"] == effects["contract"], f"it goes to {to}")
    paid = to_canonical_address(effects["destination"]).rjust(32, b"\0")
    paid += int(effects["amount"]).to_bytes(32, "big")
    need(calldata == to_bytes(hexstr=receipt["calldata"]) == TRANSFER + paid, "the calldata does something else")
    print(f"{sender} pays {effects['amount']} base units of {effects['asset']} to {effects['destination']} on chain {chain_id}")


main()
