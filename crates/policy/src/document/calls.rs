//! Owns what a grant of contract calls may say: the contract, the function, what its arguments may be, and which dangers it takes
//! on purpose. It never reads a function whose calls would move a token: that is a transfer, which limits count.

use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, str::FromStr};

use holdfast_chains::{Address, Amount, CallValue, FunctionSignature, ParameterKind, Selector};

use super::{
    PolicyError,
    error::FieldProblem,
    read::set,
    toml_field::{Field, Table},
};

/// Most functions of one grant.
const MAX_CALLS: usize = 64;
const MAX_ARGUMENTS: usize = 16;
const MAX_CHOICES: usize = 64;

/// One function of one contract that a grant lets wallets call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRule {
    /// The contract, on the chain of the grant's asset.
    pub contract: Address,
    /// The function.
    pub function: FunctionSignature,
    /// The dangers that it takes on purpose.
    pub allow: BTreeSet<CallDanger>,
    /// What arguments may be, by position from 1; one without a rule may be anything.
    pub arguments: BTreeMap<usize, ArgumentRule>,
}

impl CallRule {
    /// Names it among the functions of a grant.
    pub fn name(&self) -> String {
        format!("{} {}", self.contract, self.function)
    }
}

/// What an argument may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentRule {
    /// One of these.
    OneOf(BTreeSet<ArgumentChoice>),
    /// A number that is not above this.
    AtMost(Amount),
}

impl fmt::Display for ArgumentRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(choices) => {
                let choices: Vec<_> = choices.iter().map(ToString::to_string).collect();
                write!(f, "one of {}", choices.join(" and "))
            }
            Self::AtMost(most) => write!(f, "at most {most}"),
        }
    }
}

/// One value that an argument may have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArgumentChoice {
    /// The address of the wallet that calls.
    Wallet,
    /// Any address with an active whitelist entry.
    Whitelisted,
    /// Exactly this.
    Value(CallValue),
}

impl fmt::Display for ArgumentChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wallet => f.write_str("wallet"),
            Self::Whitelisted => f.write_str("whitelisted"),
            Self::Value(value) => write!(f, "{value}"),
        }
    }
}

/// What makes a call deny itself unless the very listing takes it on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallDanger {
    /// Lets somebody take tokens without a bound.
    UnlimitedApproval,
    /// Carries another call, which nobody decodes.
    NestedCall,
    /// Runs another contract's code as the contract's own.
    Delegatecall,
    /// Replaces a contract's code or owner.
    ProxyUpgrade,
}

impl CallDanger {
    const ALL: [Self; 4] =
        [Self::UnlimitedApproval, Self::NestedCall, Self::Delegatecall, Self::ProxyUpgrade];

    const fn name(self) -> &'static str {
        match self {
            Self::UnlimitedApproval => "unlimited_approval",
            Self::NestedCall => "nested_call",
            Self::Delegatecall => "delegatecall",
            Self::ProxyUpgrade => "proxy_upgrade",
        }
    }

    /// The dangers of a call of this function with these arguments.
    ///
    /// By the function's name alone, in any case, where its arguments do not matter: an overload that nobody listed here is no way around.
    // INVARIANT (G9): what is not understood as harmless counts as dangerous.
    pub fn of(function: &FunctionSignature, arguments: &[CallValue]) -> BTreeSet<Self> {
        let named = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(function.name()));
        let mut dangers = BTreeSet::new();
        if named(APPROVES) && !is_bounded_approval(function, arguments) {
            dangers.insert(Self::UnlimitedApproval);
        }
        if named(CARRIES) {
            dangers.insert(Self::NestedCall);
        }
        if named(DELEGATES) && !is_plain_operation(function, arguments) {
            dangers.insert(Self::Delegatecall);
        }
        if named(TAKES_OVER) {
            dangers.insert(Self::ProxyUpgrade);
        }
        dangers
    }
}

impl fmt::Display for CallDanger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CallDanger {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let danger = Self::ALL.into_iter().find(|danger| danger.name() == name);
        danger.ok_or("use `unlimited_approval`, `nested_call`, `delegatecall` or `proxy_upgrade`")
    }
}

/// Functions that let somebody else take tokens.
const APPROVES: &[&str] = &[
    "approve",
    "approveAndCall",
    "approveForAll",
    "approveMax",
    "authorizeOperator",
    "increaseAllowance",
    "increaseApproval",
    "permit",
    "permitAll",
    "permitAndCall",
    "permitBatch",
    "permitForAll",
    "setApprovalForAll",
    "setOperator",
];

/// Functions whose arguments are calls themselves.
const CARRIES: &[&str] = &[
    "aggregate",
    "aggregate3",
    "aggregate3Value",
    "approveAndCall",
    "batch",
    "batchCall",
    "batchExecute",
    "blockAndAggregate",
    "call",
    "delegatecall",
    "exec",
    "execTransaction",
    "execTransactionFromModule",
    "execTransactionFromModuleReturnData",
    "execute",
    "executeBatch",
    "executeCall",
    "executeFromExecutor",
    "executeTransaction",
    "executeUserOp",
    "forward",
    "functionCall",
    "functionDelegateCall",
    "handleAggregatedOps",
    "handleOps",
    "invoke",
    "multicall",
    "multiSend",
    "permitAndCall",
    "propose",
    "proxy",
    "relay",
    "relayCall",
    "schedule",
    "scheduleBatch",
    "submitTransaction",
    "tryAggregate",
    "tryBlockAndAggregate",
    "wc_multiCall",
];

/// Those of them that can run foreign code in the contract's own name.
const DELEGATES: &[&str] = &[
    "batchCall",
    "batchExecute",
    "delegatecall",
    "exec",
    "execTransaction",
    "execTransactionFromModule",
    "execTransactionFromModuleReturnData",
    "execute",
    "executeBatch",
    "executeFromExecutor",
    "executeUserOp",
    "functionDelegateCall",
    "multicall",
    "multiSend",
    "proxy",
    "wc_multiCall",
];

/// Functions that replace a contract's code, or who may.
const TAKES_OVER: &[&str] = &[
    "acceptOwnership",
    "addOwner",
    "addOwnerWithThreshold",
    "beginDefaultAdminTransfer",
    "changeAdmin",
    "changeOwner",
    "changeProxyAdmin",
    "changeThreshold",
    "diamondCut",
    "enableModule",
    "grantRole",
    "installModule",
    "nominateNewOwner",
    "removeOwner",
    "renounceOwnership",
    "setAdmin",
    "setAuthority",
    "setFallbackHandler",
    "setGuard",
    "setImplementation",
    "setOwner",
    "setPendingAdmin",
    "setPendingOwner",
    "swapOwner",
    "transferAdmin",
    "transferOwnership",
    "transferProxyOwnership",
    "uninstallModule",
    "updateImplementation",
    "upgrade",
    "upgradeAndCall",
    "upgradeTo",
    "upgradeToAndCall",
];

/// From here on an approved amount is as good as all there is.
const UNLIMITED: u32 = 128;

/// Signatures of the best known dangers: a function of another name with the same selector is refused, because nobody would see in
/// its name what it does.
const KNOWN: &[&str] = &[
    "approve(address,uint256)",
    "approve(address,address,uint160,uint48)",
    "increaseAllowance(address,uint256)",
    "increaseApproval(address,uint256)",
    "setApprovalForAll(address,bool)",
    "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
    "permit(address,address,uint256,uint256,bool,uint8,bytes32,bytes32)",
    "permit(address,((address,uint160,uint48,uint48),address,uint256),bytes)",
    "approveAndCall(address,uint256,bytes)",
    "authorizeOperator(address)",
    "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)",
    "execTransactionFromModule(address,uint256,bytes,uint8)",
    "execute(address,uint256,bytes)",
    "execute(bytes32,bytes)",
    "execute(uint256,address,uint256,bytes)",
    "executeBatch(address[],uint256[],bytes[])",
    "multicall(bytes[])",
    "multicall(uint256,bytes[])",
    "multiSend(bytes)",
    "aggregate((address,bytes)[])",
    "aggregate3((address,bool,bytes)[])",
    "upgradeTo(address)",
    "upgradeToAndCall(address,bytes)",
    "upgrade(address,address)",
    "upgradeAndCall(address,address,bytes)",
    "changeAdmin(address)",
    "changeProxyAdmin(address,address)",
    "setImplementation(address)",
    "transferOwnership(address)",
    "diamondCut((address,uint8,bytes4[])[],address,bytes)",
];

fn is_bounded_approval(function: &FunctionSignature, arguments: &[CallValue]) -> bool {
    match (function.as_str(), arguments) {
        ("approve(address,uint256)", [CallValue::Address(_), CallValue::Uint(amount)]) => {
            amount.bits() <= UNLIMITED
        }
        ("setApprovalForAll(address,bool)", [_, CallValue::Bool(yes)]) => !yes,
        _ => false,
    }
}

/// A Safe's transaction says how it is run: 0 is an ordinary call.
fn is_plain_operation(function: &FunctionSignature, arguments: &[CallValue]) -> bool {
    let of_a_safe = function.name().starts_with("execTransaction");
    let operation = (function.parameter(4), arguments.get(3));
    of_a_safe
        && matches!(operation, (Some(ParameterKind::Uint(8)), Some(CallValue::Uint(how))) if how.is_zero())
}

pub(super) fn calls(field: &Field<'_>) -> Result<Vec<CallRule>, PolicyError> {
    let mut calls: Vec<CallRule> = Vec::new();
    for element in field.elements(MAX_CALLS)? {
        let call = call(element.clone())?;
        let known = calls.iter().any(|known| {
            known.contract == call.contract && known.function.selector() == call.function.selector()
        });
        if known {
            return Err(element.error(FieldProblem::Duplicate { value: call.name() }));
        }
        calls.push(call);
    }
    Ok(calls)
}

fn call(field: Field<'_>) -> Result<CallRule, PolicyError> {
    let mut table = field.table()?;
    let contract = table.required("contract")?;
    let address: Address = contract.parse()?;
    if address.is_zero() {
        return Err(contract.invalid("the zero address is no contract"));
    }
    let function = function(&table.required("function")?)?;
    let allow = table.optional("allow").map(|field| set(&field)).transpose()?.unwrap_or_default();
    let arguments = match table.optional("arguments") {
        Some(field) => arguments(&field, &function)?,
        None => BTreeMap::new(),
    };
    table.finish()?;
    Ok(CallRule { contract: address, function, allow, arguments })
}

fn function(field: &Field<'_>) -> Result<FunctionSignature, PolicyError> {
    let function: FunctionSignature = field.parse()?;
    let selector = function.selector();
    if let Some(movement) = selector.token_movement() {
        let reason =
            format!("`{movement}` moves a token: grant a transfer of the asset, so that limits count it");
        return Err(field.invalid(reason));
    }
    let alias = KNOWN.iter().find(|known| **known != function.as_str() && Selector::of(known) == selector);
    match alias {
        Some(known) => Err(field.invalid(format_args!("its selector is that of `{known}`: write that"))),
        None => Ok(function),
    }
}

fn arguments(
    field: &Field<'_>,
    function: &FunctionSignature,
) -> Result<BTreeMap<usize, ArgumentRule>, PolicyError> {
    let mut rules = BTreeMap::new();
    for element in field.elements(MAX_ARGUMENTS)? {
        let mut table = element.table()?;
        let position = table.required("position")?;
        let number = usize::from(position.number(1_u8, u8::MAX)?);
        let Some(kind) = function.parameter(number) else {
            let count = function.arity();
            return Err(position.invalid(format_args!("the function has {count} arguments")));
        };
        let rule = argument(&mut table, function, number, kind)?;
        table.finish()?;
        if rules.insert(number, rule).is_some() {
            return Err(position.error(FieldProblem::Duplicate { value: number.to_string() }));
        }
    }
    Ok(rules)
}

fn argument(
    table: &mut Table<'_>,
    function: &FunctionSignature,
    position: usize,
    kind: ParameterKind,
) -> Result<ArgumentRule, PolicyError> {
    match (table.optional("one_of"), table.optional("at_most")) {
        (Some(_), Some(field)) => Err(field.invalid("the argument has `one_of` already")),
        (None, Some(field)) => match kind {
            ParameterKind::Uint(_) => function
                .read_value(position, field.string()?)
                .map_err(|reason| field.invalid(reason))
                .and_then(|_| field.parse().map(ArgumentRule::AtMost)),
            ParameterKind::Address | ParameterKind::Bool | ParameterKind::Bytes(_) | ParameterKind::Other => {
                Err(field.invalid(format_args!("the argument is {kind}, not an unsigned number")))
            }
        },
        (one_of, None) => {
            let field = match one_of {
                Some(field) => field,
                None => table.required("one_of")?,
            };
            choices(&field, function, position, kind).map(ArgumentRule::OneOf)
        }
    }
}

fn choices(
    field: &Field<'_>,
    function: &FunctionSignature,
    position: usize,
    kind: ParameterKind,
) -> Result<BTreeSet<ArgumentChoice>, PolicyError> {
    let mut choices = BTreeSet::new();
    for element in field.elements(MAX_CHOICES)? {
        let text = element.string()?;
        let choice = match (kind, text) {
            (ParameterKind::Address, "wallet") => ArgumentChoice::Wallet,
            (ParameterKind::Address, "whitelisted") => ArgumentChoice::Whitelisted,
            (_, text) => {
                let value = function.read_value(position, text);
                ArgumentChoice::Value(value.map_err(|reason| element.invalid(reason))?)
            }
        };
        if !choices.insert(choice) {
            return Err(element.error(FieldProblem::Duplicate { value: text.to_owned() }));
        }
    }
    Ok(choices)
}
