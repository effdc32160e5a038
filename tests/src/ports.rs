//! Ports for one cluster: consecutive, below the range that the kernel hands out, and reserved against other tests.

use std::net::{Ipv4Addr, TcpListener};

const FIRST: u16 = 20_000;
const BLOCK: u16 = 12;
const BLOCKS: u16 = 1_000;
/// Four processes and their metrics, and two nodes more.
const USED: u16 = 10;

/// A block of ports. A listener on the block's last port keeps it from every other test process on this machine.
#[derive(Debug)]
pub(crate) struct PortBlock {
    base: u16,
    _reservation: TcpListener,
}

impl PortBlock {
    pub(crate) fn reserve() -> Self {
        let start = u16::try_from(std::process::id() % u32::from(BLOCKS)).unwrap();
        let bases = (0..BLOCKS).map(|step| FIRST + ((start + step * 7) % BLOCKS) * BLOCK);
        bases.into_iter().find_map(Self::try_reserve).expect("a free block of ports on 127.0.0.1")
    }

    fn try_reserve(base: u16) -> Option<Self> {
        let reservation = listen(base + BLOCK - 1)?;
        (base..base + USED)
            .all(|port| listen(port).is_some())
            .then_some(Self { base, _reservation: reservation })
    }

    pub(crate) fn base(&self) -> u16 {
        self.base
    }

    /// The ports of two nodes more.
    pub(crate) fn spare(&self) -> [u16; 2] {
        [self.base + USED - 2, self.base + USED - 1]
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}
