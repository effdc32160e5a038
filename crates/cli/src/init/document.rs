//! The genesis document, built from its parts and checked by the same code that nodes check it with.

use std::collections::BTreeMap;

use holdfast_chains::{Address, Asset, AssetSymbol, ChainId};
use holdfast_ledger::{
    ClientEntry, CoordinatorEntry, Genesis, GenesisDocument, NodeEntry, OfficerEntry, ProviderEntry, Quorum,
    RULES_VERSION, ScreeningListEntry, ThresholdEntry, WitnessEntry,
};
use holdfast_policy::{ClusterId, TimestampMs};

use crate::failure::{Exit, Failure};

/// How far a node's clock may be behind an authorization.
const MAX_CLOCK_SKEW_MS: u64 = 5_000;

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
        Genesis::from_document(&bytes).map_err(|error| refuse(error.to_string()))?;
        Ok(bytes)
    }
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
    use super::*;

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
