//! Reading a statement's own data back from its text.

use std::str::FromStr;

use holdfast_chains::{Address, AssetSymbol, ChainId};
use holdfast_policy::{CustomerRef, NodeId, PolicyVersion, TimestampMs};

use super::lines::{Reader, StatementError};
use super::{MAX_LIFTS, Statement, StatementBody, TITLE, legal, roster};
use crate::ceremony::{
    BacktestClaim, Before, ImportGiver, ImportProposal, MAX_OLD_PARTIES, MigrationProposal, NextChainCode,
    OldKey, PolicyProposal, ScreeningProposal, WalletProposal, WhitelistProposal,
};
use crate::ids::StatementDigest;
use crate::state::MAX_LIFTED;
use crate::time::parse_rfc3339_ms;

const MAX_NODES: usize = 16;
const MAX_ASSETS: usize = 16;
const MAX_ENGINE_CHARS: usize = 64;

pub(super) fn statement(payload: &[u8]) -> Result<(Statement, String), StatementError> {
    let text = std::str::from_utf8(payload).map_err(|_| StatementError::new("statement", "not ASCII"))?;
    let mut reader = Reader::new(TITLE, text)?;
    let cluster = value(&mut reader, "cluster")?;
    let action = reader.take("action")?;
    let body = body(action, &mut reader)?;
    reader.skip_to("officer");
    let officer = value(&mut reader, "officer")?;
    let issued_at = time("issued", reader.take("issued")?)?;
    let expires_at = reader.take_if("expires").map(|text| time("expires", text)).transpose()?;
    let note = match reader.take_if("note") {
        None => String::new(),
        Some(text) => quoted("note", text)?,
    };
    reader.end()?;
    let statement = Statement { cluster, officer, issued_at, expires_at, note, body };
    statement.check()?;
    Ok((statement, text.to_owned()))
}

fn body(action: &str, reader: &mut Reader<'_>) -> Result<StatementBody, StatementError> {
    match action {
        "propose to create a wallet" => Ok(StatementBody::ProposeWallet(wallet_proposal(reader)?)),
        "propose to import a wallet" => Ok(StatementBody::ProposeImport(Box::new(import_proposal(reader)?))),
        "propose to migrate a wallet" => Ok(StatementBody::ProposeMigration(migration_proposal(reader)?)),
        "propose to add a whitelist entry" => {
            Ok(StatementBody::ProposeWhitelistEntry(whitelist_proposal(reader)?))
        }
        "propose to resume a wallet" => {
            let wallet = value(reader, "wallet")?;
            let lifts = reader.take_all("lifts pause", MAX_LIFTS)?;
            let lifts = lifts.into_iter().map(digest).collect::<Result<_, _>>()?;
            Ok(StatementBody::ProposeResume { wallet, lifts })
        }
        "propose to change the roster" => {
            Ok(StatementBody::ProposeRosterChange(Box::new(roster::read(reader)?)))
        }
        "propose to change the policy" => Ok(StatementBody::ProposePolicy(policy_proposal(reader)?)),
        "propose to update a screening list" => Ok(StatementBody::ProposeScreening(ScreeningProposal {
            list: value(reader, "screening list")?,
            version: value(reader, "list version")?,
            replaces: match reader.take("list")? {
                "none" => None,
                hash => Some(typed("list", hash)?),
            },
            result: value(reader, "new list")?,
            delta: value(reader, "changes")?,
            added: value(reader, "adds")?,
            removed: value(reader, "removes")?,
        })),
        "propose to lift additions to a screening list" => {
            let list = value(reader, "screening list")?;
            let addresses = reader.take_all("lifts address", MAX_LIFTED)?;
            let addresses = addresses.into_iter().map(|text| address("lifts address", text));
            let addresses = addresses.collect::<Result<_, _>>()?;
            Ok(StatementBody::ProposeScreeningLift { list, addresses })
        }
        "add to a screening list" => {
            let list = value(reader, "screening list")?;
            let address = address("address", reader.take("address")?)?;
            Ok(StatementBody::AddToScreeningList { list, address })
        }
        "approve a ceremony" => Ok(StatementBody::ApproveCeremony(value(reader, "ceremony")?)),
        "approve a held withdrawal" => Ok(StatementBody::ApproveHold(value(reader, "withdrawal")?)),
        "reject a held withdrawal" => Ok(StatementBody::RejectHold(value(reader, "withdrawal")?)),
        "withdraw my approval of a withdrawal" => {
            Ok(StatementBody::WithdrawApproval(value(reader, "withdrawal")?))
        }
        "revoke a whitelist entry" => {
            Ok(StatementBody::RevokeWhitelistEntry(value(reader, "whitelist entry")?))
        }
        "pause a wallet" => Ok(StatementBody::PauseWallet(value(reader, "wallet")?)),
        "open a legal order" => Ok(StatementBody::OpenOrder(Box::new(legal::read(reader)?))),
        "approve a legal order" => Ok(StatementBody::ApproveOrder(value(reader, "order")?)),
        "revoke a client" => Ok(StatementBody::RevokeClient(value(reader, "client")?)),
        other => Err(StatementError::new("action", format!("`{other}` is unknown"))),
    }
}

fn policy_proposal(reader: &mut Reader<'_>) -> Result<PolicyProposal, StatementError> {
    Ok(PolicyProposal {
        version: PolicyVersion(value(reader, "policy version")?),
        replaces: value(reader, "policy")?,
        policy: value(reader, "new policy")?,
        diff: value(reader, "diff")?,
        backtest: BacktestClaim {
            digest: value(reader, "backtest")?,
            size: value(reader, "backtest size")?,
            decided: value(reader, "backtest decided")?,
            flips: value(reader, "backtest flips")?,
            customers: value(reader, "backtest customers")?,
            held: before("backtest held", reader)?,
            denied: before("backtest denied", reader)?,
        },
    })
}

fn before(key: &str, reader: &mut Reader<'_>) -> Result<Before, StatementError> {
    let numbers = reader.take(key)?.split_once(" -> ");
    let numbers = numbers.and_then(|(before, after)| Some((before.parse().ok()?, after.parse().ok()?)));
    let (before, after) = numbers.ok_or_else(|| StatementError::new(key, "must read `NUMBER -> NUMBER`"))?;
    Ok(Before { before, after })
}

fn wallet_proposal(reader: &mut Reader<'_>) -> Result<WalletProposal, StatementError> {
    let wallet = value(reader, "wallet")?;
    let engine = engine("engine", reader)?;
    let (t, n) = threshold("threshold", reader)?;
    Ok(WalletProposal { wallet, engine, t, n, nodes: nodes("node", reader)? })
}

fn migration_proposal(reader: &mut Reader<'_>) -> Result<MigrationProposal, StatementError> {
    let wallet = value(reader, "wallet")?;
    let (from_engine, to_engine) = (engine("engine", reader)?, engine("new engine", reader)?);
    let (from_epoch, epoch): (u32, u32) = (value(reader, "epoch")?, value(reader, "new epoch")?);
    let chain_code = NextChainCode::parse(reader.take("chain code")?)
        .ok_or_else(|| StatementError::new("chain code", "must read `carried` or `fresh`"))?;
    let (givers, receivers) = (nodes("giver", reader)?, nodes("receiver", reader)?);
    let proposal = MigrationProposal {
        wallet,
        from_engine,
        engine: to_engine,
        from_epoch,
        chain_code,
        givers,
        receivers,
    };
    if proposal.epoch() != epoch {
        return Err(StatementError::new("new epoch", "must be the one after `epoch`"));
    }
    Ok(proposal)
}

fn import_proposal(reader: &mut Reader<'_>) -> Result<ImportProposal, StatementError> {
    let wallet = wallet_proposal(reader)?;
    let (t, n) = threshold("old threshold", reader)?;
    let public_key = value(reader, "old public key")?;
    let shares = reader.take_all("old share", MAX_OLD_PARTIES)?.into_iter();
    let verifying_shares: Vec<_> = shares.map(|share| typed("old share", share)).collect::<Result<_, _>>()?;
    if usize::from(n) != verifying_shares.len() {
        return Err(StatementError::new("old threshold", "must count the old shares"));
    }
    let givers = reader.take_all("giver", MAX_NODES)?.into_iter().map(giver).collect::<Result<_, _>>()?;
    Ok(ImportProposal { wallet, old: OldKey { t, public_key, verifying_shares }, givers })
}

fn giver(text: &str) -> Result<ImportGiver, StatementError> {
    let (node, party) = text
        .split_once(" as old party ")
        .ok_or_else(|| StatementError::new("giver", "must read `NODE as old party NUMBER`"))?;
    Ok(ImportGiver { node: typed("giver", node)?, party: typed("giver", party)? })
}

fn threshold(key: &str, reader: &mut Reader<'_>) -> Result<(u8, u8), StatementError> {
    let numbers = reader.take(key)?.split_once(" of ");
    let numbers = numbers.and_then(|(t, n)| Some((t.parse().ok()?, n.parse().ok()?)));
    numbers.ok_or_else(|| StatementError::new(key, "must read `T of N`"))
}

fn engine(key: &str, reader: &mut Reader<'_>) -> Result<String, StatementError> {
    let engine = reader.take(key)?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._/-".contains(c);
    if engine.is_empty() || engine.len() > MAX_ENGINE_CHARS || !engine.chars().all(allowed) {
        return Err(StatementError::new(key, "1 to 64 of `a-z 0-9 . _ / -`"));
    }
    Ok(engine.to_owned())
}

fn nodes(key: &str, reader: &mut Reader<'_>) -> Result<Vec<NodeId>, StatementError> {
    let nodes = reader.take_all(key, MAX_NODES)?;
    nodes.into_iter().map(|node| typed::<NodeId>(key, node)).collect()
}

fn whitelist_proposal(reader: &mut Reader<'_>) -> Result<WhitelistProposal, StatementError> {
    let chain_id = ChainId(value(reader, "chain id")?);
    let address = address("address", reader.take("address")?)?;
    let assets = reader.take_all("asset", MAX_ASSETS)?;
    let assets = assets
        .into_iter()
        .map(|asset| typed::<AssetSymbol>("asset", asset))
        .collect::<Result<Vec<_>, _>>()?;
    if assets.is_empty() || !assets.is_sorted_by(|a, b| a < b) {
        return Err(StatementError::new("asset", "at least one, sorted, each once"));
    }
    let customer = match reader.take("owner")? {
        "house" => None,
        owner => {
            let customer = owner
                .strip_prefix("customer ")
                .ok_or_else(|| StatementError::new("owner", "must read `house` or `customer REF`"))?;
            Some(typed::<CustomerRef>("owner", customer)?)
        }
    };
    let not_before = reader.take_if("valid from").map(|text| time("valid from", text)).transpose()?;
    let expires_at = time("valid until", reader.take("valid until")?)?;
    Ok(WhitelistProposal { chain_id, address, assets, customer, not_before, expires_at })
}

fn address(key: &str, text: &str) -> Result<Address, StatementError> {
    Address::parse(text).map_err(|error| StatementError::new(key, error.to_string()))
}

pub(super) fn value<T: FromStr>(reader: &mut Reader<'_>, key: &str) -> Result<T, StatementError>
where
    T::Err: std::fmt::Display,
{
    typed(key, reader.take(key)?)
}

pub(super) fn typed<T: FromStr>(key: &str, text: &str) -> Result<T, StatementError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| StatementError::new(key, error.to_string()))
}

pub(super) fn time(key: &str, text: &str) -> Result<TimestampMs, StatementError> {
    parse_rfc3339_ms(text)
        .ok_or_else(|| StatementError::new(key, "must read like `2026-11-21T01:02:03.004Z`"))
}

fn quoted(key: &str, text: &str) -> Result<String, StatementError> {
    let inner =
        text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).filter(|inner| !inner.is_empty());
    inner.map(str::to_owned).ok_or_else(|| StatementError::new(key, "must be in double quotes"))
}

fn digest(text: &str) -> Result<StatementDigest, StatementError> {
    text.parse().map_err(|_| StatementError::new("lifts pause", "must be 64 hex digits"))
}
