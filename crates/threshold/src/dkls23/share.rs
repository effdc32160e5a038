//! One party's `dkls23` share: the secret scalar with its multiplication set-up.
//!
//! Owns the checks that it is whole, and its encoding. The library's `Party` wipes itself on drop: secret share,
//! derivation data, zero-share seeds, both directions of the oblivious-transfer state and the session id; only public
//! values (public key, indices, parameters) stay. It is boxed here, so that moving a share copies a pointer and not the
//! secret. Its own `Debug` prints all secrets and its `Clone` copies them; neither is reachable from outside.

use std::sync::Arc;

use k256_engine::ProjectivePoint;
use k256_engine::elliptic_curve::group::GroupEncoding;
use zeroize::Zeroizing;

use super::{EngineParty, engine_index, party_of, polynomial, sign};
use crate::channel::Outgoing;
use crate::encoding::{decode_exact, encode_secret};
use crate::engine::{SecretShare, SignProtocol};
use crate::party::{Participants, PartyIndex, Threshold};
use crate::public::PointBytes;
use crate::share::ShareError;
use crate::sign::{SignBrief, SignError};

/// A share that was checked when it was made.
pub(crate) struct Dkls23Share {
    index: PartyIndex,
    threshold: Threshold,
    public_key: PointBytes,
    party: Box<EngineParty>,
}

impl Dkls23Share {
    pub(crate) fn new(party: Box<EngineParty>) -> Result<Self, ShareError> {
        let (index, threshold, public_key) = check(&party)?;
        Ok(Self { index, threshold, public_key, party })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        Self::new(decode_exact::<Box<EngineParty>>(&[], bytes).ok_or(ShareError::Malformed)?)
    }

    pub(crate) fn engine_party(&self) -> &EngineParty {
        &self.party
    }
}

impl SecretShare for Dkls23Share {
    fn party(&self) -> PartyIndex {
        self.index
    }

    fn threshold(&self) -> Threshold {
        self.threshold
    }

    fn public_key(&self) -> [u8; 33] {
        self.public_key
    }

    fn chain_code(&self) -> [u8; 32] {
        self.party.derivation_data.chain_code
    }

    fn verifying_share(&self) -> [u8; 33] {
        ProjectivePoint::mul_by_generator(&self.party.poly_point).to_affine().to_bytes().into()
    }

    fn child(&self, path: &[u32]) -> Result<Arc<dyn SecretShare>, ShareError> {
        let text = path.iter().fold("m".to_owned(), |text, index| format!("{text}/{index}"));
        let party = self.party.derive_from_path(&text, |_| String::new());
        let party = Box::new(party.map_err(|_| ShareError::NoSuchChild)?);
        let public_key: PointBytes = party.pk.to_bytes().into();
        Ok(Arc::new(Self { index: self.index, threshold: self.threshold, public_key, party }))
    }

    fn contribution(&self, givers: &Participants) -> Option<Zeroizing<[u8; 32]>> {
        polynomial::contribution(self.index, givers, &self.party.poly_point)
    }

    fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ShareError> {
        encode_secret(&[], &self.party).map_err(|_| ShareError::Unencodable)
    }

    fn begin_signing(
        self: Arc<Self>,
        brief: SignBrief,
    ) -> Result<(Box<dyn SignProtocol>, Outgoing), SignError> {
        let (state, outgoing) = sign::start(brief, self)?;
        Ok((Box::new(state), outgoing))
    }
}

/// What a share must satisfy to be used: a whole, underived share of a committee this crate can run. The engine checks
/// some of it again in each session; here a damaged share is found when it is loaded, and no counterparty is blamed.
fn check(party: &EngineParty) -> Result<(PartyIndex, Threshold, PointBytes), ShareError> {
    let fault = |field: &'static str| ShareError::Inconsistent { field };
    let threshold = Threshold::new(party.parameters.threshold, party.parameters.share_count)
        .map_err(|_| fault("threshold"))?;
    let me = party_of(party.party_index)
        .filter(|me| threshold.committee().contains(*me))
        .ok_or_else(|| fault("party index"))?;
    let peers: Vec<_> = threshold.committee().others(me).filter_map(engine_index).collect();
    let senders = party.mul_senders.keys().eq(peers.iter())
        && party.mul_senders.values().all(|state| state.check_state().is_ok());
    let receivers = party.mul_receivers.keys().eq(peers.iter())
        && party.mul_receivers.values().all(|state| state.check_state(None).is_ok());
    if !senders || !receivers {
        return Err(fault("multiplication state"));
    }
    let seeds = party.zero_share.seeds.iter();
    let lowest = |index| party.party_index < index;
    let mut seeded: Vec<_> = seeds.clone().map(|pair| pair.index_counterparty).collect();
    seeded.sort_unstable();
    if seeded != peers || !seeds.clone().all(|pair| pair.lowest_index == lowest(pair.index_counterparty)) {
        return Err(fault("zero shares"));
    }
    let derivation = &party.derivation_data;
    if derivation.depth != 0 || derivation.pk != party.pk || derivation.poly_point != party.poly_point {
        return Err(fault("derivation data"));
    }
    let public_key: PointBytes = party.pk.to_bytes().into();
    k256_engine::PublicKey::from_sec1_bytes(&public_key).map_err(|_| fault("public key"))?;
    Ok((me, threshold, public_key))
}
