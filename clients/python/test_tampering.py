"""Usage: test_tampering.py PROFILE WALLET_ADDRESS: a receipt with any one part changed is refused."""
import sys
import holdfast_client as holdfast

profile, address = sys.argv[1:]
cell = holdfast.Cell(profile)
asset = next(asset for asset in cell.genesis["assets"] if asset["symbol"] == "USDT")
to, nonce = "0x8ba1f109551bD432803012645Ac136ddd64DBA72", 99
answer = holdfast.withdraw(cell, address, "hot-1", asset, 12 * 10**6, to, "customer-7f3a", nonce, "tampering-1")
contract, data = holdfast.erc20_transfer(asset["contract"], to, 12 * 10**6)
unsigned = holdfast.unsigned_eip1559(1, nonce, contract, data)
holdfast.check_receipt(cell, answer.receipt, unsigned, address)

def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]

def changed(**fields):
    receipt = type(answer.receipt)()
    receipt.CopyFrom(answer.receipt)
    for name, value in fields.items():
        setattr(receipt, name, value)
    return receipt

proof, lines = answer.receipt.tlog_proof, answer.receipt.tlog_proof.decode().split("\n")
cosigned = [line for line in lines if line.startswith("— ")]
one_cosigner = "\n".join(line for line in lines if line not in cosigned[2:])
attacks = {
    "raw transaction": changed(raw_transaction=flipped(answer.receipt.raw_transaction, 40)),
    "signature": changed(signature=flipped(answer.receipt.signature, 3)),
    "entry": changed(signature_entry=answer.receipt.signature_entry.replace(b'"time_ms":1', b'"time_ms":2')),
    "log signature": changed(tlog_proof=proof.replace(cosigned[0].encode(), cosigned[0][:-8].encode() + b"AAAAAAA=")),
    "too few cosignatures": changed(tlog_proof=one_cosigner.encode()),
    "index": changed(tlog_proof=proof.replace(b"index ", b"index 1", 1)),
    "hash": changed(tlog_proof=proof.replace(lines[2].encode(), b"A" * 43 + b"=", 1)),
}
for name, receipt in attacks.items():
    try:
        holdfast.check_receipt(cell, receipt, unsigned, address)
    except Exception:
        continue
    sys.exit(f"a receipt with another {name} was accepted")
print(f"{len(attacks)} tampered receipts refused")
