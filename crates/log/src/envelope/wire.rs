//! The JSON shape of envelopes and entries, read strictly and written in one form.
//!
//! Never leaves the crate: outside there are only [`Envelope`] and [`crate::Entry`]. Sizes are bounded by the
//! caller before anything here runs.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{Envelope, EnvelopeError, EnvelopeSignature, PayloadType};
use crate::encoding;

/// An envelope as JSON members.
pub(crate) struct EnvelopeWire<'a> {
    pub(crate) body: Body<'a>,
}

/// An entry as JSON members: an envelope's, and the time.
pub(crate) struct EntryWire<'a> {
    pub(crate) time_ms: u64,
    pub(crate) body: Body<'a>,
}

/// The members that envelopes and entries share, still in text form; borrowed from the input where it has no escapes.
pub(crate) struct Body<'a> {
    payload_type: Cow<'a, str>,
    payload: Cow<'a, str>,
    signatures: Vec<Object<SignatureMembers<'a>>>,
}

// Flattening one struct into the other would switch off serde's refusal of unknown members, hence two lists.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeMembers<'a> {
    #[serde(rename = "payloadType", borrow)]
    payload_type: Cow<'a, str>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(borrow)]
    signatures: Vec<Object<SignatureMembers<'a>>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryMembers<'a> {
    time_ms: u64,
    #[serde(rename = "payloadType", borrow)]
    payload_type: Cow<'a, str>,
    #[serde(borrow)]
    payload: Cow<'a, str>,
    #[serde(borrow)]
    signatures: Vec<Object<SignatureMembers<'a>>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureMembers<'a> {
    keyid: String,
    #[serde(borrow)]
    sig: Cow<'a, str>,
}

/// Reads exactly one JSON object and nothing after it.
pub(crate) fn parse_object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes)
}

/// The one form that is written: members in the order of the format's documentation, no white space.
pub(crate) fn render(time_ms: Option<u64>, envelope: &Envelope) -> String {
    let time = time_ms.map(|time_ms| format!(r#""time_ms":{time_ms},"#)).unwrap_or_default();
    let signatures: Vec<String> = envelope.signatures.iter().map(render_signature).collect();
    format!(
        r#"{{{time}"payloadType":{},"payload":"{}","signatures":[{}]}}"#,
        quoted(envelope.payload_type.as_str()),
        encoding::to_base64(&envelope.payload),
        signatures.join(","),
    )
}

fn render_signature(signature: &EnvelopeSignature) -> String {
    let sig = encoding::to_base64(&signature.signature);
    format!(r#"{{"keyid":{},"sig":"{sig}"}}"#, quoted(&signature.key_id))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Body<'_> {
    /// Decodes the texts and checks every bound.
    pub(crate) fn decode(self) -> Result<Envelope, EnvelopeError> {
        let payload_type = PayloadType::new(&self.payload_type)?;
        let payload = decode_base64(&self.payload, || "payload".to_owned())?;
        let signatures = self
            .signatures
            .into_iter()
            .enumerate()
            .map(|(index, Object(members))| {
                let signature = decode_base64(&members.sig, || format!("signatures[{index}].sig"))?;
                Ok(EnvelopeSignature { key_id: members.keyid, signature })
            })
            .collect::<Result<_, EnvelopeError>>()?;
        Envelope::new(payload_type, payload, signatures)
    }
}

fn decode_base64(text: &str, field: impl FnOnce() -> String) -> Result<Vec<u8>, EnvelopeError> {
    encoding::from_base64(text)
        .ok_or_else(|| EnvelopeError::field(field(), "must be canonical standard base64 with padding"))
}

/// A JSON object and nothing else: derived readers would also take an array of the members' values.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

impl<'de> Deserialize<'de> for EnvelopeWire<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object(EnvelopeMembers { payload_type, payload, signatures }) =
            Object::deserialize(deserializer)?;
        Ok(Self { body: Body { payload_type, payload, signatures } })
    }
}

impl<'de> Deserialize<'de> for EntryWire<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Object(EntryMembers { time_ms, payload_type, payload, signatures }) =
            Object::deserialize(deserializer)?;
        Ok(Self { time_ms, body: Body { payload_type, payload, signatures } })
    }
}
