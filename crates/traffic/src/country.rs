//! Owns the countries customers live in. It knows nothing about a single customer.

use crate::{draw::Draws, event::Country};

/// A country: its share of customers, hours from Greenwich, and how common VPNs are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nation {
    pub code: Country,
    share: f64,
    pub offset_minutes: i32,
    /// Share of people whose connection usually comes out of a VPN.
    pub vpn: f64,
}

const fn nation(code: [u8; 2], share: f64, offset_minutes: i32, vpn: f64) -> Nation {
    Nation { code: Country(code), share, offset_minutes, vpn }
}

/// Shares are assumed, leaning on Chainalysis' Global Crypto Adoption Index (India, Nigeria, Indonesia, the United States,
/// Vietnam, Brazil, the Philippines among the first). A quarter of internet users worldwide use VPNs at times, more in
/// Asia (GlobalWebIndex, in Wired 2016, and Statista: 26 %, Asia-Pacific 30 %); the share who are behind one most of the
/// time is assumed to be a quarter of that.
const NATIONS: [Nation; 14] = [
    nation(*b"US", 0.16, -300, 0.05),
    nation(*b"IN", 0.12, 330, 0.09),
    nation(*b"BR", 0.07, -180, 0.05),
    nation(*b"NG", 0.06, 60, 0.08),
    nation(*b"ID", 0.07, 420, 0.10),
    nation(*b"VN", 0.06, 420, 0.09),
    nation(*b"TR", 0.07, 180, 0.09),
    nation(*b"DE", 0.07, 60, 0.05),
    nation(*b"GB", 0.07, 0, 0.06),
    nation(*b"KR", 0.06, 540, 0.04),
    nation(*b"JP", 0.05, 540, 0.03),
    nation(*b"AR", 0.05, -180, 0.06),
    nation(*b"PH", 0.04, 480, 0.07),
    nation(*b"FR", 0.05, 60, 0.05),
];

/// Where commercial VPNs and proxies mostly come out. Assumed.
const EXITS: [Country; 8] = [
    Country(*b"NL"),
    Country(*b"US"),
    Country(*b"DE"),
    Country(*b"SG"),
    Country(*b"GB"),
    Country(*b"CH"),
    Country(*b"SE"),
    Country(*b"RO"),
];

/// A country, by share.
pub(crate) fn some_nation(draws: &mut Draws) -> Nation {
    let shares = NATIONS.map(|nation| nation.share);
    NATIONS.get(draws.weighted(&shares)).copied().unwrap_or(nation(*b"US", 1.0, -300, 0.05))
}

/// The country in which a VPN comes out.
pub(crate) fn some_exit(draws: &mut Draws) -> Country {
    draws.one_of(&EXITS).copied().unwrap_or(Country(*b"NL"))
}
