//! Officers' statements: generated from the local replica, shown with four words, confirmed, signed, sent.
//!
//! Two ways to sign: with a key file here, or anywhere else with `ssh-keygen -Y sign` over the very bytes that
//! `--write-statement` wrote. Either way the result is checked against the replica before it leaves this machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use holdfast_ledger::{
    Act, OFFICER_NAMESPACE, PayloadKind, RosterChange, Statement, StatementBody, StatementDigest,
    fingerprint, key_id, verify_act,
};
use holdfast_log::{Envelope, EnvelopeSignature};
use holdfast_policy::{OfficerId, TimestampMs};
use holdfast_transport::Role;
use serde_json::json;

use crate::clock;
use crate::failure::{Exit, Failure};
use crate::files;
use crate::keys;
use crate::output::Answer;
use crate::profile::Who;
use crate::session::Session;

/// How an officer signs.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Signing {
    /// The officer who signs; the profile's default if absent
    #[arg(long, env = "HOLDFAST_OFFICER", value_name = "NAME")]
    pub(crate) officer: Option<String>,
    /// OpenSSH private key file; the profile's if absent
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Sign without asking: for scripts that have shown the statement before
    #[arg(long)]
    pub(crate) yes: bool,
    /// The officer's own words in the statement: at most 120 printable ASCII characters
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub(crate) note: String,
    /// Write the statement to FILE and stop, to sign it elsewhere with
    /// `ssh-keygen -Y sign -n holdfast-statement -f KEY FILE`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "signature"])]
    pub(crate) write_statement: Option<PathBuf>,
    /// Send a statement that was written before, with the signature that `ssh-keygen -Y sign` made (FILE.sig)
    #[arg(long, value_name = "FILE.sig", conflicts_with = "key")]
    pub(crate) signature: Option<PathBuf>,
    /// The statement that `--signature` signs; the same name without `.sig` if absent
    #[arg(long, value_name = "FILE", requires = "signature")]
    pub(crate) statement: Option<PathBuf>,
    /// Show one line instead of the whole statement: for the demo, which has shown one of the kind before.
    #[arg(skip)]
    pub(crate) brief: bool,
    /// How long the statement is valid. What protects never expires and has no such option.
    #[arg(skip)]
    pub(crate) valid_for: Option<Duration>,
}

/// How an officer signs what expires.
#[derive(Args, Clone, Debug)]
pub(crate) struct Expiring {
    #[command(flatten)]
    signing: Signing,
    /// How long the statement is valid, at most 7d
    #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = clock::parse_duration)]
    valid_for: Duration,
}

const DEFAULT_VALIDITY: Duration = Duration::from_secs(24 * 60 * 60);

impl Expiring {
    /// With its validity.
    pub(crate) fn signing(&self) -> Signing {
        Signing { valid_for: Some(self.valid_for), ..self.signing.clone() }
    }
}

impl From<Signing> for Expiring {
    fn from(signing: Signing) -> Self {
        Self { signing, valid_for: DEFAULT_VALIDITY }
    }
}

/// A statement ready to be sent.
#[derive(Debug)]
pub(crate) struct SignedStatement {
    pub(crate) envelope: Envelope,
    pub(crate) digest: StatementDigest,
    /// Whether it was made in this run: then nobody has seen it yet.
    pub(crate) newly_made: bool,
}

/// What came of preparing a statement.
pub(crate) enum Prepared {
    /// It is signed.
    Signed(Box<SignedStatement>),
    /// It was written to a file and is to be signed elsewhere.
    Written(Answer),
}

/// Where the text's descriptive lines come from.
pub(crate) trait Describes {
    fn text(&self, statement: &Statement) -> Result<String, Failure>;

    /// One line: what the text was made from, and how old that is.
    fn provenance(&self) -> String;

    /// A warning, if that is too old to sign upon.
    fn staleness(&self) -> Option<String>;
}

/// For protective statements when no log can be had: the lines are what this machine knows. A wrong line makes a
/// statement that nodes refuse, never one that does something else.
pub(crate) struct Lines(Vec<(String, String)>);

impl Lines {
    /// From this machine or the command, without reading the log.
    pub(crate) fn unread(lines: Vec<(String, String)>) -> Self {
        Self(lines)
    }
}

impl Describes for Lines {
    fn text(&self, statement: &Statement) -> Result<String, Failure> {
        statement.check().map_err(|error| Failure::usage(error.to_string()))?;
        Ok(statement.render(&self.0))
    }

    fn provenance(&self) -> String {
        "what this machine knows; nodes refuse it if it is wrong".to_owned()
    }

    fn staleness(&self) -> Option<String> {
        None
    }
}

impl SignedStatement {
    /// What goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.envelope.to_json()
    }
}

impl Signing {
    /// The officer who signs.
    pub(crate) fn who(&self, session: &Session) -> Result<Who, Failure> {
        session.profile.choose(Role::Officer, self.officer.as_deref())
    }

    /// Makes, shows, confirms and signs a statement with this body.
    pub(crate) fn prepare(
        &self,
        session: &Session,
        describes: &impl Describes,
        body: StatementBody,
    ) -> Result<Prepared, Failure> {
        let who = self.who(session)?;
        if let Some(signature) = &self.signature {
            let signed = self.signed_elsewhere(session, &who, signature)?;
            expect_same(&signed.statement, &body, describes, &signed.text)?;
            return finish(session, signed, false);
        }
        let statement = self.fresh(session, &who, body)?;
        let text = describes.text(&statement)?;
        self.show(session, &who, describes, &statement, &text);
        if let Some(path) = &self.write_statement {
            return written(path, &text);
        }
        if !self.yes {
            session.output.confirm(&format!("Sign this as officer `{}`?", who.name))?;
        }
        let key = match &self.key {
            Some(key) => key.clone(),
            None => session.profile.signing_key(&who)?,
        };
        let signature = keys::ssh_sign(&key, OFFICER_NAMESPACE, text.as_bytes())?;
        finish(session, Draft { envelope: envelope(&who, &text, signature)?, statement, text }, true)
    }

    /// What the statement says that `--signature` signs.
    pub(crate) fn signed_before(&self, session: &Session) -> Result<Option<StatementBody>, Failure> {
        let Some(signature) = &self.signature else { return Ok(None) };
        let draft = self.signed_elsewhere(session, &self.who(session)?, signature)?;
        Ok(Some(draft.statement.body))
    }

    fn show(
        &self,
        session: &Session,
        who: &Who,
        describes: &impl Describes,
        statement: &Statement,
        text: &str,
    ) {
        let words = fingerprint(text.as_bytes());
        if self.brief {
            session.output.line(&format!("  {} signs `{}` ({words})", who.name, statement.body.action()));
        } else {
            session.output.line(&shown(describes, text));
        }
        if let Some(warning) = describes.staleness() {
            session.output.notice(&warning);
        }
    }

    fn fresh(&self, session: &Session, who: &Who, body: StatementBody) -> Result<Statement, Failure> {
        let issued_at = clock::now();
        let valid_for = self.valid_for.unwrap_or(DEFAULT_VALIDITY);
        Ok(Statement {
            cluster: session.genesis.document.cluster.clone(),
            officer: OfficerId::new(who.name.clone()).map_err(|error| Failure::usage(error.to_string()))?,
            issued_at,
            expires_at: (!body.is_protective()).then(|| clock::after(issued_at, valid_for)),
            note: self.note.clone(),
            body,
        })
    }

    fn signed_elsewhere(&self, session: &Session, who: &Who, signature: &Path) -> Result<Draft, Failure> {
        let path = match &self.statement {
            Some(path) => path.clone(),
            None => without_sig(signature)?,
        };
        let text = files::read_text(&path)?;
        let envelope = envelope(who, &text, files::read(signature)?)?;
        let statement = authentic(session, &envelope)?;
        Ok(Draft { envelope, statement, text })
    }
}

/// What an officer sees before being asked.
fn shown(describes: &impl Describes, text: &str) -> String {
    let words = fingerprint(text.as_bytes());
    format!("\n{}\n\n  four words: {words}\n  made from: {}\n", indent(text), describes.provenance())
}

struct Draft {
    envelope: Envelope,
    statement: Statement,
    text: String,
}

/// INVARIANT (G1): nothing leaves this machine that the registered key of this officer has not signed.
fn finish(session: &Session, draft: Draft, newly_made: bool) -> Result<Prepared, Failure> {
    authentic(session, &draft.envelope)?;
    let digest = StatementDigest::of(draft.text.as_bytes());
    Ok(Prepared::Signed(Box::new(SignedStatement { envelope: draft.envelope, digest, newly_made })))
}

fn authentic(session: &Session, envelope: &Envelope) -> Result<Statement, Failure> {
    let rosters = session.rosters()?;
    let act = verify_act(rosters.newest(&session.genesis), envelope).map_err(|error| {
        Failure::new(Exit::Refused, error.code(), error.to_string())
            .next("sign with the officer's registered key, namespace `holdfast-statement`")
    })?;
    match act.act() {
        Ok(Act::Statement { statement, .. }) => Ok(statement.clone()),
        Ok(_) => Err(Failure::usage("this is no statement")),
        Err(rejection) => Err(rejection.clone().into()),
    }
}

/// A statement from a file must say what this command is about, and describe it as the log does now.
fn expect_same(
    statement: &Statement,
    body: &StatementBody,
    describes: &impl Describes,
    text: &str,
) -> Result<(), Failure> {
    if !same_subject(&statement.body, body) {
        let message =
            format!("the file says `{}` about something else than this command", statement.body.action());
        return Err(Failure::new(Exit::Usage, "STATEMENT_MISMATCH", message).next(
            "run the command that wrote the statement, with `--signature` in place of `--write-statement`",
        ));
    }
    if describes.text(statement)? == text {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Other,
        "STATEMENT_MISMATCH",
        "the statement does not describe its subject as the log does now",
    )
    .next("write it again with `--write-statement` and sign it again"))
}

/// Times and checkpoints inside a proposal were fixed when it was written; everything else must be equal.
fn same_subject(found: &StatementBody, expected: &StatementBody) -> bool {
    match (found, expected) {
        (StatementBody::ProposeWhitelistEntry(found), StatementBody::ProposeWhitelistEntry(expected)) => {
            let mut found = found.clone();
            found.expires_at = expected.expires_at;
            found.not_before = expected.not_before;
            found == *expected
        }
        (StatementBody::ProposeRosterChange(found), StatementBody::ProposeRosterChange(expected)) => {
            let mut found = found.clone();
            match (&mut found.change, &expected.change) {
                (
                    RosterChange::AddClient { expires_at: found, .. },
                    RosterChange::AddClient { expires_at, .. },
                ) => *found = *expires_at,
                (
                    RosterChange::ReplaceNodeKeys { minimum: found, .. },
                    RosterChange::ReplaceNodeKeys { minimum, .. },
                ) => *found = *minimum,
                (_, _) => {}
            }
            found == *expected
        }
        (found, expected) => found == expected,
    }
}

fn envelope(who: &Who, text: &str, signature: Vec<u8>) -> Result<Envelope, Failure> {
    let signature = EnvelopeSignature { key_id: key_id("officer", &who.name), signature };
    Envelope::new(PayloadKind::Statement.payload_type(), text.as_bytes().to_vec(), vec![signature])
        .map_err(|error| Failure::new(Exit::Usage, error.code(), error.to_string()))
}

pub(crate) fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  | {line}\n")).collect::<String>().trim_end().to_owned()
}

fn written(path: &Path, text: &str) -> Result<Prepared, Failure> {
    files::write_new(path, text.as_bytes())?;
    let name = path.display();
    let next = format!("ssh-keygen -Y sign -n {OFFICER_NAMESPACE} -f KEY {name}");
    let json = json!({
        "statement": name.to_string(),
        "text": text,
        "fingerprint": fingerprint(text.as_bytes()),
        "sign_with": next,
    });
    let text = format!(
        "statement written to `{name}`\nsign it:  {next}\nsend it:  the same command with `--signature {name}.sig`"
    );
    Ok(Prepared::Written(Answer::new(json, text)))
}

fn without_sig(path: &Path) -> Result<PathBuf, Failure> {
    if path.extension().is_some_and(|extension| extension == "sig") {
        return Ok(path.with_extension(""));
    }
    Err(Failure::usage(format!("`{}` does not end in `.sig`", path.display()))
        .next("name the statement's file with `--statement FILE`"))
}

/// When a statement's subject ends, from now.
pub(crate) fn until(span: Duration) -> TimestampMs {
    clock::after(clock::now(), span)
}

#[cfg(test)]
mod tests;
