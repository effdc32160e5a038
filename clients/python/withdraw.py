"""Usage: withdraw.py PROFILE WALLET_ADDRESS USDT TO CUSTOMER NONCE IDEMPOTENCY_KEY (wallet hot-1); prints one JSON object."""
import json, sys
import holdfast_client as holdfast

profile, address, usdt, to, customer, nonce, key = sys.argv[1:]
cell = holdfast.Cell(profile)
asset = next(asset for asset in cell.genesis["assets"] if asset["symbol"] == "USDT")
answer = holdfast.withdraw(cell, address, "hot-1", asset, int(usdt) * 10 ** asset["decimals"], to, customer, int(nonce), key)
state = holdfast.pb.WithdrawalState.Name(answer.state).removeprefix("WITHDRAWAL_STATE_")
print(json.dumps({"id": answer.id, "state": state, "reason": answer.reason.code, "raw_transaction": answer.receipt.raw_transaction.hex()}))
