//! What a contract call does, in lines for people. The names are those of the policy in force: whoever made the call chose none of
//! them, and what the policy does not list has none.

use super::{Details, State, line};
use crate::payload::WithdrawalRequest;

impl State {
    /// The contract, the function and each argument of a call; `None` for a transfer. Text inside of arguments is quoted, and long
    /// values end with what is left out: the line `calldata` names all of it.
    pub fn call_lines(&self, request: &WithdrawalRequest) -> Option<Details> {
        let calldata = request.calldata.as_ref()?;
        let mut lines = vec![line("calls contract", request.destination)];
        let listings = self.policy().grants().iter().flat_map(|grant| &grant.calls);
        let mut decoded = listings
            .filter(|listed| listed.contract == request.destination)
            .filter_map(|listed| Some((&listed.function, listed.function.decode(calldata).ok()?)));
        match decoded.next() {
            Some((function, arguments)) => {
                lines.push(line("function", function));
                let shown = (1..).zip(&arguments);
                lines.extend(
                    shown.map(|(position, value)| line(&format!("argument {position}"), value.brief())),
                );
            }
            None => lines.push(line("function", "none that the policy in force lists")),
        }
        lines.push(line("calldata", calldata.summary()));
        Some(lines)
    }
}
