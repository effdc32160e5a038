//! Attacks on the decoder of arguments: bytes too many, dirty padding, parts out of order, types that grow.

use alloy_sol_types::{SolCall, sol};

use super::*;

sol! {
    function approve(address spender, uint256 amount);
    function stake(bytes pubkey, bytes32 credentials, uint8 kind, bytes4 tag, int16 change, bool last);
    function batch((address,uint256)[] parts, string note, address[2] both);
}

const SPENDER: Address = Address::from_bytes([0xbb; 20]);

fn signature(text: &str) -> FunctionSignature {
    FunctionSignature::parse(text).unwrap()
}

fn calldata(bytes: &[u8]) -> Calldata {
    Calldata::new(bytes).unwrap()
}

fn approve_bytes() -> Vec<u8> {
    approveCall { spender: SPENDER.to_alloy(), amount: alloy_primitives::U256::from(1_250_u64) }.abi_encode()
}

fn stake_bytes() -> Vec<u8> {
    let call = stakeCall {
        pubkey: vec![7; 33].into(),
        credentials: [1; 32].into(),
        kind: 200,
        tag: [9; 4].into(),
        change: -3,
        last: true,
    };
    call.abi_encode()
}

const STAKE: &str = "stake(bytes,bytes32,uint8,bytes4,int16,bool)";

#[test]
fn arguments_are_read_as_the_library_wrote_them() {
    let approve = signature("approve(address,uint256)");
    assert_eq!((approve.name(), approve.selector().to_string().as_str()), ("approve", "0x095ea7b3"));
    let read = approve.decode(&calldata(&approve_bytes())).unwrap();
    assert_eq!(read, [CallValue::Address(SPENDER), CallValue::Uint(Amount::from_u128(1_250))]);

    let read = signature(STAKE).decode(&calldata(&stake_bytes())).unwrap();
    let shown: Vec<_> = read.iter().map(ToString::to_string).collect();
    let expected = [
        format!("0x{}", "07".repeat(33)),
        format!("0x{}", "01".repeat(32)),
        "200".to_owned(),
        "0x09090909".to_owned(),
        "-3".to_owned(),
        "true".to_owned(),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn trailing_bytes_are_refused() {
    for count in [1, 31, 32, 64] {
        let longer = [approve_bytes(), vec![0; count]].concat();
        let error = signature("approve(address,uint256)").decode(&calldata(&longer)).unwrap_err();
        assert_eq!(error, CallDecodeError::Surplus { count });
        let longer = [stake_bytes(), vec![1; count]].concat();
        assert!(signature(STAKE).decode(&calldata(&longer)).is_err(), "{count}");
    }
    let nothing = signature("deposit()");
    let selector = nothing.selector().0;
    assert_eq!(nothing.decode(&calldata(&selector)), Ok(Vec::new()));
    let longer = [&selector[..], &[0]].concat();
    assert_eq!(nothing.decode(&calldata(&longer)), Err(CallDecodeError::Surplus { count: 1 }));
}

#[test]
fn shortened_calldata_is_refused() {
    let bytes = approve_bytes();
    for length in 4..bytes.len() {
        let read = signature("approve(address,uint256)").decode(&calldata(&bytes[..length]));
        assert_eq!(read, Err(CallDecodeError::NotDecodable), "{length}");
    }
}

#[test]
fn dirty_padding_is_refused_in_every_type() {
    let stake = signature(STAKE);
    let honest = stake_bytes();
    // The place of the last bit that is outside of each value, after the selector.
    let padding = [
        ("offset of bytes", 0),
        ("uint8", 2 * 32 + 30),
        ("bytes4", 3 * 32 + 4),
        ("int16", 4 * 32 + 29),
        ("bool", 5 * 32 + 30),
        ("length of bytes", 6 * 32),
        ("end of bytes", 6 * 32 + 32 + 33),
    ];
    for (what, offset) in padding {
        let mut dirty = honest.clone();
        dirty[4 + offset] ^= 0x01;
        assert!(stake.decode(&calldata(&dirty)).is_err(), "{what}");
    }
    let mut dirty = approve_bytes();
    dirty[4] = 1;
    assert!(signature("approve(address,uint256)").decode(&calldata(&dirty)).is_err());
    let mut two = honest;
    two[4 + 6 * 32 - 1] = 2;
    assert!(stake.decode(&calldata(&two)).is_err(), "a bool of 2");
}

#[test]
fn parts_in_another_order_or_in_one_place_twice_are_refused() {
    // Two byte strings whose offsets both point to the same place.
    let twice = signature("two(bytes,bytes)");
    let word = |number: u8| [vec![0; 31], vec![number]].concat();
    let both = [&twice.selector().0[..], &word(64), &word(64), &word(0)].concat();
    assert_eq!(twice.decode(&calldata(&both)), Err(CallDecodeError::NotCanonical));
    let swapped = [&twice.selector().0[..], &word(96), &word(64), &word(0), &word(0)].concat();
    assert_eq!(twice.decode(&calldata(&swapped)), Err(CallDecodeError::NotCanonical));
    let ordered = [&twice.selector().0[..], &word(64), &word(96), &word(0), &word(0)].concat();
    assert!(twice.decode(&calldata(&ordered)).is_ok());
}

#[test]
fn lists_that_claim_more_than_there_is_are_refused_at_once() {
    let list = signature("many(uint256[][])");
    let word = |number: u64| [vec![0; 24], number.to_be_bytes().to_vec()].concat();
    for claimed in [1 << 20, 1 << 40, u64::MAX] {
        let bytes = [&list.selector().0[..], &word(32), &word(claimed), &word(0)].concat();
        assert_eq!(list.decode(&calldata(&bytes)), Err(CallDecodeError::NotDecodable), "{claimed}");
    }
    // Every one of a hundred lists is the same hundred words.
    let mut bytes = [list.selector().0.to_vec(), word(32), word(100)].concat();
    bytes.extend((0..100).flat_map(|_| word(3_200)));
    bytes.extend([word(20), vec![0; 20 * 32]].concat());
    assert_eq!(list.decode(&calldata(&bytes)), Err(CallDecodeError::NotCanonical));
}

#[test]
fn addresses_inside_of_lists_are_found() {
    let call = batchCall {
        parts: vec![(SPENDER.to_alloy(), alloy_primitives::U256::MAX)],
        note: "hi\n`rm`\u{202e}".to_owned(),
        both: [Address::from_bytes([1; 20]).to_alloy(), Address::from_bytes([2; 20]).to_alloy()],
    };
    let batch = signature("batch((address,uint256)[],string,address[2])");
    let read = batch.decode(&calldata(&call.abi_encode())).unwrap();
    let found: Vec<_> = read.iter().flat_map(CallValue::addresses).collect();
    assert_eq!(found, [SPENDER, Address::from_bytes([1; 20]), Address::from_bytes([2; 20])]);
    assert_eq!(read[1].to_string(), r#""hi\n`rm`\u{202e}""#, "text cannot break out of its line");
}

#[test]
fn what_people_read_is_bounded() {
    let text = CallValue::Text("x".repeat(1000)).to_string();
    assert!(text.ends_with(" and 936 more characters") && text.len() < 100, "{text}");
    assert!(CallValue::Bytes(vec![1; 65]).to_string().ends_with("01 and 1 more bytes"));
    let many = CallValue::Several(vec![CallValue::Bool(true); 9]).to_string();
    assert!(many.ends_with("true] and 1 more elements"), "{many}");
    let wide = CallValue::Several(vec![CallValue::Bytes(vec![1; 64]); 8]);
    assert!(wide.brief().ends_with(" more characters") && wide.brief().len() < 230, "{}", wide.brief());
    assert_eq!(CallValue::Bool(true).brief(), "true");
}

#[test]
fn signature_has_one_spelling() {
    for malformed in [
        "",
        "approve",
        "approve(",
        "(address)",
        "1a()",
        "a b()",
        "a(foo)",
        "a(uint7)",
        "a()x",
        "a(address)[]",
    ] {
        assert!(FunctionSignature::parse(malformed).is_err(), "{malformed}");
    }
    for (written, canonical) in [
        ("approve(address, uint256)", "approve(address,uint256)"),
        ("approve(address,uint)", "approve(address,uint256)"),
        ("a(tuple(address,bool))", "a((address,bool))"),
        ("a((address,))", "a((address))"),
    ] {
        match FunctionSignature::parse(written) {
            Err(SignatureTextError::NotCanonical { canonical: said }) => assert_eq!(said, canonical),
            Err(SignatureTextError::Malformed) => {}
            other => panic!("{written}: {other:?}"),
        }
        assert!(FunctionSignature::parse(canonical).is_ok(), "{canonical}");
    }
}

#[test]
fn types_whose_values_could_outgrow_the_calldata_are_refused() {
    for text in [
        "a(uint256[][][])",
        "a(bytes[2][2][2])",
        "a(uint256[65])",
        "a(uint256[1000000000])",
        "a(()[])",
        "a((((((bool))))))",
    ] {
        assert!(FunctionSignature::parse(text).is_err(), "{text}");
    }
    let members = |count: usize| format!("a({})", vec!["bool"; count].join(","));
    assert!(FunctionSignature::parse(&members(16)).is_ok());
    assert_eq!(FunctionSignature::parse(&members(17)), Err(SignatureTextError::TooComplex));
    let long = format!("{}()", "a".repeat(255));
    assert_eq!(FunctionSignature::parse(&long), Err(SignatureTextError::TooLong));
}

#[test]
fn values_of_rules_have_the_arguments_type() {
    let stake = signature(STAKE);
    assert_eq!(stake.read_value(3, "255"), Ok(CallValue::Uint(Amount::from_u128(255))));
    assert!(stake.read_value(3, "256").is_err());
    assert!(stake.read_value(4, "0x09090909").is_ok());
    for (position, text) in [(4, "0x090909"), (4, "0x0909090A"), (5, "-3"), (6, "yes"), (7, "1"), (0, "1")] {
        assert!(stake.read_value(position, text).is_err(), "{position} {text}");
    }
    let approve = signature("approve(address,uint256)");
    assert!(approve.read_value(1, &SPENDER.to_string()).is_ok());
    assert!(approve.read_value(1, &SPENDER.to_string().to_lowercase()).is_err(), "without its checksum");
}
