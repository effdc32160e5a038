//! Amounts as people write them: `1250 USDT`, `0.5 ETH`, `30` gwei. Exact, never rounded.

use holdfast_chains::{Amount, Asset, AssetSymbol};

use crate::failure::Failure;

/// An amount of a registered asset, in base units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) asset: Asset,
    pub(crate) amount: Amount,
}

/// Reads `1250 USDT` with the decimals of the registry, never with decimals that a caller names.
pub(crate) fn parse_money(text: &str, chain_id: u64, registry: &[Asset]) -> Result<Money, Failure> {
    let money = parse_money_or_none(text, chain_id, registry)?;
    if money.amount.is_zero() {
        return Err(not_money(text, "it must be more than zero"));
    }
    Ok(money)
}

/// The same, where nothing is an amount too.
pub(crate) fn parse_money_or_none(text: &str, chain_id: u64, registry: &[Asset]) -> Result<Money, Failure> {
    let refuse = |detail: String| not_money(text, &detail);
    let mut words = text.split_whitespace();
    let (Some(number), Some(symbol), None) = (words.next(), words.next(), words.next()) else {
        return Err(refuse("a number and a symbol are needed".to_owned()));
    };
    let symbol = AssetSymbol::parse(symbol).map_err(|error| refuse(error.to_string()))?;
    let asset = registry
        .iter()
        .find(|asset| asset.symbol == symbol && asset.chain_id.0 == chain_id)
        .ok_or_else(|| refuse(format!("`{symbol}` is not registered on chain {chain_id}")))?;
    let amount = Amount::parse_units(number, asset.decimals).map_err(|error| refuse(error.to_string()))?;
    Ok(Money { asset: asset.clone(), amount })
}

fn not_money(text: &str, detail: &str) -> Failure {
    Failure::usage(format!("`{text}` is not an amount: {detail}"))
        .next("write it like `1250 USDT` or `0.5 ETH`")
}

/// Reads gwei, such as `30` or `1.5`, as wei.
pub(crate) fn parse_gwei(text: &str) -> Result<u128, String> {
    let wei = Amount::parse_units(text, 9)
        .map_err(|error| format!("`{text}` is not an amount of gwei: {error}"))?;
    wei.to_string().parse().map_err(|_| format!("`{text}` gwei is out of range"))
}

/// Reads ether, such as `0.01`, as wei.
pub(crate) fn parse_ether(text: &str) -> Result<Amount, String> {
    Amount::parse_units(text, 18).map_err(|error| format!("`{text}` is not an amount of ether: {error}"))
}

/// Wei as ether with its unit; text that is no amount is shown as it is.
pub(crate) fn show_ether(wei: &str) -> String {
    Amount::parse(wei).map_or_else(|_| format!("{wei} wei"), |wei| format!("{} ETH", wei.format_units(18)))
}

/// Base units with a symbol as whole units, if the registry knows it.
pub(crate) fn show_money(amount: &str, symbol: &str, registry: &[Asset]) -> String {
    let asset = registry.iter().find(|asset| asset.symbol.as_str() == symbol);
    match (asset, Amount::parse(amount)) {
        (Some(asset), Ok(amount)) => format!("{} {symbol}", amount.format_units(asset.decimals)),
        (_, _) => format!("{amount} base units of {symbol}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Vec<Asset> {
        serde_json::from_str(
            r#"[{"symbol":"USDT","chain_id":1,"contract":"0xdAC17F958D2ee523a2206206994597C13D831ec7","decimals":6},
                {"symbol":"ETH","chain_id":1,"decimals":18}]"#,
        )
        .unwrap()
    }

    #[test]
    fn amounts_are_scaled_by_the_registry() {
        for (text, base) in [
            ("1250 USDT", "1250000000"),
            ("0.000001 USDT", "1"),
            ("0.5 ETH", "500000000000000000"),
            ("  7   USDT ", "7000000"),
        ] {
            assert_eq!(parse_money(text, 1, &registry()).unwrap().amount.to_string(), base, "{text}");
        }
    }

    #[test]
    fn amounts_that_are_not_exact_are_refused_and_never_rounded() {
        for text in [
            "",
            "1250",
            "USDT",
            "1250 usdt",
            "1250USDT",
            "0.0000001 USDT",
            "-1 USDT",
            "1e3 USDT",
            "1,250 USDT",
            "0 USDT",
            "1250 DOGE",
            "1250 USDT please",
            "0x10 USDT",
            "١ USDT",
        ] {
            let failure = parse_money(text, 1, &registry()).unwrap_err();
            assert_eq!(failure.exit().code(), 2, "{text}");
            assert!(failure.to_string().contains("1250 USDT"), "{text}: an example is missing");
        }
        assert!(parse_money("1250 USDT", 5, &registry()).is_err(), "another chain");
    }

    #[test]
    fn gwei_and_ether_are_exact() {
        assert_eq!(parse_gwei("30").unwrap(), 30_000_000_000);
        assert_eq!(parse_gwei("1.5").unwrap(), 1_500_000_000);
        assert!(parse_gwei("0.0000000001").is_err());
        assert!(parse_gwei(&"9".repeat(60)).is_err());
        assert_eq!(parse_ether("0.01").unwrap().to_string(), "10000000000000000");
        assert_eq!(show_ether("1950000000000000"), "0.00195 ETH");
        assert_eq!(show_money("1250000000", "USDT", &registry()), "1250 USDT");
        assert_eq!(show_money("5", "XYZ", &registry()), "5 base units of XYZ");
    }
}
