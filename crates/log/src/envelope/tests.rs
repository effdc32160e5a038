//! Envelopes under attack: every rule of the strict reader has an input that breaks only that rule.

use super::*;

const TYPE: PayloadType = PayloadType::from_static("application/vnd.holdfast.example.v1+json");

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn signed() -> Envelope {
    Envelope::sign_ed25519(TYPE, b"{}".to_vec(), "client:pipeline", &key(1)).unwrap()
}

fn json() -> String {
    String::from_utf8(signed().to_json()).unwrap()
}

fn code_of(json: &str) -> &'static str {
    Envelope::parse(json.as_bytes()).unwrap_err().code()
}

#[test]
fn pae_is_the_published_dsse_vector() {
    let payload_type = PayloadType::new("http://example.com/HelloWorld").unwrap();
    assert_eq!(pae(&payload_type, b"hello world"), b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

#[test]
fn pae_counts_bytes_and_not_characters() {
    let expected = hex::decode(
        "445353457631203239206170706c69636174696f6e2f766e642e6578c3a46d706c652b6a736f6e203433207b225f74797065\
         223a2268747470733a2f2f696e2d746f746f2e696f2f53746174656d656e742f7631227d",
    )
    .unwrap();
    let payload = br#"{"_type":"https://in-toto.io/Statement/v1"}"#;
    assert_eq!(encode_pae("application/vnd.exämple+json", payload), expected);
}

#[test]
fn signature_is_the_published_dsse_vector() {
    // Vector `single-signature` of the DSSE repository; its key is RFC 8032's first test key.
    let seed = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
    let key = SigningKey::from_bytes(&seed.try_into().unwrap());
    let json = concat!(
        r#"{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEifQ==","#,
        r#""payloadType":"application/vnd.in-toto+json","signatures":[{"sig":""#,
        "2WAfaHm5jluo0w+0rk8uVkluELJYWjSmU9x7EUzx+AyteDGJ4/nqyJXfmAUVFIAoQafWm7AxBZNw5M9ixNHiCA==",
        r#"","keyid":"A"}]}"#
    );
    let envelope = Envelope::parse(json.as_bytes()).unwrap();
    let signature = &envelope.signatures[0];
    signature.verify_ed25519(&envelope.payload_type, &envelope.payload, &key.verifying_key()).unwrap();
    let again = EnvelopeSignature::sign_ed25519(&envelope.payload_type, &envelope.payload, "A", &key);
    assert_eq!(&again, signature);
    // Vector `payload-type-swapped`: the same signature under another type.
    let swapped = PayloadType::new("application/vnd.example.other+json").unwrap();
    assert!(signature.verify_ed25519(&swapped, &envelope.payload, &key.verifying_key()).is_err());
}

#[test]
fn envelope_round_trips() {
    let envelope = signed();
    assert_eq!(Envelope::parse(&envelope.to_json()).unwrap(), envelope);
}

#[test]
fn key_ids_that_need_escaping_round_trip() {
    let envelope = Envelope::sign_ed25519(TYPE, b"{}".to_vec(), r#"client:"a\b" c"#, &key(1)).unwrap();
    assert_eq!(Envelope::parse(&envelope.to_json()).unwrap(), envelope);
}

#[test]
fn signature_over_other_payload_type_or_key_is_refused() {
    let envelope = signed();
    let signature = &envelope.signatures[0];
    let public = key(1).verifying_key();
    signature.verify_ed25519(&TYPE, b"{}", &public).unwrap();
    let other_type = PayloadType::from_static("application/vnd.holdfast.other.v1+json");
    for refused in [
        signature.verify_ed25519(&TYPE, b"{ }", &public),
        signature.verify_ed25519(&other_type, b"{}", &public),
        signature.verify_ed25519(&TYPE, b"{}", &key(2).verifying_key()),
    ] {
        assert_eq!(refused.unwrap_err().code(), "SIGNATURE_INVALID");
    }
}

#[test]
fn every_flipped_bit_of_a_signature_is_refused() {
    let signature = &signed().signatures[0];
    for bit in 0..signature.signature.len() * 8 {
        let mut tampered = signature.clone();
        tampered.signature[bit / 8] ^= 1 << (bit % 8);
        assert!(tampered.verify_ed25519(&TYPE, b"{}", &key(1).verifying_key()).is_err(), "bit {bit}");
    }
    let mut short = signature.clone();
    short.signature.pop();
    assert!(short.verify_ed25519(&TYPE, b"{}", &key(1).verifying_key()).is_err());
}

#[test]
fn small_order_key_that_signs_everything_is_refused() {
    // Given the identity point as key, R = identity and s = 0: plain verification accepts it for any message.
    let mut identity = [0; 32];
    identity[0] = 1;
    let weak = VerifyingKey::from_bytes(&identity).unwrap();
    let mut forged = vec![0; 64];
    forged[0] = 1;
    let signature = EnvelopeSignature { key_id: "client:x".into(), signature: forged };
    assert_eq!(signature.verify_ed25519(&TYPE, b"{}", &weak).unwrap_err().code(), "SIGNATURE_INVALID");
}

#[test]
fn duplicate_members_are_refused() {
    for (member, value) in [("payloadType", r#""a/b""#), ("payload", r#""e30=""#), ("signatures", "[]")] {
        let doubled = json().replacen('{', &format!(r#"{{"{member}":{value},"#), 1);
        assert_eq!(code_of(&doubled), "ENVELOPE_MALFORMED", "{doubled}");
    }
    let doubled = json().replace(r#""keyid":"#, r#""keyid":"officer:a","keyid":"#);
    assert_eq!(code_of(&doubled), "ENVELOPE_MALFORMED");
    // The same name spelled with an escape is the same member.
    let escaped = json().replacen('{', r#"{"\u0070ayload":"e30=","#, 1);
    assert_eq!(code_of(&escaped), "ENVELOPE_MALFORMED");
}

#[test]
fn unknown_and_missing_members_are_refused() {
    for broken in [
        json().replacen('{', r#"{"extra":1,"#, 1),
        json().replacen('{', r#"{"time_ms":1,"#, 1),
        json().replace(r#""keyid":"#, r#""cert":"x","keyid":"#),
        json().replace(r#""payloadType":"application/vnd.holdfast.example.v1+json","#, ""),
        json().replace(r#""keyid":"client:pipeline","#, ""),
        "{}".to_owned(),
        String::new(),
    ] {
        assert_eq!(code_of(&broken), "ENVELOPE_MALFORMED", "{broken}");
    }
}

#[test]
fn trailing_bytes_and_other_json_shapes_are_refused() {
    let array = r#"["a/b","e30=",[["client:a","AA=="]]]"#.to_owned();
    let inner_array = json().replace(r#"{"keyid":"client:pipeline","sig":"#, r#"["client:pipeline","#);
    let inner_array = inner_array.replace(r#"}]}"#, "]]}");
    assert!(serde_json::from_str::<serde_json::Value>(&inner_array).is_ok(), "{inner_array}");
    for broken in [
        format!("{}x", json()),
        format!("{} {{}}", json()),
        format!("[{}]", json()),
        format!("\u{feff}{}", json()),
        array,
        inner_array,
        "null".to_owned(),
        json().replace(r#""e30=""#, "1"),
        "[".repeat(60_000),
    ] {
        assert_eq!(code_of(&broken), "ENVELOPE_MALFORMED");
    }
}

#[test]
fn base64_that_is_not_canonical_is_refused_by_field() {
    for payload in ["e30", "e31=", "e30==", "e3 0=", "_-8=", "e30=\\n"] {
        let broken = json().replace(r#""e30=""#, &format!("\"{payload}\""));
        let error = Envelope::parse(broken.as_bytes()).unwrap_err();
        assert_eq!((error.code(), error.field_name()), ("ENVELOPE_FIELD_INVALID", Some("payload")));
    }
    let error = Envelope::parse(json().replace("==\"}", "\"}").as_bytes()).unwrap_err();
    assert_eq!((error.code(), error.field_name()), ("ENVELOPE_FIELD_INVALID", Some("signatures[0].sig")));
}

#[test]
fn empty_or_oversized_parts_are_refused_by_field() {
    let one = signed().signatures[0].clone();
    let with = |key_id: &str, signature: Vec<u8>| EnvelopeSignature { key_id: key_id.into(), signature };
    let cases = [
        (b"".to_vec(), vec![one.clone()], "payload"),
        (b"{}".to_vec(), vec![], "signatures"),
        (b"{}".to_vec(), vec![one.clone(); 17], "signatures"),
        (b"{}".to_vec(), vec![with("", vec![1])], "signatures[0].keyid"),
        (b"{}".to_vec(), vec![one.clone(), with(&"k".repeat(129), vec![1])], "signatures[1].keyid"),
        (b"{}".to_vec(), vec![with("client:\u{e9}", vec![1])], "signatures[0].keyid"),
        (b"{}".to_vec(), vec![with("client:\n", vec![1])], "signatures[0].keyid"),
        (b"{}".to_vec(), vec![with("client:a", vec![])], "signatures[0].sig"),
        (b"{}".to_vec(), vec![with("client:a", vec![0; 8_193])], "signatures[0].sig"),
    ];
    for (payload, signatures, field) in cases {
        // Given the parts put together by hand, when they are rendered and read, then the field is named.
        let envelope = Envelope { payload_type: TYPE, payload, signatures };
        let error = Envelope::parse(&envelope.to_json()).unwrap_err();
        assert_eq!((error.code(), error.field_name()), ("ENVELOPE_FIELD_INVALID", Some(field)));
    }
    let sixteen = Envelope::new(TYPE, b"{}".to_vec(), vec![one; 16]).unwrap();
    assert_eq!(Envelope::parse(&sixteen.to_json()).unwrap(), sixteen);
}

#[test]
fn payload_types_outside_the_rule_are_refused() {
    for bad in ["", "a b", "a\u{e9}", "a\n", &"a".repeat(129)] {
        assert_eq!(PayloadType::new(bad).unwrap_err().field_name(), Some("payloadType"), "{bad:?}");
    }
    assert_eq!(PayloadType::new(&"a".repeat(128)).unwrap().as_str().len(), 128);
}

#[test]
fn oversized_envelope_is_refused_before_it_is_read() {
    let padded = format!("{}{}", json(), " ".repeat(MAX_ENVELOPE_BYTES));
    assert_eq!(code_of(&padded), "ENVELOPE_TOO_LARGE");
}
