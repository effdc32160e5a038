//! Owns what is questionable about a document that can be read: rules that never speak, rules that contradict each other, and
//! documents that give more than they seem to. It never refuses anything: a finding is advice to the people who approve.
//!
//! Start at [`lint`]; `contradictions`, `width` and `parties` look at one kind of question each.

mod breakers;
mod contradictions;
mod finding;
mod named;
mod parties;
mod width;

use std::collections::BTreeSet;

use holdfast_chains::Asset;

use crate::{
    document::{DocumentLines, PolicyDocument},
    ids::{ClientId, ListId, OfficerId, ProviderId, RoleName, RuleId, WalletId},
};

pub use finding::{LintCode, PolicyFinding, Severity};
pub use named::NamedParties;

/// What a cell knows that a document only names: from its genesis, or from its log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownParties {
    /// Officers in the roster, with their roles.
    pub officers: Vec<(OfficerId, BTreeSet<RoleName>)>,
    /// Clients in the roster.
    pub clients: BTreeSet<ClientId>,
    /// Providers in the roster.
    pub providers: BTreeSet<ProviderId>,
    /// The asset registry.
    pub assets: Vec<Asset>,
    /// Screening lists that are loaded.
    pub lists: BTreeSet<ListId>,
    /// Active wallets; `None` if only the genesis is known, which has none.
    pub wallets: Option<BTreeSet<WalletId>>,
}

impl KnownParties {
    /// What a document names and nobody looked up: all of its names where nothing is known of the cell.
    pub fn leave_unknown(known: Option<&Self>, named: NamedParties) -> NamedParties {
        match known {
            None => named,
            Some(Self { wallets: None, .. }) => {
                NamedParties { wallets: named.wallets, ..NamedParties::default() }
            }
            Some(_) => NamedParties::default(),
        }
    }
}

/// Everything questionable about a document, in the order of its lines. With `known`, names are looked up too.
pub fn lint(document: &PolicyDocument, known: Option<&KnownParties>) -> Vec<PolicyFinding> {
    let mut report = Report { document, lines: document.lines(), findings: Vec::new() };
    contradictions::check(&mut report);
    width::check(&mut report);
    if let Some(known) = known {
        parties::check(&mut report, known);
    }
    report
        .findings
        .sort_by(|a, b| (a.line, a.code.code(), &a.sentence).cmp(&(b.line, b.code.code(), &b.sentence)));
    report.findings
}

struct Report<'d> {
    document: &'d PolicyDocument,
    lines: DocumentLines,
    findings: Vec<PolicyFinding>,
}

impl Report<'_> {
    /// A finding about the field at this path.
    fn find(&mut self, code: LintCode, path: &str, rule: Option<&RuleId>, sentence: String) {
        let line = self.lines.line(path);
        self.findings.push(PolicyFinding { code, line, rule: rule.cloned(), sentence });
    }

    /// A finding about a field of a grant, by the grant's place in the document.
    fn grant(&mut self, index: usize, field: &str, code: LintCode, sentence: String) {
        let id = self.document.grants().get(index).map(|grant| &grant.id);
        self.find(code, &format!("grant[{index}].{field}"), id, sentence);
    }

    /// A finding about a field of a restriction, by the restriction's place in the document.
    fn restriction(&mut self, index: usize, field: &str, code: LintCode, sentence: String) {
        let id = self.document.restrictions().get(index).map(|restriction| &restriction.id);
        let path = self.document.path_of_restriction(index);
        self.find(code, &format!("{path}.{field}"), id, sentence);
    }
}

#[cfg(test)]
mod tests;
