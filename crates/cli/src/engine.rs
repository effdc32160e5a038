//! Threshold engines as officers choose them: by name, and with what they have to be told before they sign.
//!
//! Which engines there are is the nodes' affair: this program has none. It must never choose one that nobody maintains by itself.

use std::fmt;
use std::str::FromStr;

/// An engine that a wallet can be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The default.
    #[default]
    Dkls23,
    /// Unmaintained: to compare with, and to move keys away from.
    Gg20,
}

impl Engine {
    const ALL: [Self; 2] = [Self::Dkls23, Self::Gg20];

    /// Engine and generation of message formats, as statements name them.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dkls23 => "dkls23-ecdsa-secp256k1/0.6",
            Self::Gg20 => "gg20-ecdsa-secp256k1/0.8",
        }
    }

    /// Whether a key can be handed on to it.
    pub(crate) const fn takes_keys_over(self) -> bool {
        match self {
            Self::Dkls23 => true,
            Self::Gg20 => false,
        }
    }

    const fn short(self) -> &'static str {
        match self {
            Self::Dkls23 => "dkls23",
            Self::Gg20 => "gg20",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|engine| [engine.name(), engine.short()].contains(&text)).ok_or_else(
            || format!("no such engine: use {}", Self::ALL.map(|engine| format!("`{engine}`")).join(" or ")),
        )
    }
}

/// What an officer has to know before a key is put behind this engine.
pub(crate) fn warning(name: &str) -> Option<String> {
    (name == Engine::Gg20.name()).then(|| {
        format!(
            "warning: nobody maintains the engine `{name}`, and attacks on its protocol are published (BitForge, TSSHOCK, Alpha-Rays): use \
             it to compare, or with keys that are to move to another engine, never for a new wallet that is to hold \
             anything.\nonly nodes that were built with the feature `gg20` and accept an unmaintained protocol generate \
             such a key"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_is_chosen_by_either_name_and_by_no_other() {
        for engine in Engine::ALL {
            assert_eq!(engine.name().parse(), Ok(engine));
            assert_eq!(engine.to_string().parse(), Ok(engine));
        }
        assert_eq!(Engine::default(), Engine::Dkls23);
        for other in ["", "GG20", "gg18", "dkls23-ecdsa-secp256k1/0.5"] {
            let refused = other.parse::<Engine>().unwrap_err();
            assert_eq!(refused, "no such engine: use `dkls23` or `gg20`", "{other}");
        }
    }

    #[test]
    fn only_the_unmaintained_engine_is_warned_of() {
        assert_eq!(warning(Engine::Dkls23.name()), None);
        assert!(warning(Engine::Gg20.name()).unwrap().contains("nobody maintains"));
    }
}
