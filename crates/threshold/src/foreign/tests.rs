//! Files of other deployments that are not what they seem, and keys that are no keys.

use super::*;
use crate::testing::{Foreign, object, party};

/// 2 of 3: 7 + 11x.
fn two_of_three() -> Foreign {
    Foreign::new(&[7, 11], 3)
}

fn read(file: &[u8]) -> Result<ForeignShare, ForeignError> {
    ForeignShare::from_local_key(file)
}

fn code(file: &[u8]) -> &'static str {
    read(file).unwrap_err().code()
}

/// The file of party 1 with another value of a member.
fn with(name: &str, value: &str) -> Vec<u8> {
    let mut members = two_of_three().members(1);
    let member = members.iter_mut().find(|(known, _)| *known == name).unwrap();
    assert_ne!(member.1, value, "nothing was changed");
    member.1 = value.to_owned();
    object(&members)
}

/// The same with a part of it changed.
fn replaced(name: &str, from: &str, to: &str) -> Vec<u8> {
    let members = two_of_three().members(1);
    let (_, value) = members.iter().find(|(known, _)| *known == name).unwrap();
    with(name, &value.replacen(from, to, 1))
}

/// Party 1's file with another secret.
fn with_secret(secret: [u8; 32]) -> Vec<u8> {
    let mut foreign = two_of_three();
    foreign.secrets[0] = secret;
    foreign.file(1)
}

fn number(last: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[31] = last;
    bytes
}

/// The group's order and what is added to it.
fn order_plus(more: u8) -> [u8; 32] {
    let mut bytes: [u8; 32] = hex::decode("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
        .unwrap()
        .try_into()
        .unwrap();
    bytes[31] = bytes[31].checked_add(more).unwrap();
    bytes
}

#[test]
fn every_party_s_file_is_read_whatever_the_order_of_its_members() {
    let foreign = Foreign::new(&[7, 11, 13], 5);
    for index in 1..=5 {
        let share = read(&foreign.file(index)).unwrap();
        assert_eq!((share.key(), share.party()), (&foreign.key(), party(index)));
        assert_eq!((share.key().t(), share.key().n()), (3, 5));
        assert_eq!(share.key().verifying_shares(), foreign.points);
        assert!(share.check(&foreign.key(), party(index)).is_ok());
        let mut members = foreign.members(index);
        members.reverse();
        let share = read(&object(&members)).unwrap();
        assert_eq!(*share.secret, foreign.secrets[usize::from(index) - 1]);
    }
}

#[test]
fn a_committee_that_could_not_be_one_here_is_read_all_the_same() {
    // 2 of 5: two disjoint groups could sign.
    let foreign = Foreign::new(&[7, 11], 5);
    assert_eq!((foreign.share(5).key().t(), foreign.share(5).key().n()), (2, 5));
}

#[test]
fn a_secret_that_is_not_the_party_s_is_refused() {
    let own = two_of_three().secrets[0];
    assert!(read(&with_secret(own)).is_ok());
    let second = two_of_three().secrets[1];
    for secret in [number(0), number(1), second, order_plus(0), order_plus(18), [0xff; 32]] {
        assert_eq!(code(&with_secret(secret)), "IMPORT_SHARE_INVALID", "{secret:?}");
    }
}

#[test]
fn a_scalar_above_the_order_is_no_other_spelling_of_the_share() {
    // f(1) = 18, and order + 18 is the same number.
    assert_eq!(two_of_three().secrets[0], number(18));
    let above = order_plus(18);
    assert_eq!(code(&with_secret(above)), "IMPORT_SHARE_INVALID");
}

#[test]
fn verifying_shares_that_are_not_on_one_polynomial_are_refused() {
    for coefficients in [&[7, 11][..], &[7, 11, 13]] {
        let foreign = Foreign::new(coefficients, 5);
        for wrong in 0..5 {
            let mut points = foreign.points.clone();
            points[wrong] = points[(wrong + 1) % 5];
            let refused = ForeignKey::new(foreign.t, foreign.public_key, points).unwrap_err();
            assert_eq!(refused, ForeignError::KeyInvalid { field: "verifying shares" }, "{wrong}");
        }
        // On one polynomial, which is another key's.
        let refused = ForeignKey::new(foreign.t, foreign.points[0], foreign.points.clone()).unwrap_err();
        assert_eq!(refused.code(), "IMPORT_KEY_INVALID");
        // Of another degree than is said.
        for t in [foreign.t - 1, foreign.t + 1] {
            let key = ForeignKey::new(t, foreign.public_key, foreign.points.clone());
            assert_eq!(key.is_ok(), t > foreign.t && t <= 5, "{t}");
        }
    }
}

#[test]
fn a_polynomial_of_lower_degree_than_is_said_is_no_lie_about_what_t_can_do() {
    // 3 of 5 on a line: any 3 make the key, and so do any 2. The old deployment was weaker than it said; new shares are not.
    let foreign = Foreign::new(&[7, 11], 5);
    assert!(ForeignKey::new(3, foreign.public_key, foreign.points).is_ok());
}

#[test]
fn key_of_all_parties_is_one() {
    let foreign = Foreign::new(&[7, 11, 13], 3);
    assert!(ForeignKey::new(3, foreign.public_key, foreign.points).is_ok());
}

#[test]
fn points_that_are_none_are_refused() {
    let foreign = two_of_three();
    let mut off_curve = [0; 33];
    (off_curve[0], off_curve[32]) = (2, 5);
    let mut even = foreign.points[1];
    even[0] = 4;
    for bad in [[0; 33], off_curve, even, [0xff; 33]] {
        let mut points = foreign.points.clone();
        points[1] = bad;
        assert_eq!(
            ForeignKey::new(2, foreign.public_key, points).unwrap_err(),
            ForeignError::KeyInvalid { field: "verifying shares" }
        );
        assert_eq!(
            ForeignKey::new(2, bad, foreign.points.clone()).unwrap_err(),
            ForeignError::KeyInvalid { field: "public key" }
        );
    }
    // As the library writes the neutral element, and points in another form.
    for bytes in ["0", "", "4,1,2"] {
        let value = format!(r#"{{"curve":"secp256k1","point":[{bytes}]}}"#);
        assert_eq!(code(&with("y_sum_s", &value)), "IMPORT_FILE_MALFORMED", "{bytes}");
    }
}

#[test]
fn a_threshold_that_is_none_is_refused() {
    let foreign = two_of_three();
    for t in [0, 1, 4, 255] {
        let refused = ForeignKey::new(t, foreign.public_key, foreign.points.clone()).unwrap_err();
        assert_eq!(refused, ForeignError::KeyInvalid { field: "threshold" });
    }
    let many = Foreign::new(&[7, 11], 17);
    let refused = ForeignKey::new(2, many.public_key, many.points.clone()).unwrap_err();
    assert_eq!(refused, ForeignError::KeyInvalid { field: "parties" });
    assert_eq!(code(&many.file(1)), "IMPORT_FILE_MALFORMED");
    assert!(read(&Foreign::new(&[7, 11], 16).file(16)).is_ok());
}

#[test]
fn a_file_that_contradicts_itself_is_refused() {
    for (name, value) in [
        ("t", "0"),
        ("t", "2"),
        ("t", "255"),
        ("t", "65535"),
        ("n", "2"),
        ("n", "4"),
        ("n", "259"),
        ("i", "0"),
        ("i", "4"),
        ("i", "16"),
        ("i", "257"),
    ] {
        assert_eq!(code(&with(name, value)), "IMPORT_KEY_INVALID", "{name} {value}");
    }
    assert_eq!(code(&with("i", "2")), "IMPORT_SHARE_INVALID", "the secret is party 1's");
    let parameters = replaced("vss_scheme", r#""threshold":1"#, r#""threshold":2"#);
    assert_eq!(code(&parameters), "IMPORT_KEY_INVALID");
    // It says twice that there are four parties, and has three.
    let four = |(name, value): (&'static str, String)| match name {
        "n" => (name, "4".to_owned()),
        "vss_scheme" => (name, value.replacen(r#""share_count":3"#, r#""share_count":4"#, 1)),
        _ => (name, value),
    };
    let members: Vec<_> = two_of_three().members(1).into_iter().map(four).collect();
    assert!(members.iter().any(|(_, value)| value.contains(r#""share_count":4"#)));
    assert_eq!(code(&object(&members)), "IMPORT_KEY_INVALID");
    // The key of the shares is another one than the key.
    let mut other = two_of_three();
    other.public_key = other.points[0];
    assert_eq!(code(&other.file(1)), "IMPORT_KEY_INVALID");
    let members = other.members(1);
    let (_, y) = members.iter().find(|(name, _)| *name == "y_sum_s").unwrap();
    assert_eq!(read(&with("y_sum_s", y)).unwrap_err(), ForeignError::KeyInvalid { field: "public key" });
}

#[test]
fn a_member_too_many_twice_or_missing_is_refused() {
    let members = two_of_three().members(1);
    for place in 0..members.len() {
        let mut missing = members.clone();
        missing.remove(place);
        assert_eq!(code(&object(&missing)), "IMPORT_FILE_MALFORMED", "without {}", members[place].0);
        let mut twice = members.clone();
        twice.push(members[place].clone());
        assert_eq!(code(&object(&twice)), "IMPORT_FILE_MALFORMED", "{} twice", members[place].0);
    }
    let mut more = members;
    more.push(("chain_code", "[1,2]".to_owned()));
    assert_eq!(code(&object(&more)), "IMPORT_FILE_MALFORMED");
    let inner = replaced("keys_linear", r#"{"y""#, r#"{"z":1,"y""#);
    assert_eq!(code(&inner), "IMPORT_FILE_MALFORMED");
    let twice = replaced("y_sum_s", r#""curve":"secp256k1""#, r#""curve":"secp256k1","curve":"secp256k1""#);
    assert_eq!(code(&twice), "IMPORT_FILE_MALFORMED");
}

#[test]
fn what_is_written_otherwise_than_the_library_writes_it_is_refused() {
    let ours = r#""curve":"secp256k1""#;
    for curve in
        [r#""curve":"ed25519""#, r#""curve":"secp256k1 ""#, r#""curve":"secp256\u006b1""#, r#""curve":1"#]
    {
        assert_eq!(code(&replaced("y_sum_s", ours, curve)), "IMPORT_FILE_MALFORMED", "{curve}");
    }
    for value in ["01", "-1", "1.0", "1e0", "\"1\"", "true", "null", "[1]", "65537", ""] {
        assert_eq!(code(&with("i", value)), "IMPORT_FILE_MALFORMED", "{value}");
    }
    let secret = format!("{:?}", two_of_three().secrets[0]);
    let long = secret.replacen('[', "[0,", 1);
    let short = secret.replacen("0, ", "", 1);
    let wide = secret.replacen("[0", "[256", 1);
    for other in [long, short, wide, "\"12\"".to_owned(), "{}".to_owned()] {
        assert_eq!(code(&replaced("keys_linear", &secret, &other)), "IMPORT_FILE_MALFORMED", "{other}");
    }
    let file = two_of_three().file(1);
    assert_eq!(code(&[file.as_slice(), b"x"].concat()), "IMPORT_FILE_MALFORMED");
    assert_eq!(code(&[file.as_slice(), &file].concat()), "IMPORT_FILE_MALFORMED");
    assert_eq!(code(&with("paillier_dk", "{\"p\":\"1\",}")), "IMPORT_FILE_MALFORMED");
    assert!(read(&with("paillier_dk", "{\"p\":\" 1~\"}")).is_ok());
    for text in ["\\u0041", "\\", "1\n", "\u{7f}", "\u{e9}"] {
        assert_eq!(
            code(&with("paillier_dk", &format!("{{\"p\":\"{text}\"}}"))),
            "IMPORT_FILE_MALFORMED",
            "{text:?}"
        );
    }
    assert_eq!(code(&[&[0xef, 0xbb, 0xbf][..], &file].concat()), "IMPORT_FILE_MALFORMED");
    for text in ["", " ", "{}", "[]", "{", "null", "\"x\"", "{\"i\"}", "{\"i\":}"] {
        assert_eq!(code(text.as_bytes()), "IMPORT_FILE_MALFORMED", "{text}");
    }
}

#[test]
fn no_part_of_a_file_is_a_file() {
    let file = two_of_three().file(1);
    let whole = file.len() - 1;
    for length in 0..whole {
        assert_eq!(code(&file[..length]), "IMPORT_FILE_MALFORMED", "{length} bytes");
    }
    assert!(read(&file[..whole]).is_ok(), "the last byte is a newline");
}

#[test]
fn a_file_that_is_too_long_or_too_deep_costs_nothing() {
    let long = vec![b' '; MAX_FOREIGN_FILE_LEN + 1];
    assert_eq!(read(&long).unwrap_err(), ForeignError::TooLarge { len: long.len() });
    assert_eq!(code(&long[1..]), "IMPORT_FILE_MALFORMED", "as long as a file may be");
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(&with("h1_h2_n_tilde_vec", &deep(4))).is_ok());
    for depth in [9, 500_000] {
        assert_eq!(code(&with("h1_h2_n_tilde_vec", &deep(depth))), "IMPORT_FILE_MALFORMED");
    }
}

#[test]
fn a_share_of_another_key_or_party_is_not_the_one_that_was_approved() {
    let (foreign, other) = (two_of_three(), Foreign::new(&[7, 12], 3));
    let share = foreign.share(1);
    assert_eq!(other.public_key, foreign.public_key, "the same key with other shares");
    assert_eq!(share.check(&other.key(), party(1)), Err(ForeignError::OtherKey));
    let swapped = share.check(&foreign.key(), party(2)).unwrap_err();
    assert_eq!(swapped, ForeignError::OtherParty { found: party(1), approved: party(2) });
    assert_eq!(share.check(&foreign.key(), party(1)), Ok(()));
}

#[test]
fn public_data_is_encoded_in_one_way_and_checked_when_it_is_read() {
    let key = two_of_three().key();
    let bytes = postcard::to_allocvec(&key).unwrap();
    assert_eq!(postcard::from_bytes::<ForeignKey>(&bytes).unwrap(), key);
    let mut alone = bytes.clone();
    alone[0] = 1;
    assert!(postcard::from_bytes::<ForeignKey>(&alone).is_err(), "1 of 3");
    let mut moved = bytes.clone();
    moved.swap_remove(2);
    assert!(postcard::from_bytes::<ForeignKey>(&moved).is_err());
    assert_ne!(key.digest(), Foreign::new(&[7, 12], 3).key().digest());
    assert_ne!(key.digest(), Foreign::new(&[7, 11], 4).key().digest());
}

#[test]
fn nothing_shows_the_share() {
    let foreign = Foreign::new(&[u64::MAX, u64::MAX - 1], 3);
    let share = foreign.share(1);
    let shown = format!("{share:?} {share:#?}");
    assert!(shown.contains("<redacted>"));
    let secret = foreign.secrets[0];
    for text in [hex::encode(&secret[24..]), format!("{:?}", &secret[28..]).replace(['[', ']'], "")] {
        assert!(!shown.contains(&text), "{shown}");
    }
}
