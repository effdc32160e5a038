//! The genesis document, built from its parts and checked by the same code that nodes check it with.

use std::collections::BTreeMap;

use holdfast_chains::{Address, Asset, AssetSymbol, ChainId};
use holdfast_ledger::{
    ClientEntry, CoordinatorEntry, Genesis, GenesisDocument, NodeEntry, OfficerEntry, ProviderEntry, Quorum,
    RULES_VERSION, ScreeningListEntry, ThresholdEntry, WitnessEntry,
};
use holdfast_log::MAX_ENTRY_BYTES;
use holdfast_policy::{ClusterId, TimestampMs};

use crate::failure::{Exit, Failure};

/// How far a node's clock may be behind an authorization.
const MAX_CLOCK_SKEW_MS: u64 = 5_000;
/// What an officer's signature takes in the log's first entry, armored and encoded again, with the officer's name; and the rest of it.
const SIGNATURE_BYTES: usize = 1_024;
const FRAME_BYTES: usize = 512;

/// What goes into the document.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) cluster: String,
    pub(super) created_at: TimestampMs,
    pub(super) threshold: u8,
    pub(super) hostile_nodes: u8,
    pub(super) officers: Vec<OfficerEntry>,
    pub(super) clients: Vec<ClientEntry>,
    pub(super) providers: Vec<ProviderEntry>,
    pub(super) nodes: Vec<NodeEntry>,
    pub(super) coordinator: CoordinatorEntry,
    pub(super) witnesses: Vec<WitnessEntry>,
    pub(super) witnesses_required: u8,
    pub(super) assets: Vec<Asset>,
    pub(super) quorums: BTreeMap<String, Quorum>,
    pub(super) policy: String,
    pub(super) screening_lists: Vec<ScreeningListEntry>,
}

impl Parts {
    /// The document's exact bytes: these are signed, hashed and never written again.
    pub(super) fn document(self) -> Result<Vec<u8>, Failure> {
        let refuse = |message: String| {
            Failure::new(Exit::Usage, "GENESIS_INVALID", message)
                .next("correct the input and build the document again")
        };
        let n = u8::try_from(self.nodes.len()).map_err(|_| refuse("too many nodes".to_owned()))?;
        let document = GenesisDocument {
            version: 1,
            rules_version: RULES_VERSION,
            cluster: ClusterId::new(self.cluster).map_err(|error| refuse(error.to_string()))?,
            created_at_ms: self.created_at,
            max_clock_skew_ms: MAX_CLOCK_SKEW_MS,
            threshold: ThresholdEntry { t: self.threshold, n, f: self.hostile_nodes },
            officers: self.officers,
            clients: self.clients,
            providers: self.providers,
            nodes: self.nodes,
            coordinator: self.coordinator,
            witnesses: self.witnesses,
            witnesses_required: self.witnesses_required,
            assets: self.assets,
            quorums: self.quorums,
            policy: self.policy,
            screening_lists: self.screening_lists,
        };
        let mut bytes = serde_json::to_vec_pretty(&document).map_err(|error| refuse(error.to_string()))?;
        bytes.push(b'\n');
        let genesis = Genesis::from_document(&bytes).map_err(|error| refuse(error.to_string()))?;
        check_size(&bytes, &genesis)?;
        Ok(bytes)
    }
}

/// Whether the document will fit into the log's first entry with its officers' signatures: before they all sign in vain.
pub(super) fn check_size(bytes: &[u8], genesis: &Genesis) -> Result<(), Failure> {
    let most = most_bytes(genesis.document.officers.len());
    if bytes.len() <= most {
        return Ok(());
    }
    let message = format!(
        "the document has {} bytes: with all signatures it must fit into the log's first entry, so at most {most}",
        bytes.len()
    );
    Err(Failure::new(Exit::Usage, "GENESIS_INVALID", message)
        .next("begin with shorter screening lists; the running cell takes millions of addresses: holdfast screening propose"))
}

/// Three bytes of a document are four in an entry.
fn most_bytes(officers: usize) -> usize {
    let signatures = officers.saturating_mul(SIGNATURE_BYTES).saturating_add(FRAME_BYTES);
    MAX_ENTRY_BYTES.saturating_sub(signatures).div_euclid(4).saturating_mul(3)
}

/// The quorums of a small cell: two security officers for everything.
pub(super) fn default_quorums() -> Result<BTreeMap<String, Quorum>, Failure> {
    ["create-wallet", "add-whitelist-entry", "resume-wallet", "change-roster", "change-policy"]
        .into_iter()
        .map(|name| Ok((name.to_owned(), quorum("security-officer:2")?)))
        .collect()
}

/// Reads `security-officer:2,compliance-officer:1`.
pub(super) fn quorum(text: &str) -> Result<Quorum, Failure> {
    let refuse = || Failure::usage(format!("`{text}` is no quorum")).next("write ROLE:COUNT,ROLE:COUNT");
    let parts = text.split(',').map(|part| {
        let (role, count) = part.split_once(':').ok_or_else(refuse)?;
        Ok((role.parse().map_err(|_| refuse())?, count.parse().map_err(|_| refuse())?))
    });
    parts.collect()
}

/// Reads `SYMBOL:CHAIN_ID:DECIMALS[:CONTRACT]`.
pub(super) fn asset(text: &str) -> Result<Asset, Failure> {
    let refuse = |detail: String| {
        Failure::usage(format!("`{text}` is no asset: {detail}"))
            .next("write SYMBOL:CHAIN_ID:DECIMALS[:CONTRACT]")
    };
    let mut fields = text.split(':');
    let mut field = |name: &str| fields.next().ok_or_else(|| refuse(format!("{name} is missing")));
    let symbol = AssetSymbol::parse(field("the symbol")?).map_err(|error| refuse(error.to_string()))?;
    let chain_id = ChainId::parse(field("the chain id")?).map_err(|error| refuse(error.to_string()))?;
    let decimals = field("the number of decimals")?
        .parse()
        .map_err(|_| refuse("decimals must be 0 to 255".to_owned()))?;
    let contract =
        fields.next().map(Address::parse).transpose().map_err(|error| refuse(error.to_string()))?;
    if fields.next().is_some() {
        return Err(refuse("too many fields".to_owned()));
    }
    Ok(Asset { symbol, chain_id, contract, decimals })
}

#[cfg(test)]
mod tests {
    use holdfast_ledger::{GENESIS_NAMESPACE, OfficerKey, PayloadKind, key_id};
    use holdfast_log::{Entry, Envelope, EnvelopeSignature};

    use super::*;

    #[test]
    fn largest_document_fits_into_an_entry_with_all_its_signatures() {
        let key = ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
        for officers in [1, 7, 16] {
            let payload = vec![b'x'; most_bytes(officers)];
            let signature = OfficerKey::sign(&key.clone().into(), GENESIS_NAMESPACE, &payload).unwrap();
            // A hardware key's is longer.
            let signature = [signature, vec![b' '; 250]].concat();
            let signed = |number| EnvelopeSignature {
                key_id: key_id("officer", &format!("{number:0>32}")),
                signature: signature.clone(),
            };
            let envelope = Envelope {
                payload_type: PayloadKind::Genesis.payload_type(),
                payload,
                signatures: (0..officers).map(signed).collect(),
            };
            let entry = Entry::stamp(1_763_700_000_000, &envelope).unwrap();
            let spare = MAX_ENTRY_BYTES.checked_sub(entry.bytes().len()).unwrap();
            assert!(
                spare < SIGNATURE_BYTES.saturating_mul(officers),
                "{officers} officers: {spare} bytes are spared"
            );
        }
    }

    #[test]
    fn assets_and_quorums_are_read_strictly() {
        let usdt = asset("USDT:1:6:0xdAC17F958D2ee523a2206206994597C13D831ec7").unwrap();
        assert_eq!((usdt.decimals, usdt.is_native()), (6, false));
        assert!(asset("ETH:1:18").unwrap().is_native());
        for bad in [
            "",
            "ETH",
            "ETH:1",
            "ETH:one:18",
            "ETH:1:300",
            "USDT:1:6:0xdac17f958d2ee523a2206206994597c13d831ec7",
            "ETH:1:18::",
        ] {
            assert!(asset(bad).is_err(), "{bad}");
        }
        assert_eq!(quorum("a:2,b:1").unwrap().len(), 2);
        for bad in ["", "a", "a:", "a:x", "A:1", "a:1,"] {
            assert!(quorum(bad).is_err(), "{bad}");
        }
    }
}
