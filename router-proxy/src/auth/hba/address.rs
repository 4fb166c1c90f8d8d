//! Where a rule lets clients come from.

use std::net::IpAddr;

/// Addresses that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    /// Every address.
    All,
    /// This machine's own.
    SameHost,
    /// Those that agree with `address` wherever `mask` has a one.
    Masked {
        /// Its bits, IPv4's in the lowest.
        address: u128,
        /// Which of them count.
        mask: u128,
        /// Whether this is IPv6: families never match each other.
        six: bool,
    },
}

impl Addresses {
    /// From `10.0.0.0/8` or `2001:db8::/32`.
    pub(super) fn from_cidr(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv6() { 128 } else { 32 };
        let length: u32 = length.parse().ok().filter(|length| *length <= width)?;
        let ones = u128::MAX.checked_shr(128 - width).unwrap_or(0);
        let host = 1u128
            .checked_shl(width - length)
            .map_or(u128::MAX, |first| first - 1);
        Some(Self::masked(address, ones & !host))
    }

    /// From an address and a mask, as two fields.
    pub(super) fn from_mask(address: IpAddr, mask: IpAddr) -> Option<Self> {
        (address.is_ipv4() == mask.is_ipv4()).then(|| Self::masked(address, bits(mask)))
    }

    fn masked(address: IpAddr, mask: u128) -> Self {
        Self::Masked {
            address: bits(address) & mask,
            mask,
            six: address.is_ipv6(),
        }
    }

    /// Whether a client is among them. `local`: the address it connected to.
    pub(super) fn contains(&self, peer: IpAddr, local: Option<IpAddr>) -> bool {
        let peer = peer.to_canonical();
        match self {
            Self::All => true,
            // A machine that talks to itself uses the address it talks to as its own.
            Self::SameHost => {
                peer.is_loopback() || local.is_some_and(|local| local.to_canonical() == peer)
            }
            Self::Masked { address, mask, six } => {
                peer.is_ipv6() == *six && bits(peer) & mask == *address
            }
        }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}
