//! The policies between which the random logs change: every rule and table there is, with bounds that random acts meet.

/// How many there are.
pub(super) const POLICIES: u8 = 4;

const BASE: &str = r#"version = 1

[[grant]]
id = "payouts"
tiers = ["hot", "warm"]
assets = ["USDT", "ETH"]
clients = ["pipeline"]
destinations = "any"

[[grant]]
id = "approvals"
tiers = ["hot"]
assets = ["ETH"]
clients = ["pipeline"]
destinations = "any"
max_amount = { ETH = "0" }

[[grant.call]]
contract = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
function = "approve(address,uint256)"
arguments = [
  { position = 1, one_of = ["wallet", "whitelisted", "0x52908400098527886E0F7030069857D2E4169EE7"] },
  { position = 2, at_most = "5" },
]

[[restriction]]
id = "sanctions"
type = "screening"
lists = ["ofac-eth"]
on_match = "deny"

[[restriction]]
id = "usdt"
type = "limit_per_transaction"
asset = "USDT"
step_up_above = "900000000"
hold_above = [
  { amount = "1000000000", timer_ms = 20000, at_end = "release" },
  { amount = "3000000000", approvals = { withdrawal-approver = 1 } },
  { amount = "6000000000", approvals = { withdrawal-approver = 2 }, timer_ms = 80000, at_end = "reject" },
]
deny_above = "20000000000"

[[restriction]]
id = "worth"
type = "limit_window"
unit = "usd_cents"
per = ["customer"]
window_ms = 200000
hold_above = { amount = "400000", approvals = { withdrawal-approver = 1 } }
deny_above = "2500000"

[[restriction]]
id = "count"
type = "limit_window"
unit = "count"
per = ["wallet", "destination"]
window_ms = 100000
step_up_above = "4"
deny_above = "14"

[[tier]]
id = "hot"
wallets = ["hot-1", "hot-2"]

[[tier.ceiling]]
id = "hot-once"
unit = "usd_cents"
hold_above = { amount = "700000", approvals = { withdrawal-approver = 1 } }

[[tier.ceiling]]
id = "hot-hour"
unit = "usd_cents"
window_ms = 150000
deny_above = "3000000"

[[tier]]
id = "warm"
wallets = ["warm-1"]

[[tier.ceiling]]
id = "warm-once"
unit = "usd_cents"
deny_above = "500000"

[[tier.ceiling]]
id = "warm-count"
unit = "count"
window_ms = 100000
hold_above = { amount = "2", approvals = { withdrawal-approver = 1 } }
deny_above = "5"

[[restriction]]
id = "fuse"
type = "circuit_breaker"
wallets = ["hot-2", "warm-1"]
window_ms = 300000
max_denials = 2
per_customer = 2
max_outflow = { unit = "usd_cents", amount = "30000" }

[[restriction]]
id = "fees"
type = "fee_cap"
chain_id = 1
max = "10000000000000000"

[[restriction]]
id = "risk"
type = "risk"
step_up_at = 35
hold_at = [
  { score = 45, approvals = { withdrawal-approver = 1 } },
  { score = 70, approvals = { security-officer = 1 }, timer_ms = 70000, at_end = "reject" },
]
deny_at = 98
require = ["history", "worth"]
approvals = { withdrawal-approver = 1 }

[[restriction]]
id = "travel"
type = "travel_rule"
above = { USDT = "600000000" }
providers = ["vasp", "vasp-2"]
approvals = { withdrawal-approver = 1 }

[[restriction]]
id = "hours"
type = "time_window"
hours = ["04:00-04:42"]
approvals = { security-officer = 1 }

[risk]
listed_address = 100
new_device = 10
second_factor_reset = 25
max_report_age_ms = 400000
established = { after_ms = 60000, percent = 50 }
exposure = { weight = 30, from_score = 30, full_score = 90 }
near_listed = { weight = 20, max_hops = 1, min_score = 20 }
new_destination = { weight = 8, within_ms = 60000 }
unlisted_destination = 3
look_alike = { weight = 20, first_digits = 1, last_digits = 1 }
fan_in = { weight = 12, from_count = 1, full_count = 2, within_ms = 600000, public_count = 25 }
unusual_amount = { weight = 10, from_hundredths = 100, full_hundredths = 300 }
unusual_rate = { weight = 6, from_hundredths = 150, full_hundredths = 500, within_ms = 600000 }
new_client = 4
dormant = { weight = 12, silent_ms = 2592000000, within_ms = 600000 }
fresh_account = { weight = 6, within_ms = 86400000 }
young_device = { weight = 4, within_ms = 60000 }
shared_device = { weight = 8, from_count = 1, full_count = 2, within_ms = 600000 }
password_reset = { weight = 5, within_ms = 600000 }
tor = 12
country_changed = 6

[sessions]
providers = ["sessions", "devices"]

[exposure]
providers = ["chainwatch", "tracer"]
max_age_ms = 500000
required = false
hold_at = 50
deny_at = 95
approvals = { withdrawal-approver = 1 }

[identity]
providers = ["kyc", "kyc-2"]
methods = ["passkey"]
min_score = 70
max_age_ms = 120000

[prices]
max_age_ms = 500000
providers = ["market", "market-2"]

[legal]
freeze_lapse_ms = 60000
opened_by = "withdrawal-approver"
approvals = { security-officer = 1, withdrawal-approver = 1 }

[hold]
deadline_ms = 90000
owner = "withdrawal-approver"
escalate_after_ms = 30000
escalate_to = "security-officer"

[whitelist]
cooling_off_ms = 5000
max_life_ms = 900000
dormancy_ms = 70000
max_per_customer = 4
max_open_requests = 5

[authorization]
max_age_ms = 100000
"#;

/// Trips now and then.
const BREAKERS: &str = r#"[[restriction]]
id = "probing"
type = "circuit_breaker"
window_ms = 200000
max_denials = 2
per_customer = 2
per_client = true
except = ["WINDOW_LIMIT_REACHED"]

[[restriction]]
id = "bleeding"
type = "circuit_breaker"
window_ms = 200000
max_outflow = { unit = "count", amount = "1" }

[risk]
"#;

/// Without the rule of this id.
fn without(text: &str, id: &str) -> String {
    let start = text.find(&format!("[[restriction]]\nid = \"{id}\"")).unwrap();
    let end = text[start + 5..].find("\n[").map(|end| start + 5 + end + 1).unwrap();
    format!("{}{}", &text[..start], &text[end..])
}

pub(super) fn document(which: u8) -> String {
    match which % POLICIES {
        0 => BASE.to_owned(),
        // Fewer are heard, and longer is remembered.
        1 => BASE
            .replace("\"sessions\", \"devices\"", "\"sessions\"")
            .replace("\"chainwatch\", \"tracer\"", "\"tracer\"")
            .replace("\"kyc\", \"kyc-2\"", "\"kyc\"")
            .replace("at_most = \"5\"", "at_most = \"3\"")
            .replace("deny_above = \"3000000\"", "deny_above = \"1500000\"")
            .replace("window_ms = 200000", "window_ms = 400000")
            .replace("[risk]\n", BREAKERS),
        // Neither exchanges nor hours, orders are not taken any more, a wallet changes its tier, and nobody counts what it pays.
        2 => {
            let start = BASE.find("[legal]").unwrap();
            let end = BASE.find("[hold]").unwrap();
            without(&without(&format!("{}{}", &BASE[..start], &BASE[end..]), "travel"), "hours")
                .replace("[\"hot-1\", \"hot-2\"]", "[\"hot-1\"]")
                .replace("wallets = [\"warm-1\"]", "wallets = [\"warm-1\", \"hot-2\"]")
                .replace("max_outflow = { unit = \"usd_cents\", amount = \"30000\" }\n", "")
        }
        // Every destination is listed, silence holds, and breakers let more pass.
        _ => BASE
            .replacen("max_denials = 2", "max_denials = 1", 1)
            .replace(
                "[[restriction]]\nid = \"fees\"",
                "[[restriction]]\nid = \"listed\"\ntype = \"whitelist\"\n\n[[restriction]]\nid = \"fees\"",
            )
            .replace("[risk]\n", &BREAKERS.replace("max_denials = 2", "max_denials = 3"))
            .replace("required = false", "required = true")
            .replace("amount = \"3000000000\"", "amount = \"2000000000\"")
            .replace("cooling_off_ms = 5000", "cooling_off_ms = 2000"),
    }
}
