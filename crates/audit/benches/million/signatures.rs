//! The signatures of a log, taken out of it: what verifying costs at least. Those of its entries, that is: the checkpoint's three
//! are left out.

use std::collections::BTreeMap;

use ed25519_dalek::{Signature, VerifyingKey};
use holdfast_chains::Digest;
use holdfast_ledger::{
    Authorize, GENESIS_NAMESPACE, Genesis, OFFICER_NAMESPACE, PayloadKind, SignatureLogged, WithdrawalId,
};
use holdfast_log::{Entry, EnvelopeSignature, pae};
use k256::ecdsa::signature::hazmat::PrehashVerifier;
use ssh_key::{HashAlg, SshSig};

/// Ready to verify.
pub(crate) struct Signatures {
    officers: BTreeMap<String, VerifyingKey>,
    parties: BTreeMap<String, VerifyingKey>,
    wallet: k256::ecdsa::VerifyingKey,
    digests: BTreeMap<WithdrawalId, Digest>,
    edwards: Vec<(VerifyingKey, Vec<u8>, Signature)>,
    wallets: Vec<([u8; 32], k256::ecdsa::Signature)>,
    pub(crate) ed25519: usize,
    pub(crate) ecdsa: usize,
}

impl Signatures {
    pub(crate) fn of(genesis: &Entry) -> Self {
        let document = Genesis::from_entry(genesis).unwrap();
        let roster = document.roster;
        let key = |bytes: &[u8]| VerifyingKey::try_from(bytes).unwrap();
        let officers = document.document.officers.iter().map(|officer| {
            let public = ssh_key::PublicKey::from_openssh(&officer.ssh_public_key).unwrap();
            (format!("officer:{}", officer.name), key(&public.key_data().ed25519().unwrap().0))
        });
        let mut parties: BTreeMap<String, VerifyingKey> = BTreeMap::new();
        parties.extend(roster.clients().iter().map(|(name, client)| (format!("client:{name}"), client.key)));
        parties.extend(roster.nodes().iter().map(|node| (format!("node:{}", node.id), node.message_key)));
        parties.extend(
            document
                .document
                .providers
                .iter()
                .map(|provider| (format!("provider:{}", provider.name), key(&provider.public_key))),
        );
        parties.insert("coordinator:main".to_owned(), roster.coordinator().entry_key);
        let wallet = *crate::generator::wallet_key().verifying_key();
        Self {
            officers: officers.collect(),
            parties,
            wallet,
            digests: BTreeMap::new(),
            edwards: Vec::new(),
            wallets: Vec::new(),
            ed25519: 0,
            ecdsa: 0,
        }
    }

    pub(crate) fn add(&mut self, entry: &Entry) {
        let envelope = entry.envelope();
        let kind = PayloadKind::parse(envelope.payload_type.as_str()).unwrap();
        for signature in &envelope.signatures {
            match self.officers.get(&signature.key_id) {
                Some(key) => self.edwards.push(sshsig(*key, kind, &envelope.payload, signature)),
                None => {
                    let key = self.parties[&signature.key_id];
                    let message = pae(&envelope.payload_type, &envelope.payload);
                    let signature = Signature::from_slice(&signature.signature).unwrap();
                    self.edwards.push((key, message, signature));
                }
            }
        }
        if kind == PayloadKind::Authorize {
            let authorize: Authorize = serde_json::from_slice(&envelope.payload).unwrap();
            self.digests.insert(authorize.withdrawal, authorize.digests[0]);
        }
        if kind == PayloadKind::SignatureLogged {
            let logged: SignatureLogged = serde_json::from_slice(&envelope.payload).unwrap();
            let digest = self.digests.remove(&logged.withdrawal).unwrap();
            let signature =
                k256::ecdsa::Signature::from_scalars(*logged.signature.r(), *logged.signature.s());
            self.wallets.push((digest.0, signature.unwrap()));
        }
    }

    /// Verifies what was added, strictly, one by one, and forgets it.
    pub(crate) fn verify(&mut self) {
        self.ed25519 += self.edwards.len();
        self.ecdsa += self.wallets.len();
        for (key, message, signature) in self.edwards.drain(..) {
            key.verify_strict(&message, &signature).unwrap();
        }
        for (digest, signature) in self.wallets.drain(..) {
            self.wallet.verify_prehash(&digest, &signature).unwrap();
        }
    }
}

fn sshsig(
    key: VerifyingKey,
    kind: PayloadKind,
    message: &[u8],
    signature: &EnvelopeSignature,
) -> (VerifyingKey, Vec<u8>, Signature) {
    let namespace = if kind == PayloadKind::Genesis { GENESIS_NAMESPACE } else { OFFICER_NAMESPACE };
    let parsed = SshSig::from_pem(&signature.signature).unwrap();
    let signed = SshSig::signed_data(namespace, HashAlg::Sha512, message).unwrap();
    (key, signed, Signature::from_slice(parsed.signature_bytes()).unwrap())
}
