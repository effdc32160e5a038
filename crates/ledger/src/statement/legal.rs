//! The lines of a legal order in the statement that opens it.

use holdfast_chains::{Address, ChainId};

use super::lines::{Lines, Reader, StatementError};
use super::read::value;
use crate::legal_order::{OrderDemand, OrderProposal, OrderSubject, ReleaseDemand};

impl OrderProposal {
    pub(super) fn write(&self, lines: &mut Lines) {
        for (key, value) in self.lines() {
            lines.push(key, &value);
        }
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> Result<OrderProposal, StatementError> {
    let agency = value(reader, "agency")?;
    let reference = value(reader, "reference")?;
    let document = value(reader, "document")?;
    let demand = match reader.take("demands")? {
        "freeze" => OrderDemand::Freeze(subject(reader)?),
        "unfreeze" => OrderDemand::Unfreeze(value(reader, "frozen by order")?),
        "disclose" => OrderDemand::Disclose(subject(reader)?),
        "release" => OrderDemand::Release(ReleaseDemand {
            wallet: value(reader, "wallet")?,
            asset: value(reader, "asset")?,
            amount: value(reader, "base units")?,
            chain_id: ChainId(value(reader, "chain id")?),
            address: address(reader)?,
        }),
        other => return Err(StatementError::new("demands", format!("`{other}` is unknown"))),
    };
    Ok(OrderProposal { agency, reference, document, demand })
}

fn subject(reader: &mut Reader<'_>) -> Result<OrderSubject, StatementError> {
    if reader.is_next("wallet") {
        return value(reader, "wallet").map(OrderSubject::Wallet);
    }
    if reader.is_next("customer") {
        return value(reader, "customer").map(OrderSubject::Customer);
    }
    Ok(OrderSubject::Destination(ChainId(value(reader, "chain id")?), address(reader)?))
}

fn address(reader: &mut Reader<'_>) -> Result<Address, StatementError> {
    Address::parse(reader.take("address")?).map_err(|error| StatementError::new("address", error.to_string()))
}
