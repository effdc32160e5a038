//! Owns the one table of reasons: a stable code, what an officer reads, and what a customer reads. A customer's sentence
//! never says which rule spoke, because a thief in the customer's account reads it too.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Customers read one of these four. More would let a thief probe limits, lists and risk signals.
const PROCESSING: &str = "Your withdrawal is being processed.";
const REVIEWING: &str = "Your withdrawal is being reviewed. You do not need to do anything.";
const CONFIRM: &str = "Your withdrawal waits until you confirm that it is yours.";
const REFUSED: &str = "This withdrawal cannot be made. Contact support if you need help.";

macro_rules! reasons {
    ($($variant:ident, $code:literal, $customer:ident, $officer:literal;)+) => {
        /// Why a rule passed, held or denied. Codes are stable: they are logged, shown by tools and mapped by clients.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "&'static str")]
        pub enum ReasonCode {
            $(#[doc = $officer] $variant,)+
        }

        impl ReasonCode {
            /// Every reason, in the order of the table in `docs/policy.md`.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code, in capitals.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// What an officer, an auditor or an operator reads.
            pub const fn officer_sentence(self) -> &'static str {
                match self { $(Self::$variant => $officer),+ }
            }

            /// What a customer may read.
            pub const fn customer_sentence(self) -> &'static str {
                match self { $(Self::$variant => $customer),+ }
            }
        }
    };
}

reasons! {
    // Passed.
    WalletActive, "WALLET_ACTIVE", PROCESSING, "The wallet is known and neither paused nor frozen.";
    CallListed, "CALL_LISTED", PROCESSING, "A grant lists the function of the contract, and the arguments are what it says.";
    AssetKnown, "ASSET_KNOWN", PROCESSING, "The asset is in the registry.";
    Granted, "GRANTED", PROCESSING, "The grant covers this wallet, asset, client, amount and destination.";
    DestinationNotListed, "DESTINATION_NOT_LISTED", PROCESSING, "The destination is on none of the rule's screening lists.";
    DestinationWhitelisted, "DESTINATION_WHITELISTED", PROCESSING, "An active whitelist entry covers the destination.";
    WithinAutomaticLimit, "WITHIN_AUTOMATIC_LIMIT", PROCESSING, "The amount is not above the automatic limit.";
    WithinWindowLimit, "WITHIN_WINDOW_LIMIT", PROCESSING, "What leaves within the window, this withdrawal included, is not above the automatic limit.";
    WithinTierCeiling, "WITHIN_TIER_CEILING", PROCESSING, "Neither the withdrawal nor what leaves its tier within the window is above the tier's automatic ceiling.";
    FeeCapAcceptable, "FEE_CAP_ACCEPTABLE", PROCESSING, "The fee cap that the client asked for is not above the policy's.";
    SessionReportCurrent, "SESSION_REPORT_CURRENT", PROCESSING, "The customer's session report is young enough to count.";
    ExposureAcceptable, "EXPOSURE_ACCEPTABLE", PROCESSING, "What the policy's providers report about the destination is below the thresholds.";
    RiskFactsKnown, "RISK_FACTS_KNOWN", PROCESSING, "Every fact that the rule requires for the score is known.";
    RiskAcceptable, "RISK_ACCEPTABLE", PROCESSING, "The risk score is below the rule's thresholds.";
    StepUpComplete, "STEP_UP_COMPLETE", PROCESSING, "An identity provider attested that the customer asked for exactly this.";
    ApprovalsComplete, "APPROVALS_COMPLETE", PROCESSING, "Enough different officers approved exactly this hold.";
    HoldReleased, "HOLD_RELEASED", PROCESSING, "The time that the rules wanted has passed, and they want nobody's approval.";
    NotApplicable, "NOT_APPLICABLE", PROCESSING, "The rule says nothing about this withdrawal.";

    NotFrozen, "NOT_FROZEN", PROCESSING, "No legal order freezes the wallet, the customer or the destination.";
    LegalOrderConfirmed, "LEGAL_ORDER_CONFIRMED", PROCESSING, "The payment is exactly what a confirmed legal order demands.";
    TravelRuleBelowThreshold, "TRAVEL_RULE_BELOW_THRESHOLD", PROCESSING, "The amount is not above the Travel Rule's threshold.";
    BreakerReady, "BREAKER_READY", PROCESSING, "The circuit breaker has not tripped.";
    WithinTimeWindow, "WITHIN_TIME_WINDOW", PROCESSING, "It is within the rule's days and hours.";
    TravelRuleSatisfied, "TRAVEL_RULE_SATISFIED", PROCESSING, "The Travel Rule exchange is accepted, or proven not to be required.";

    // Why a grant does not match.
    GrantOtherWallet, "GRANT_OTHER_WALLET", REFUSED, "The grant is for other wallets.";
    GrantOtherAsset, "GRANT_OTHER_ASSET", REFUSED, "The grant is for other assets.";
    GrantOtherClient, "GRANT_OTHER_CLIENT", REFUSED, "The grant is for other clients.";
    GrantOfTransfers, "GRANT_OF_TRANSFERS", REFUSED, "The grant is for transfers, and the withdrawal calls a contract.";
    GrantOfCalls, "GRANT_OF_CALLS", REFUSED, "The grant is for contract calls, and the withdrawal is a transfer.";
    AboveGrantMaximum, "ABOVE_GRANT_MAXIMUM", REFUSED, "The amount is above what the grant gives.";

    // Held.
    AboveAutomaticLimit, "ABOVE_AUTOMATIC_LIMIT", REVIEWING, "The amount is above the automatic limit.";
    WindowAboveAutomaticLimit, "WINDOW_ABOVE_AUTOMATIC_LIMIT", REVIEWING, "With this withdrawal, what leaves within the window is above the automatic limit.";
    TierAboveAutomaticCeiling, "TIER_ABOVE_AUTOMATIC_CEILING", REVIEWING, "The withdrawal, or what leaves its tier within the window with it, is above the tier's automatic ceiling.";
    PriceAbsent, "PRICE_ABSENT", REVIEWING, "No price of the asset is young enough, so a limit in US dollars cannot be applied.";
    WindowSumUnknown, "WINDOW_SUM_UNKNOWN", REVIEWING, "What leaves within the window cannot be added up, so the limit cannot be applied.";
    SessionReportAbsent, "SESSION_REPORT_ABSENT", REVIEWING, "No usable session report exists for the customer, so the session risk is unknown.";
    SessionReportStale, "SESSION_REPORT_STALE", REVIEWING, "The customer's session report is too old, so the session risk is unknown.";
    ExposureAbsent, "EXPOSURE_ABSENT", REVIEWING, "A provider that the policy requires has reported nothing about the destination, or nothing young enough.";
    ExposureHold, "EXPOSURE_HOLD", REVIEWING, "A provider reports an exposure of the destination that reaches the threshold for a hold.";
    RiskFactMissing, "RISK_FACT_MISSING", REVIEWING, "A fact that the rule requires for the score is not known.";
    RiskHold, "RISK_HOLD", REVIEWING, "The risk score reaches the threshold for a hold.";
    AboveStepUpLimit, "ABOVE_STEP_UP_LIMIT", CONFIRM, "The amount is above the limit from which the customer's identity must be attested.";
    WindowAboveStepUpLimit, "WINDOW_ABOVE_STEP_UP_LIMIT", CONFIRM, "With this withdrawal, what leaves within the window is above the limit from which the customer's identity must be attested.";
    TierAboveStepUpCeiling, "TIER_ABOVE_STEP_UP_CEILING", CONFIRM, "The withdrawal, or what leaves its tier within the window with it, is above the ceiling from which the customer's identity must be attested.";
    RiskStepUp, "RISK_STEP_UP", CONFIRM, "The risk score reaches the threshold from which the customer's identity must be attested.";
    StepUpMissing, "STEP_UP_MISSING", CONFIRM, "The withdrawal waits for an identity attestation.";
    IdentityOtherIntent, "IDENTITY_OTHER_INTENT", CONFIRM, "The identity attestation is for something else than exactly this.";
    IdentityOtherCustomer, "IDENTITY_OTHER_CUSTOMER", CONFIRM, "The identity attestation is for another customer.";
    IdentityProviderNotNamed, "IDENTITY_PROVIDER_NOT_NAMED", CONFIRM, "The identity attestation is by a provider that the policy does not name for it.";
    IdentityMethodNotNamed, "IDENTITY_METHOD_NOT_NAMED", CONFIRM, "The identity attestation is by a method that the policy does not name.";
    IdentityTooOld, "IDENTITY_TOO_OLD", CONFIRM, "The identity attestation is too old or from the future.";
    IdentityScoreTooLow, "IDENTITY_SCORE_TOO_LOW", CONFIRM, "The identity attestation has too low a score.";
    IdentityByRequester, "IDENTITY_BY_REQUESTER", CONFIRM, "The identity attestation is by the party that asked.";
    TravelRuleAbsent, "TRAVEL_RULE_ABSENT", REVIEWING, "No provider that the policy names reported on the Travel Rule exchange.";
    OutsideTimeWindow, "OUTSIDE_TIME_WINDOW", REVIEWING, "It is outside the days and hours in which withdrawals go by themselves.";
    TravelRulePending, "TRAVEL_RULE_PENDING", REVIEWING, "The Travel Rule exchange is required or under way and not accepted.";
    ApprovalsMissing, "APPROVALS_MISSING", REVIEWING, "The withdrawal waits for approvals by officers.";
    ReleasePending, "RELEASE_PENDING", REVIEWING, "The withdrawal waits for a time that the policy sets; nobody needs to approve it.";

    // Parts of the risk score.
    ListedAddress, "LISTED_ADDRESS", REFUSED, "The destination is on a screening list that the policy names.";
    NewDevice, "NEW_DEVICE", REVIEWING, "The customer's session came from a device not seen before.";
    SecondFactorReset, "SECOND_FACTOR_RESET", REVIEWING, "The customer's second factor was reset lately.";

    ExposureReported, "EXPOSURE_REPORTED", REVIEWING, "A provider of chain analysis reports that the destination is exposed to crime.";
    NearListedAddress, "NEAR_LISTED_ADDRESS", REVIEWING, "A provider of chain analysis knows a listed address within few steps of the destination.";
    NewDestination, "NEW_DESTINATION", REVIEWING, "The customer was never paid at this destination, or only lately for the first time.";
    UnlistedDestination, "UNLISTED_DESTINATION", REVIEWING, "No active whitelist entry names the destination.";
    LookAlikeAddress, "LOOK_ALIKE_ADDRESS", REVIEWING, "The destination begins and ends like another one that the customer pays.";
    WalletLookAlikeAddress, "WALLET_LOOK_ALIKE_ADDRESS", REVIEWING, "The destination begins and ends like another one that the wallet pays.";
    FanIn, "FAN_IN", REVIEWING, "Several customers pay to a destination that was unknown until lately.";
    FreshCrowd, "FRESH_CROWD", REVIEWING, "The account is new, and other new accounts pay to the same destination, which was unknown until lately.";
    UnusualAmount, "UNUSUAL_AMOUNT", REVIEWING, "The amount is far above what the customer usually withdraws.";
    LargeAmount, "LARGE_AMOUNT", REVIEWING, "The amount is large for anybody.";
    UnusualRate, "UNUSUAL_RATE", REVIEWING, "The customer withdraws more often than usual.";
    NewPlaces, "NEW_PLACES", REVIEWING, "The customer withdraws again and again to new destinations.";
    NearLimit, "NEAR_LIMIT", REVIEWING, "The customer withdraws again and again just below a published limit.";
    UnusualHour, "UNUSUAL_HOUR", REVIEWING, "The customer is not usually active at this hour.";
    NewClient, "NEW_CLIENT", REVIEWING, "The customer's withdrawals never came through this client before.";
    DormantAccount, "DORMANT_ACCOUNT", REVIEWING, "The account woke from a long silence lately.";
    FreshAccount, "FRESH_ACCOUNT", REVIEWING, "The account was opened lately.";
    YoungDevice, "YOUNG_DEVICE", REVIEWING, "The customer's device was first seen lately.";
    SharedDevice, "SHARED_DEVICE", REVIEWING, "Several customers come from the device, and this one only since lately.";
    PasswordReset, "PASSWORD_RESET", REVIEWING, "The customer's password was reset lately.";
    EmailChanged, "EMAIL_CHANGED", REVIEWING, "The customer's e-mail address was changed lately.";
    FreshApiKey, "FRESH_API_KEY", REVIEWING, "The customer's API key was made lately.";
    TorNetwork, "TOR_NETWORK", REVIEWING, "The customer's session came through the Tor network, which hides where it came from.";
    VpnNetwork, "VPN_NETWORK", REVIEWING, "The session came over a VPN.";
    HostingNetwork, "HOSTING_NETWORK", REVIEWING, "The session came from a data centre.";
    CountryChanged, "COUNTRY_CHANGED", REVIEWING, "The session came from another country than the one before.";
    OldSession, "OLD_SESSION", REVIEWING, "The customer's last session began long before the request.";
    ResetThenNewDevice, "RESET_THEN_NEW_DEVICE", REVIEWING, "Second factor or e-mail address were replaced lately, and the device was unknown before.";
    WokeOnNewDevice, "WOKE_ON_NEW_DEVICE", REVIEWING, "The account woke from a long silence lately, on a device that was unknown before.";

    // Denied.
    UnknownWallet, "UNKNOWN_WALLET", REFUSED, "No active wallet has this id.";
    WalletPaused, "WALLET_PAUSED", REFUSED, "The wallet is paused, by an officer or by a circuit breaker.";
    WalletFrozen, "WALLET_FROZEN", REFUSED, "The wallet is frozen.";
    BreakerTripped, "BREAKER_TRIPPED", REFUSED, "A circuit breaker paused the wallet: too much was denied or left it, and officers have not resumed it.";
    CustomerFrozen, "CUSTOMER_FROZEN", REFUSED, "A legal order freezes the customer.";
    DestinationFrozen, "DESTINATION_FROZEN", REFUSED, "A legal order freezes the destination.";
    LegalOrderRequired, "LEGAL_ORDER_REQUIRED", REFUSED, "A legal order demands a payment to this destination, and the withdrawal does not name it.";
    LegalOrderMismatch, "LEGAL_ORDER_MISMATCH", REFUSED, "The withdrawal is not exactly what the legal order that it names demands.";
    LegalOrderNotConfirmed, "LEGAL_ORDER_NOT_CONFIRMED", REFUSED, "Officers of two roles and two contacts of the agency have not confirmed the legal order.";
    LegalOrderPaid, "LEGAL_ORDER_PAID", REFUSED, "Another withdrawal was authorized on the strength of this legal order.";
    TimeWindowClosed, "TIME_WINDOW_CLOSED", REFUSED, "It is outside the days and hours in which the rule lets withdrawals go.";
    TravelRuleRejected, "TRAVEL_RULE_REJECTED", REFUSED, "The other provider rejected the Travel Rule exchange.";
    UnknownAsset, "UNKNOWN_ASSET", REFUSED, "The asset is not in the registry.";
    CallNotListed, "CALL_NOT_LISTED", REFUSED, "No grant lists the function that the withdrawal calls on this contract.";
    CallMalformed, "CALL_MALFORMED", REFUSED, "The calldata is not exactly what arguments of the listed function make.";
    CallArgumentRefused, "CALL_ARGUMENT_REFUSED", REFUSED, "An argument of the call is not what the grant says.";
    CallUnlimitedApproval, "CALL_UNLIMITED_APPROVAL", REFUSED, "The call lets somebody take tokens without a bound, and the grant does not take that on purpose.";
    CallNested, "CALL_NESTED", REFUSED, "The call carries another call that nobody decodes, and the grant does not take that on purpose.";
    CallDelegates, "CALL_DELEGATES", REFUSED, "The call can run foreign code in a contract's own name, and the grant does not take that on purpose.";
    CallUpgrades, "CALL_UPGRADES", REFUSED, "The call replaces a contract's code or owner, and the grant does not take that on purpose.";
    CallAssetNotNative, "CALL_ASSET_NOT_NATIVE", REFUSED, "A call can only send the chain's own coin along.";
    CallAddressSanctioned, "CALL_ADDRESS_SANCTIONED", REFUSED, "An address in the calldata is on a screening list.";
    DestinationSanctioned, "DESTINATION_SANCTIONED", REFUSED, "The destination is on a screening list.";
    ScreeningListAbsent, "SCREENING_LIST_ABSENT", REFUSED, "A screening list that the policy names is not loaded, so the destination cannot be cleared.";
    DestinationNotWhitelisted, "DESTINATION_NOT_WHITELISTED", REFUSED, "No whitelist entry names the destination.";
    WhitelistEntryPending, "WHITELIST_ENTRY_PENDING", REFUSED, "The whitelist entry is still cooling off.";
    WhitelistEntryExpired, "WHITELIST_ENTRY_EXPIRED", REFUSED, "The whitelist entry has expired.";
    WhitelistEntryDormant, "WHITELIST_ENTRY_DORMANT", REFUSED, "Nobody used the whitelist entry for so long that it has expired.";
    WhitelistEntryRevoked, "WHITELIST_ENTRY_REVOKED", REFUSED, "The whitelist entry was revoked.";
    WhitelistAssetNotCovered, "WHITELIST_ASSET_NOT_COVERED", REFUSED, "The whitelist entry does not cover this asset.";
    WhitelistOwnerMismatch, "WHITELIST_OWNER_MISMATCH", REFUSED, "The whitelist entry belongs to another customer.";
    AboveMaximum, "ABOVE_MAXIMUM", REFUSED, "The amount is above the maximum for one transaction.";
    WindowLimitReached, "WINDOW_LIMIT_REACHED", REFUSED, "With this withdrawal, more would leave within the window than the maximum.";
    WindowLimitReachedSinceApproval, "WINDOW_LIMIT_REACHED_SINCE_APPROVAL", REFUSED, "The window filled up after officers approved: more would leave within it than the maximum.";
    TierCeilingReached, "TIER_CEILING_REACHED", REFUSED, "The withdrawal, or what would leave its tier within the window with it, is above the tier's ceiling.";
    TierCeilingReachedSinceApproval, "TIER_CEILING_REACHED_SINCE_APPROVAL", REFUSED, "Since officers approved, the tier's ceiling was reached: by a price, or by another policy.";
    FeeCapTooHigh, "FEE_CAP_TOO_HIGH", REFUSED, "The fee cap that the client asked for is above the policy's.";
    FeeCapAbsent, "FEE_CAP_ABSENT", REFUSED, "The policy has no fee cap for the chain, so what a transfer to the wallet itself may cost is not limited.";
    FeeAboveAmount, "FEE_ABOVE_AMOUNT", REFUSED, "A transfer to the wallet itself could cost more than it moves.";
    ExposureDeny, "EXPOSURE_DENY", REFUSED, "A provider reports an exposure of the destination that reaches the threshold for a denial.";
    RiskDeny, "RISK_DENY", REFUSED, "The risk score reaches the threshold for a denial.";
    NoGrant, "NO_GRANT", REFUSED, "No grant of the policy covers this withdrawal.";
    HoldExpired, "HOLD_EXPIRED", REFUSED, "The hold's deadline passed before enough officers approved.";
    EvaluationFailed, "EVALUATION_FAILED", REFUSED, "The rule could not be evaluated on these facts, so it denies.";
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for ReasonCode {
    type Err = ReasonCodeError;
    fn from_str(code: &str) -> Result<Self, ReasonCodeError> {
        Self::ALL.iter().copied().find(|reason| reason.code() == code).ok_or(ReasonCodeError)
    }
}

impl TryFrom<String> for ReasonCode {
    type Error = ReasonCodeError;
    fn try_from(code: String) -> Result<Self, ReasonCodeError> {
        code.parse()
    }
}

impl From<ReasonCode> for &'static str {
    fn from(reason: ReasonCode) -> Self {
        reason.code()
    }
}

/// Text that is no reason code of this version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown reason code; this version may be older than the decision")]
pub struct ReasonCodeError;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_in_capitals() {
        let codes: BTreeSet<_> = ReasonCode::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(codes.len(), ReasonCode::ALL.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')));
    }

    #[test]
    fn codes_round_trip_through_json() {
        for reason in ReasonCode::ALL {
            let json = serde_json::to_string(reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.code()));
            assert_eq!(serde_json::from_str::<ReasonCode>(&json).unwrap(), *reason);
        }
        assert!(serde_json::from_str::<ReasonCode>("\"no_grant\"").is_err());
    }

    #[test]
    fn customers_cannot_tell_which_rule_spoke() {
        let sentences: BTreeSet<_> =
            ReasonCode::ALL.iter().map(|reason| reason.customer_sentence()).collect();
        assert_eq!(sentences, BTreeSet::from([PROCESSING, REVIEWING, CONFIRM, REFUSED]));
    }

    #[test]
    fn sentences_are_printable_ascii_and_complete() {
        for reason in ReasonCode::ALL {
            for sentence in [reason.officer_sentence(), reason.customer_sentence()] {
                assert!(sentence.ends_with('.') && sentence.is_ascii(), "{sentence}");
                assert!(!sentence.contains('|'), "would break the table in docs/policy.md: {sentence}");
            }
        }
    }
}
