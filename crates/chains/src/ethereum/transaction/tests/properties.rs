//! Properties: one encoding for each transaction, no byte without meaning, no panic.

use proptest::prelude::*;

use super::*;
use crate::ethereum::draft::Eip1559Draft;

/// Everything that a transaction says.
fn meaning(transaction: &UnsignedTransaction) -> (Effects, u64, u128, u128) {
    (
        transaction.effects(),
        transaction.gas_limit(),
        transaction.max_fee_per_gas(),
        transaction.max_priority_fee_per_gas(),
    )
}

/// `approve(customer, 1250)` of a token.
fn call() -> UnsignedTransaction {
    let mut bytes = calldata();
    bytes[..4].copy_from_slice(&[0x09, 0x5e, 0xa7, 0xb3]);
    native_draft().build_call(Some(&Calldata::new(&bytes).unwrap())).unwrap()
}

/// Changed bytes are refused, or say something else and hash to something else. A change may also give the same
/// bytes back (a repeated byte doubled and dropped): then there is nothing to notice.
fn assert_refused_or_other(honest: &UnsignedTransaction, changed: &[u8]) {
    if honest.as_bytes() == changed {
        return;
    }
    if let Ok(other) = UnsignedTransaction::decode(changed) {
        assert_eq!(other.as_bytes(), changed);
        assert_ne!(meaning(&other), meaning(honest), "a second spelling: {}", hex::encode(changed));
        assert_ne!(other.signing_hash(), honest.signing_hash());
    }
}

#[test]
fn no_byte_of_an_accepted_transaction_is_without_meaning() {
    for honest in [token_transaction(), native_draft().build().unwrap(), call()] {
        let bytes = honest.as_bytes();
        for position in 0..bytes.len() {
            for byte in (0..=u8::MAX).filter(|byte| *byte != bytes[position]) {
                let mut changed = bytes.to_vec();
                changed[position] = byte;
                assert_refused_or_other(&honest, &changed);
            }
        }
    }
}

#[test]
fn no_byte_can_be_hidden_or_dropped_anywhere() {
    for honest in [token_transaction(), native_draft().build().unwrap(), call()] {
        let bytes = honest.as_bytes();
        for position in 0..bytes.len() {
            let mut shorter = bytes.to_vec();
            shorter.remove(position);
            assert_refused_or_other(&honest, &shorter);
            for byte in 0..=u8::MAX {
                let mut longer = bytes.to_vec();
                longer.insert(position, byte);
                assert_refused_or_other(&honest, &longer);
            }
        }
    }
}

prop_compose! {
    fn drafts()(
        chain_id: u64,
        nonce in 0..u64::MAX,
        gas_limit in UnsignedTransaction::MIN_GAS_LIMIT..=UnsignedTransaction::MAX_GAS_LIMIT,
        fees in (any::<u128>(), any::<u128>()),
        contract in proptest::option::of(any::<[u8; 20]>()),
        to in any::<[u8; 20]>(),
        amount in prop_oneof![any::<u64>().prop_map(u128::from), any::<u128>()],
    ) -> Eip1559Draft {
        Eip1559Draft {
            chain_id: ChainId(chain_id),
            nonce,
            gas_limit,
            max_fee_per_gas: fees.0.max(fees.1),
            max_priority_fee_per_gas: fees.0.min(fees.1),
            transfer: Transfer {
                contract: contract.map(Address::from_bytes),
                to: Address::from_bytes(to),
                amount: Amount::from_u128(amount),
            },
        }
    }
}

proptest! {
    #[test]
    fn decoding_gives_back_what_was_built(draft in drafts()) {
        let built = draft.build().unwrap();
        let decoded = UnsignedTransaction::decode(built.as_bytes()).unwrap();

        prop_assert_eq!(&decoded, &built);
        prop_assert_eq!(UnsignedTransaction::parse_hex(&built.to_hex()), Ok(built));
        prop_assert_eq!(decoded.effects().transfer, draft.transfer);
        prop_assert_eq!(decoded.effects().nonce, draft.nonce);
        prop_assert_eq!(decoded.chain_id(), draft.chain_id);
        prop_assert_eq!(decoded.gas_limit(), draft.gas_limit);
        prop_assert_eq!(decoded.max_fee_per_gas(), draft.max_fee_per_gas);
        prop_assert_eq!(decoded.max_priority_fee_per_gas(), draft.max_priority_fee_per_gas);
        prop_assert_eq!(decoded.signing_hash(), Digest(alloy_primitives::keccak256(decoded.as_bytes()).0));
    }

    #[test]
    fn changing_any_byte_of_any_transaction_is_noticed(
        draft in drafts(),
        position: proptest::sample::Index,
        mask in 1..=u8::MAX,
    ) {
        let honest = draft.build().unwrap();
        let mut changed = honest.as_bytes().to_vec();
        changed[position.index(honest.as_bytes().len())] ^= mask;
        assert_refused_or_other(&honest, &changed);
    }

    #[test]
    fn random_bytes_never_panic_and_are_reproduced_if_accepted(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        for candidate in [bytes.clone(), [vec![TYPE_BYTE], list(&bytes)].concat()] {
            if let Ok(transaction) = UnsignedTransaction::decode(&candidate) {
                prop_assert_eq!(transaction.as_bytes(), candidate);
            }
        }
    }

    #[test]
    fn random_text_never_panics(text in "(0x)?.{0,200}") {
        let _ = UnsignedTransaction::parse_hex(&text);
        let _ = Address::parse(&text);
        let _ = Digest::parse(&text);
    }
}
