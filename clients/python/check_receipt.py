"""Usage: check_receipt.py RECEIPT_JSON: an Ethereum library that is not Holdfast's recovers the sender and the effects."""
import json, sys
import rlp
from eth_account import Account

receipt = json.load(open(sys.argv[1]))
raw = bytes.fromhex(receipt["raw_transaction"][2:])
fields = rlp.decode(raw[1:])
assert raw[0] == 2, "not EIP-1559"
assert Account.recover_transaction(raw) == receipt["address"], "another sender"
assert int.from_bytes(fields[0], "big") == receipt["chain_id"], "another chain"
assert fields[5].hex() == receipt["to"][2:].lower(), "another contract"
assert fields[7].hex() == receipt["calldata"][2:], "other calldata"
assert rlp.encode(fields[:9]) == bytes.fromhex(receipt["unsigned_transaction"][4:]), "not the unsigned transaction"
print(f"sender {receipt['address']} recovered, chain id, recipient and calldata as in the receipt")
