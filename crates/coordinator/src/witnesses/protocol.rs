//! The messages of c2sp.org/tlog-witness, `add-checkpoint`: what is sent, and what an answer means.

use holdfast_log::{Cosignature, Hash, SignedCheckpoint};
use holdfast_transport::https::Answer;

use super::WitnessError;

/// The type of the body of a 409.
const SIZE_TYPE: &str = "text/x.tlog.size";

/// What the witness made of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    /// These lines, which nobody has verified.
    Cosigned(Vec<Cosignature>),
    /// It has cosigned a tree of this size last.
    HasSize(u64),
}

/// The request: the old size, the consistency proof, an empty line, the checkpoint.
pub(super) fn request_body(old: u64, proof: &[Hash], checkpoint: &SignedCheckpoint) -> Vec<u8> {
    let mut head = format!("old {old}\n");
    for hash in proof {
        head.push_str(&hash.to_base64());
        head.push('\n');
    }
    head.push('\n');
    [head.as_bytes(), &checkpoint.to_bytes()].concat()
}

/// Reads an answer; signatures in it are not verified here.
pub(super) fn judge(answer: &Answer) -> Result<Verdict, WitnessError> {
    let status = answer.status.as_u16();
    match status {
        200 => cosignatures(&answer.body).map(Verdict::Cosigned),
        409 if media_type(&answer.content_type) == SIZE_TYPE => size(&answer.body).map(Verdict::HasSize),
        _ => {
            let meaning = match status {
                400 => "the request is malformed",
                403 => "it does not know the log's key",
                404 => "it does not know the log",
                409 => "it holds another root of the log at this size",
                422 => "the consistency proof does not verify",
                _ => "no meaning in the protocol",
            };
            Err(WitnessError::Refused { status, meaning })
        }
    }
}

fn media_type(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// One or more note signature lines. Lines of other kinds of keys are passed over; they may be the witness's other ones.
fn cosignatures(body: &[u8]) -> Result<Vec<Cosignature>, WitnessError> {
    if !body.ends_with(b"\n") {
        return Err(WitnessError::Malformed("it does not end in a line feed"));
    }
    let lines = body.split_inclusive(|byte| *byte == b'\n');
    Ok(lines.filter_map(|line| Cosignature::parse(line).ok()).collect())
}

/// A size in decimal, without leading zeroes, and a line feed.
fn size(body: &[u8]) -> Result<u64, WitnessError> {
    let malformed = WitnessError::Malformed("its size is not a decimal number with a line feed");
    let text = std::str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n'));
    match text.map(|text| (text, text.parse::<u64>())) {
        Some((text, Ok(size))) if size.to_string() == text => Ok(size),
        Some(_) | None => Err(malformed),
    }
}
