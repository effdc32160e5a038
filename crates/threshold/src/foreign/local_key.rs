//! The file of a GG20 `LocalKey`, as `multi-party-ecdsa` 0.8 writes it (`local-share1.json` of its example `gg20_keygen`).
//!
//! Owns which of its members are read, and what they must be.
//!
//! | member | read as |
//! |---|---|
//! | `i`, `n` | the party, from 1, and how many there are |
//! | `t` | the degree of the polynomial: one less than how many sign |
//! | `y_sum_s`, `keys_linear.y` | the public key |
//! | `pk_vec` | the verifying shares in party order |
//! | `keys_linear.x_i` | the share |
//! | `vss_scheme.parameters` | t and n once more |
//! | `paillier_dk`, `paillier_key_vec`, `h1_h2_n_tilde_vec`, `vss_scheme.commitments` | nothing: they are passed over |
//!
//! A point is `{"curve":"secp256k1","point":[33 bytes]}`, a scalar `{"curve":"secp256k1","scalar":[32 bytes]}`.

use zeroize::Zeroizing;

use super::json::Json;
use super::{ForeignError, ForeignKey, ForeignShare};
use crate::party::{MAX_PARTIES, PartyIndex};
use crate::public::PointBytes;

const CURVE: &str = "secp256k1";

/// What is taken of a file.
#[derive(Default)]
struct LocalKey {
    i: u16,
    t: u16,
    n: u16,
    parameters: (u16, u16),
    public_key: Vec<PointBytes>,
    verifying_shares: Vec<PointBytes>,
    secret: Zeroizing<[u8; 32]>,
}

pub(super) fn read(file: &[u8]) -> Result<ForeignShare, ForeignError> {
    let mut json = Json::new(file);
    let mut local = LocalKey::default();
    let names = [
        "paillier_dk",
        "pk_vec",
        "keys_linear",
        "paillier_key_vec",
        "y_sum_s",
        "h1_h2_n_tilde_vec",
        "vss_scheme",
        "i",
        "t",
        "n",
    ];
    json.members(&names, |json, name| member(json, name, &mut local))?;
    json.end()?;
    local.into_share()
}

fn member(json: &mut Json<'_>, name: &str, local: &mut LocalKey) -> Result<(), ForeignError> {
    match name {
        "i" => local.i = json.number()?,
        "t" => local.t = json.number()?,
        "n" => local.n = json.number()?,
        "y_sum_s" => local.public_key.push(point(json)?),
        "pk_vec" => json.list(|json| {
            if local.verifying_shares.len() >= usize::from(MAX_PARTIES) {
                return Err(json.malformed("at most 16 parties"));
            }
            local.verifying_shares.push(point(json)?);
            Ok(())
        })?,
        "keys_linear" => json.members(&["y", "x_i"], |json, name| {
            match name {
                "y" => local.public_key.push(point(json)?),
                _ => local.secret = on_curve(json, "scalar")?,
            }
            Ok(())
        })?,
        "vss_scheme" => json.members(&["parameters", "commitments"], |json, name| match name {
            "parameters" => parameters(json, &mut local.parameters),
            _ => json.skip(),
        })?,
        _ => json.skip()?,
    }
    Ok(())
}

fn parameters(json: &mut Json<'_>, (t, n): &mut (u16, u16)) -> Result<(), ForeignError> {
    json.members(&["threshold", "share_count"], |json, name| {
        match name {
            "threshold" => *t = json.number()?,
            _ => *n = json.number()?,
        }
        Ok(())
    })
}

fn point(json: &mut Json<'_>) -> Result<PointBytes, ForeignError> {
    Ok(*on_curve::<33>(json, "point")?)
}

/// `{"curve":"secp256k1",NAME:[N bytes]}`.
fn on_curve<const N: usize>(
    json: &mut Json<'_>,
    name: &'static str,
) -> Result<Zeroizing<[u8; N]>, ForeignError> {
    let mut value = Zeroizing::new([0; N]);
    json.members(&["curve", name], |json, member| {
        if member == name {
            value = json.bytes()?;
            return Ok(());
        }
        match json.text()? {
            CURVE => Ok(()),
            _ => Err(json.malformed("the curve secp256k1")),
        }
    })?;
    Ok(value)
}

impl LocalKey {
    fn into_share(self) -> Result<ForeignShare, ForeignError> {
        let invalid = |field| ForeignError::KeyInvalid { field };
        let narrow = |number: u16| u8::try_from(number).ok();
        let t = narrow(self.t).and_then(|t| t.checked_add(1)).ok_or_else(|| invalid("threshold"))?;
        if usize::from(self.n) != self.verifying_shares.len() || self.parameters != (self.t, self.n) {
            return Err(invalid("threshold"));
        }
        let party = narrow(self.i).and_then(|party| PartyIndex::new(party).ok());
        let party = party.ok_or_else(|| invalid("party"))?;
        let public_key = match self.public_key.as_slice() {
            [first, second] if first == second => *first,
            _ => return Err(invalid("public key")),
        };
        let key = ForeignKey::new(t, public_key, self.verifying_shares)?;
        ForeignShare::new(key, party, self.secret)
    }
}
