//! Why an offer or a sealed message was refused, and whether anybody may be blamed for it.
//!
//! Owns the attribution rule of the channel. It must never blame a party for bytes that the courier could have made,
//! replayed or reordered.

use crate::party::{PartyIndex, Round};

/// A refusal of the sealed channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// More offers or messages than the session has parties.
    #[error("{count} offers or messages were given: at most {max}")]
    TooMany {
        /// Given.
        count: usize,
        /// Allowed.
        max: usize,
    },
    /// An offer beyond the size limit.
    #[error("an offer of {len} bytes is longer than {max}")]
    OfferTooLarge {
        /// Its size.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Bytes that are not an offer.
    #[error("an offer's field `{field}` is malformed or of a version this node does not speak")]
    MalformedOffer {
        /// The first field that does not decode.
        field: &'static str,
    },
    /// An offer of a party that is not in the session.
    #[error("an offer of party `{party}`, which is not in this session")]
    ForeignOffer {
        /// The party named.
        party: PartyIndex,
    },
    /// Two offers of one party.
    #[error("two offers of party `{party}`")]
    DuplicateOffer {
        /// The party named.
        party: PartyIndex,
    },
    /// No offer of a party.
    #[error("the offer of party `{party}` is missing")]
    MissingOffer {
        /// The party.
        party: PartyIndex,
    },
    /// An offer in this node's name that it did not make.
    #[error("an offer in this node's own name that is not the one it made")]
    OwnOfferAltered,
    /// The signature does not verify.
    #[error("the offer of party `{party}` is not signed with its message key")]
    BadOfferSignature {
        /// The party named.
        party: PartyIndex,
    },
    /// A validly signed offer about another session.
    #[error("the offer of party `{party}` differs from this node's in `{field}`")]
    OfferMismatch {
        /// The signer of the offer.
        party: PartyIndex,
        /// The first field that differs.
        field: &'static str,
    },
    /// A party offers this node's own key back.
    #[error("party `{party}` offers this node's own ephemeral key")]
    ReflectedKey {
        /// The signer of the offer.
        party: PartyIndex,
    },
    /// Two parties offer one key.
    #[error("parties `{first}` and `{second}` offer the same ephemeral key")]
    DuplicateKey {
        /// One signer.
        first: PartyIndex,
        /// The other signer.
        second: PartyIndex,
    },
    /// A key of low order: the agreed secret would not depend on this node.
    #[error("the ephemeral key of party `{party}` has low order")]
    LowOrderKey {
        /// The signer of the offer.
        party: PartyIndex,
    },
    /// A message beyond the size limit.
    #[error("a message of {len} bytes is longer than {max}")]
    MessageTooLarge {
        /// Its size.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// Bytes that are not a sealed message.
    #[error("a message is not a sealed message")]
    MalformedMessage,
    /// A sealed message of another version.
    #[error("a sealed message has version {version}, which this node does not speak")]
    UnsupportedVersion {
        /// The version named.
        version: u8,
    },
    /// A message of another session.
    #[error("a message belongs to another session")]
    OtherSession,
    /// A message to somebody else.
    #[error("a message is addressed to party `{receiver}`, not to this node")]
    OtherReceiver {
        /// The receiver named.
        receiver: PartyIndex,
    },
    /// A message that names this node or a stranger as its sender.
    #[error("a message names party `{sender}` as its sender, which is no peer in this session")]
    ForeignSender {
        /// The sender named.
        sender: PartyIndex,
    },
    /// A message of a later round.
    #[error("a message of party `{sender}` is of round {round}, ahead of round {expected}")]
    OutOfOrder {
        /// The sender named.
        sender: PartyIndex,
        /// The round named.
        round: Round,
        /// The round due.
        expected: Round,
    },
    /// A message of an earlier round.
    #[error("a message of party `{sender}` is of round {round}, which is over: round {expected} is due")]
    Replayed {
        /// The sender named.
        sender: PartyIndex,
        /// The round named.
        round: Round,
        /// The round due.
        expected: Round,
    },
    /// Two messages of one sender in one round.
    #[error("two messages of party `{sender}` in one round")]
    DuplicateMessage {
        /// The sender named.
        sender: PartyIndex,
    },
    /// No message of a peer.
    #[error("the message of party `{sender}` is missing")]
    MissingMessage {
        /// The peer.
        sender: PartyIndex,
    },
    /// The envelope does not open.
    #[error(
        "the message that names party `{claimed}` as its sender does not open: it was changed or made up on the way"
    )]
    NotAuthentic {
        /// The sender named; not evidence against it.
        claimed: PartyIndex,
    },
    /// A second message under one key and nonce, or a message set that does not fit the peers. A defect of the caller.
    #[error("round {round} cannot be sealed: it already was, or a peer has no message")]
    CannotSeal {
        /// The round.
        round: Round,
    },
}

impl ChannelError {
    /// The stable reason code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooMany { .. } => "TOO_MANY_MESSAGES",
            Self::OfferTooLarge { .. } => "OFFER_TOO_LARGE",
            Self::MalformedOffer { .. } => "MALFORMED_OFFER",
            Self::ForeignOffer { .. } => "FOREIGN_OFFER",
            Self::DuplicateOffer { .. } => "DUPLICATE_OFFER",
            Self::MissingOffer { .. } => "MISSING_OFFER",
            Self::OwnOfferAltered => "OWN_OFFER_ALTERED",
            Self::BadOfferSignature { .. } => "BAD_OFFER_SIGNATURE",
            Self::OfferMismatch { .. } => "OFFER_MISMATCH",
            Self::ReflectedKey { .. } => "REFLECTED_KEY",
            Self::DuplicateKey { .. } => "DUPLICATE_KEY",
            Self::LowOrderKey { .. } => "LOW_ORDER_KEY",
            Self::MessageTooLarge { .. } => "MESSAGE_TOO_LARGE",
            Self::MalformedMessage => "MALFORMED_SEALED_MESSAGE",
            Self::UnsupportedVersion { .. } => "UNSUPPORTED_SEALED_VERSION",
            Self::OtherSession => "MESSAGE_OF_OTHER_SESSION",
            Self::OtherReceiver { .. } => "MESSAGE_FOR_OTHER_RECEIVER",
            Self::ForeignSender { .. } => "FOREIGN_SENDER",
            Self::OutOfOrder { .. } => "MESSAGE_OUT_OF_ORDER",
            Self::Replayed { .. } => "MESSAGE_REPLAYED",
            Self::DuplicateMessage { .. } => "DUPLICATE_MESSAGE",
            Self::MissingMessage { .. } => "MISSING_MESSAGE",
            Self::NotAuthentic { .. } => "MESSAGE_NOT_AUTHENTIC",
            Self::CannotSeal { .. } => "CANNOT_SEAL",
        }
    }

    /// The party whose own signature or seal proves the misbehaviour.
    ///
    /// Only two refusals qualify: keys that the party signed for exactly this session and that no honest party makes.
    /// A mismatching offer may be an honest one from another session, or the coordinator may have told the parties
    /// different things; headers are the courier's word.
    #[must_use]
    pub const fn culprit(&self) -> Option<PartyIndex> {
        match self {
            Self::ReflectedKey { party } | Self::LowOrderKey { party } => Some(*party),
            Self::TooMany { .. }
            | Self::OfferTooLarge { .. }
            | Self::MalformedOffer { .. }
            | Self::ForeignOffer { .. }
            | Self::DuplicateOffer { .. }
            | Self::MissingOffer { .. }
            | Self::OwnOfferAltered
            | Self::BadOfferSignature { .. }
            | Self::OfferMismatch { .. }
            | Self::DuplicateKey { .. }
            | Self::MessageTooLarge { .. }
            | Self::MalformedMessage
            | Self::UnsupportedVersion { .. }
            | Self::OtherSession
            | Self::OtherReceiver { .. }
            | Self::ForeignSender { .. }
            | Self::OutOfOrder { .. }
            | Self::Replayed { .. }
            | Self::DuplicateMessage { .. }
            | Self::MissingMessage { .. }
            | Self::NotAuthentic { .. }
            | Self::CannotSeal { .. } => None,
        }
    }
}
