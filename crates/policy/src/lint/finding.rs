//! Owns the table of what can be questionable: a stable code, how grave it is, and what to do.

use serde::{Serialize, Serializer};

use crate::ids::RuleId;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Notice,
    /// Gives more, or says less, than it seems to.
    Warning,
    /// Cannot work as it is written.
    Error,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! findings {
    ($($variant:ident, $code:literal, $severity:ident, $about:literal, $advice:literal;)+) => {
        /// What is questionable. Codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum LintCode {
            $(#[doc = $about] $variant,)+
        }

        impl LintCode {
            /// Every code, in the order of the table in `docs/policy.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code, in capitals.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// How grave it is.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }

            /// What it is about.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about),+ }
            }

            /// What to do.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),+ }
            }
        }
    };
}

findings! {
    // Unreachable.
    GrantShadowed, "GRANT_SHADOWED", Warning, "Another grant gives all that this one gives.", "remove it, or narrow the other one";
    GrantNeverUsed, "GRANT_NEVER_USED", Warning, "Nothing that the grant gives passes the restrictions.", "raise the restriction or remove the grant";
    RestrictionNeverApplies, "RESTRICTION_NEVER_APPLIES", Warning, "No grant gives what the restriction is about.", "correct its asset or chain, or remove it";
    HoldNeverReached, "HOLD_NEVER_REACHED", Warning, "What the rule would hold is denied or not given anyway.", "lower `hold_above`, or raise what is below it";
    DenyNeverReached, "DENY_NEVER_REACHED", Notice, "What the rule would deny is denied or not given anyway.", "remove the bound, or check which of the two is meant";
    RiskNeverReached, "RISK_NEVER_REACHED", Warning, "All weights together do not reach the threshold.", "lower the threshold or raise weights in `[risk]`";
    // Contradictory.
    HoldBandEmpty, "HOLD_BAND_EMPTY", Error, "The rule denies from where it would hold.", "lower `hold_above` (`hold_at`) below `deny_above` (`deny_at`), or leave it out";
    DeniesEverything, "DENIES_EVERYTHING", Error, "The rule denies every withdrawal that it is about.", "raise the bound; to stop a wallet, pause it";
    HoldsEverything, "HOLDS_EVERYTHING", Notice, "The rule holds every withdrawal that it is about.", "keep it if people shall approve each one";
    // Names.
    HoldRoleUnfilled, "HOLD_ROLE_UNFILLED", Error, "The officers in the roster cannot give the approvals that a hold needs.", "ask for fewer or other roles, or add officers first";
    HoldOwnerUnfilled, "HOLD_OWNER_UNFILLED", Warning, "No officer has the role that looks after holds.", "name a role that somebody has";
    ClientUnknown, "CLIENT_UNKNOWN", Warning, "A rule names a client that the roster does not have.", "correct the name, or add the client";
    ProviderUnknown, "PROVIDER_UNKNOWN", Warning, "A rule or term names a provider that the roster does not have: it never reports.", "correct the name, or add the provider";
    WalletUnknown, "WALLET_UNKNOWN", Warning, "A rule names a wallet that does not exist.", "correct the name, or create the wallet";
    AssetUnknown, "ASSET_UNKNOWN", Error, "A rule names an asset that the registry does not have.", "correct the symbol: the rule never applies";
    ListUnknown, "LIST_UNKNOWN", Error, "A rule names a screening list that is not loaded, so it denies everything.", "load the list first";
    // Over-wide.
    GrantWithoutMaximum, "GRANT_WITHOUT_MAXIMUM", Warning, "Nothing denies a large amount of an asset that the grant gives.", "set `max_amount`, or `deny_above` in a limit for the asset";
    AssetWithoutLimit, "ASSET_WITHOUT_LIMIT", Warning, "No limit holds or denies an asset that the grant gives.", "add a `limit_per_transaction` for the asset";
    AssetWithoutWindow, "ASSET_WITHOUT_WINDOW", Notice, "No sliding window adds up an asset that the grant gives: many small amounts are not limited.", "add a `limit_window`";
    CallAddressOpen, "CALL_ADDRESS_OPEN", Warning, "A grant lists a call in which an address may be anybody's.", "name `one_of` for the argument";
    CallAmountOpen, "CALL_AMOUNT_OPEN", Warning, "A grant lists an approval of tokens without a bound of its own.", "name `at_most` for the amount";
    CallDangerAllowed, "CALL_DANGER_ALLOWED", Warning, "A grant takes a danger of a call on purpose.", "remove it from `allow`, unless people approve every such call";
    CallWithoutCount, "CALL_WITHOUT_COUNT", Notice, "No window counts withdrawals: what a call gives away in tokens adds up without a limit.", "add a `limit_window` with `unit = \"count\"`";
    TierWithoutCeiling, "TIER_WITHOUT_CEILING", Warning, "Nothing bounds what leaves the wallets of a tier together.", "add a `[[tier.ceiling]]` with `window_ms`";
    BreakerByOneCustomer, "BREAKER_BY_ONE_CUSTOMER", Warning, "One customer alone can trip the circuit breaker, and so stop the wallet for everybody.", "set `per_customer` below `max_denials`, or limit what one customer takes below `max_outflow`";
    EveryClient, "EVERY_CLIENT", Warning, "The grant is for every client, also for those added later.", "name the clients";
    NoWhitelist, "NO_WHITELIST", Notice, "No `whitelist` restriction: only the grants ask for a whitelist entry.", "add one, so that a later grant cannot forget it";
    NoScreening, "NO_SCREENING", Warning, "No `screening` restriction.", "add one with the lists that apply to you";
    NoRisk, "NO_RISK", Warning, "No `risk` restriction: signs of a stolen account change nothing.", "add one";
    NoFeeCap, "NO_FEE_CAP", Warning, "No `fee_cap` for a chain: a thief who owns a client can burn a wallet in fees, and sweeps are denied.", "add one for each chain";
    NoCoolingOff, "NO_COOLING_OFF", Warning, "New whitelist entries are usable at once.", "set `cooling_off_ms` to at least a day (86_400_000)";
    OnePersonApproves, "ONE_PERSON_APPROVES", Notice, "One person alone can lift a hold.", "ask for two people";
    SessionProvidersOpen, "SESSION_PROVIDERS_OPEN", Warning, "The session reports of every provider count, also those of one that is there for prices.", "name providers in `[sessions]`";
    ReportAgeLong, "REPORT_AGE_LONG", Notice, "A session report counts for an hour or longer.", "set `max_report_age_ms` to minutes";
}

impl Serialize for LintCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

/// One questionable thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyFinding {
    /// What.
    pub code: LintCode,
    /// The line, from 1.
    pub line: usize,
    /// The rule it is about.
    pub rule: Option<RuleId>,
    /// The same in words, with the values at hand.
    pub sentence: String,
}

impl PolicyFinding {
    /// How grave it is.
    pub const fn severity(&self) -> Severity {
        self.code.severity()
    }
}
