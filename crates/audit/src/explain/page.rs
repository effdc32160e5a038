//! The explanation as a page of text.

use std::fmt;

use holdfast_chains::Amount;
use holdfast_policy::{ComponentState, Outcome, Verdict, readable};

use super::{Explanation, when};
use crate::history::{Step, StepResult};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Withdrawal {}", self.withdrawal)?;
        writeln!(
            f,
            "{} in cluster {}, as of {} (log of {} entries)",
            self.state,
            self.cluster,
            when(self.as_of_ms),
            self.log_size
        )?;
        self.who_asked(f)?;
        self.what_the_bytes_do(f)?;
        self.what_the_policy_says(f)?;
        self.who_approved(f)?;
        self.who_signed(f)?;
        write!(f, "{}", self.aftermath)?;
        self.where_in_the_log(f)
    }
}

impl Explanation {
    fn who_asked(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = &self.asked;
        writeln!(f, "\nWHO ASKED")?;
        writeln!(
            f,
            "  client `{}` for customer `{}`, {}",
            asked.client,
            asked.customer,
            when(asked.time_ms)
        )?;
        if let Some(purpose) = self.purpose.words() {
            writeln!(f, "  {purpose}")?;
        }
        let verb = if asked.call.is_empty() { "pay" } else { "call a contract and send" };
        writeln!(f, "  {verb} {} ({} base units) on chain {}", asked.pays, asked.amount, asked.chain_id)?;
        let address = asked.sender.as_deref().unwrap_or("no key");
        writeln!(f, "  from wallet `{}` ({address})", asked.wallet)?;
        writeln!(f, "  to {}", asked.destination)?;
        for line in &asked.call {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "  fee at most {}, void from {}", ether(&asked.fee_cap_wei), when(asked.expires_at_ms))?;
        if let Some(order) = &asked.legal_order {
            writeln!(f, "  on the strength of legal order {order}")?;
        }
        writeln!(f, "  key `{}`, intent {}", asked.idempotency_key, asked.intent_digest)
    }

    fn what_the_bytes_do(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nWHAT THE BYTES DO")?;
        let Some(transaction) = &self.transaction else {
            return writeln!(f, "  no transaction is bound yet");
        };
        let (to, amount) = (&transaction.to, &transaction.amount);
        let moves = transaction.moves.as_deref().unwrap_or("base units of what the registry does not have");
        match (&transaction.contract, &transaction.calldata) {
            (None, Some(calldata)) => {
                writeln!(f, "  call {to} with {calldata}")?;
                writeln!(f, "  send {amount} wei along: {moves}")?;
            }
            (Some(contract), _) => {
                writeln!(f, "  call transfer({to}, {amount}) of the token contract {contract}: {moves}")?;
            }
            (None, None) => writeln!(f, "  send {amount} wei to {to}: {moves}")?,
        }
        writeln!(
            f,
            "  chain {}, account nonce {}, fee at most {}",
            transaction.chain_id,
            transaction.nonce,
            ether(&transaction.max_fee_wei)
        )?;
        writeln!(f, "  signing hash {}", transaction.signing_hash)
    }

    fn what_the_policy_says(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = &self.decision;
        let outcome = match &decision.outcome {
            Outcome::Allow => "ALLOW",
            Outcome::Hold(_) => "HOLD",
            Outcome::Deny => "DENY",
        };
        writeln!(f, "\nWHAT THE POLICY SAYS: {outcome}")?;
        writeln!(f, "  policy version {}, SHA-256 {}", decision.policy_version, decision.policy_hash)?;
        for rule in &decision.rules {
            let verdict = match rule.verdict {
                Verdict::Pass => "pass",
                Verdict::StepUp => "STEP",
                Verdict::Hold => "HOLD",
                Verdict::Deny => "DENY",
                Verdict::NotApplicable => "-",
            };
            writeln!(
                f,
                "  {verdict:<4} {:<18} {:<26} {}",
                rule.rule.as_str(),
                rule.code.code(),
                readable(&rule.detail)
            )?;
        }
        writeln!(f, "  risk score {} of 100", decision.risk.score)?;
        for part in &decision.risk.components {
            let state = format!("{:?}", part.state).to_lowercase();
            // The sentence says what is the case if the component is present.
            let reason = if part.state == ComponentState::Present { part.reason.as_str() } else { "" };
            let (code, adds, of) = (part.code.code(), part.contribution, part.weight);
            let line = format!("       {code:<26} {state:<8} adds {adds:>3} of {of:>3}  {reason}");
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn who_approved(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nWHO APPROVED")?;
        if let Some(officer) = &self.rejected_by {
            writeln!(f, "  officer `{officer}` rejected it")?;
        }
        if self.approvals.is_empty() && self.rejected_by.is_none() {
            let needed = self.decision.hold().is_some() || self.decision.satisfied_hold.is_some();
            writeln!(f, "  {}", if needed { "nobody yet" } else { "no person was needed" })?;
        }
        for approval in &self.approvals {
            writeln!(
                f,
                "  officer `{}` ({}), {}, entry {}, hold {}",
                approval.officer,
                approval.roles.join(", "),
                when(approval.time_ms),
                approval.index,
                approval.hold
            )?;
        }
        Ok(())
    }

    fn who_signed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nWHO SIGNED")?;
        if let Some(authorized) = &self.authorized {
            let renewed = match authorized.renewals {
                0 => String::new(),
                times => format!(", renewed {times} times"),
            };
            writeln!(f, "  authorized {}, entry {}{renewed}", when(authorized.time_ms), authorized.index)?;
        }
        let Some(signed) = &self.signed else { return writeln!(f, "  nobody") };
        let nodes: Vec<_> = signed.nodes.iter().map(|node| format!("`{node}`")).collect();
        writeln!(f, "  nodes {}, public key {}", nodes.join(" and "), signed.public_key)?;
        writeln!(f, "  signature {}", signed.signature)?;
        if let Some(hash) = &signed.transaction_hash {
            writeln!(f, "  transaction hash {hash}")?;
        }
        Ok(())
    }

    fn where_in_the_log(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nWHERE IN THE LOG")?;
        self.steps.iter().try_for_each(|step| step.line(f))
    }
}

impl Step {
    fn line(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = match &self.result {
            StepResult::Admitted { state } => state.clone(),
            StepResult::NoOp { code, detail } => format!("no-op {code}: {}", readable(detail)),
        };
        writeln!(
            f,
            "  {:>5}  {}  {}: {} -> {result}",
            self.index,
            when(self.time_ms),
            self.signer,
            self.says
        )?;
        writeln!(f, "         leaf {}", self.leaf_hash)
    }
}

/// Wei as ether; what is no amount is shown as it is.
fn ether(wei: &str) -> String {
    Amount::parse(wei)
        .map_or_else(|_| format!("{wei} wei"), |amount| format!("{} ETH", amount.format_units(18)))
}
