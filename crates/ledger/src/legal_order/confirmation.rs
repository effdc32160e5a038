//! What a contact of an agency signs, with a key of the agency's and by a way of the agency's: readable text that names every part of
//! the order. An officer hands it in; it speaks for the contact whoever does.

use holdfast_policy::{ClusterId, ContactId, LegalOrderId};

use super::LegalOrder;
use crate::rejection::{Rejection, RejectionCode};
use crate::statement::{Lines, Reader, StatementError};

const TITLE: &str = "Holdfast order confirmation v1";

/// A contact's confirmation, as its signer wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderConfirmation {
    /// The cell it is meant for.
    pub cluster: ClusterId,
    /// The order.
    pub order: LegalOrderId,
    /// Who confirms.
    pub contact: ContactId,
    /// The exact text that was signed.
    pub text: String,
}

impl OrderConfirmation {
    /// The exact text that this contact must sign to confirm an order (`ssh-keygen -Y sign -n holdfast-order`).
    pub fn text(cluster: &ClusterId, order: &LegalOrder, contact: &ContactId) -> String {
        let mut lines = Lines::new(TITLE);
        lines.push("cluster", cluster.as_str());
        lines.push("order", order.id.as_str());
        for (key, value) in order.proposal.lines() {
            lines.push(key, &value);
        }
        lines.push("order digest", &order.digest.to_string());
        lines.push("contact", contact.as_str());
        lines.finish()
    }

    /// Reads what names the order and the contact. The caller must compare the whole text with [`OrderConfirmation::text`].
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Rejection> {
        read(payload).map_err(|error| {
            Rejection::new(RejectionCode::FieldInvalid, error.to_string()).with_field(error.field())
        })
    }
}

fn read(payload: &[u8]) -> Result<OrderConfirmation, StatementError> {
    let text = std::str::from_utf8(payload).map_err(|_| StatementError::new("confirmation", "not ASCII"))?;
    let mut reader = Reader::new(TITLE, text)?;
    let invalid = |key: &'static str| {
        move |error: holdfast_policy::IdError| StatementError::new(key, error.to_string())
    };
    let cluster = reader.take("cluster")?.parse().map_err(invalid("cluster"))?;
    let order = reader.take("order")?.parse().map_err(invalid("order"))?;
    reader.skip_to("contact");
    let contact = reader.take("contact")?.parse().map_err(invalid("contact"))?;
    reader.end()?;
    Ok(OrderConfirmation { cluster, order, contact, text: text.to_owned() })
}
