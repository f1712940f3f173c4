//! INITIALIZE DEVICE.

use countersign_cvc::tlv::{Tag, TlvWriter};

use super::SmartCardHsm;
use crate::{
    apdu::{Command, StatusWord},
    error::CardError,
    pin::{Pin, SoPin},
};

/// Bits of the option word.
pub mod option_bits {
    /// RESET RETRY COUNTER is allowed.
    pub const RESET_RETRY_COUNTER: u16 = 0x0001;
    /// The card can hand out a PIN for one session.
    pub const SESSION_PIN: u16 = 0x0004;
    /// Registered PKA keys may be replaced.
    pub const REPLACE_PKA_KEYS: u16 = 0x0008;
    /// User PIN and quorum are both needed.
    pub const COMBINED: u16 = 0x0010;
}

/// Most keys that can be registered.
const MOST_KEYS: u8 = 90;

/// n of m: `required` out of `total` registered keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PkaOptions {
    required: u8,
    total: u8,
    allow_replace: bool,
}

/// What is to be possible with keys besides using them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyDomainOptions {
    /// Keys never leave the device.
    #[default]
    None,
    /// One domain; its key is made of so many shares. 0: the device draws it, and keys can only come back to this device.
    Dkek {
        /// Shares.
        shares: u8,
    },
    /// So many places for domains that are made later.
    Places(u8),
}

/// Options that make no sense, or no quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidOptions {
    /// Numbers.
    #[error(
        "{required} of {total} is no quorum: at least 1, at most as many as keys, and at most {MOST_KEYS} keys"
    )]
    Quorum {
        /// n.
        required: u8,
        /// m.
        total: u8,
    },
    /// Retry counter does not fit the PIN.
    #[error(
        "a retry counter of {0} is not allowed for a PIN of this length: 3 for 6, 5 for 7, 10 for more characters"
    )]
    RetryCounter(u8),
}

impl PkaOptions {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`InvalidOptions::Quorum`].
    pub fn new(required: u8, total: u8, allow_replace: bool) -> Result<Self, InvalidOptions> {
        if required >= 1 && required <= total && total <= MOST_KEYS {
            Ok(Self {
                required,
                total,
                allow_replace,
            })
        } else {
            Err(InvalidOptions::Quorum { required, total })
        }
    }
}

/// How a device is to be initialised. "PIN *or* quorum" cannot be expressed: it is no quorum.
pub enum InitializeOptions<'a> {
    /// A user's own card.
    Pin {
        /// The first user PIN.
        pin: &'a Pin,
        /// Tries.
        retry_counter: u8,
    },
    /// Quorum alone; no user PIN exists.
    Quorum(PkaOptions),
    /// Quorum and user PIN, both needed.
    QuorumAndPin {
        /// The quorum.
        pka: PkaOptions,
        /// The first user PIN.
        pin: &'a Pin,
        /// Tries.
        retry_counter: u8,
    },
}

impl InitializeOptions<'_> {
    fn encode(&self, domains: KeyDomainOptions, so_pin: &SoPin) -> Result<Vec<u8>, InvalidOptions> {
        let (options, pin, pka) = match self {
            Self::Pin { pin, retry_counter } => (
                option_bits::RESET_RETRY_COUNTER,
                Some((*pin, *retry_counter)),
                None,
            ),
            Self::Quorum(pka) => (0, None, Some(pka)),
            Self::QuorumAndPin {
                pka,
                pin,
                retry_counter,
            } => (
                option_bits::COMBINED,
                Some((*pin, *retry_counter)),
                Some(pka),
            ),
        };
        let replace = pka.is_some_and(|pka| pka.allow_replace);
        let options = options
            | if replace {
                option_bits::REPLACE_PKA_KEYS
            } else {
                0
            };
        if let Some((pin, counter)) = pin {
            let most = match pin.as_bytes().len() {
                ..=6 => 3,
                7 => 5,
                _ => 10,
            };
            if !(1..=most).contains(&counter) {
                return Err(InvalidOptions::RetryCounter(counter));
            }
        }
        let (shares, places) = match domains {
            KeyDomainOptions::None => (None, None),
            KeyDomainOptions::Dkek { shares } => (Some([shares]), None),
            KeyDomainOptions::Places(places) => (None, Some([places])),
        };
        Ok(TlvWriter::new()
            .with(Tag(0x80), &options.to_be_bytes())
            .with_some(Tag(0x81), pin.map(|(pin, _)| pin.as_bytes()))
            .with(Tag(0x82), so_pin.as_bytes())
            .with_some(
                Tag(0x91),
                pin.map(|(_, counter)| [counter])
                    .as_ref()
                    .map(<[u8; 1]>::as_slice),
            )
            .with_some(Tag(0x92), shares.as_ref().map(<[u8; 1]>::as_slice))
            .with_some(
                Tag(0x93),
                pka.map(|pka| [pka.total, pka.required])
                    .as_ref()
                    .map(<[u8; 2]>::as_slice),
            )
            .with_some(Tag(0x97), places.as_ref().map(<[u8; 1]>::as_slice))
            .finish())
    }
}

impl SmartCardHsm {
    /// [`SmartCardHsm::initialize_with_domains`] without key domains: keys never leave the device.
    ///
    /// # Errors
    /// As there.
    pub fn initialize(
        &mut self,
        options: &InitializeOptions<'_>,
        so_pin: &SoPin,
    ) -> Result<(), CardError> {
        self.initialize_with_domains(options, KeyDomainOptions::None, so_pin)
    }

    /// Erases everything on the device and sets it up anew. The device's identity stays. Afterwards the application is
    /// selected again, so nobody is logged in.
    ///
    /// # Errors
    /// [`CardError::WrongPin`] means the SO-PIN of the last initialisation; options that make no sense.
    pub fn initialize_with_domains(
        &mut self,
        options: &InitializeOptions<'_>,
        domains: KeyDomainOptions,
        so_pin: &SoPin,
    ) -> Result<(), CardError> {
        let what = "initialise";
        let data = options
            .encode(domains, so_pin)
            .map_err(|error| CardError::malformed(what, error))?;
        let mut command = Command::new(0x80, 0x50, 0x00, 0x00).with_data(data);
        let response = self.send(&command);
        zeroize::Zeroize::zeroize(&mut command.data);
        match response?.sw {
            StatusWord::OK => self.logout(),
            StatusWord::BLOCKED => Err(CardError::PinBlocked),
            sw => match sw.tries() {
                Some(tries_left) => Err(CardError::WrongPin { tries_left }),
                None => Err(CardError::Refused { what, sw }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use zeroize::Zeroizing;

    use super::*;

    fn so_pin() -> SoPin {
        SoPin::from_hex("3537363231383830").expect("16 hex digits")
    }

    #[test]
    fn quorum_alone_sends_no_user_pin() {
        let pka = PkaOptions::new(2, 3, false).expect("a quorum");
        let data = InitializeOptions::Quorum(pka)
            .encode(KeyDomainOptions::None, &so_pin())
            .expect("encodes");
        assert_eq!(data, hex!("80020000 8208 3537363231383830 9302 0302"));
    }

    #[test]
    fn quorum_and_pin_demands_both() {
        let pin = Pin::new(Zeroizing::new("648219".into())).expect("a PIN");
        let pka = PkaOptions::new(2, 3, true).expect("a quorum");
        let options = InitializeOptions::QuorumAndPin {
            pka,
            pin: &pin,
            retry_counter: 3,
        };
        let data = options
            .encode(KeyDomainOptions::None, &so_pin())
            .expect("encodes");
        assert_eq!(
            data,
            hex!("80020018 8106363438323139 82083537363231383830 910103 93020302")
        );
    }

    #[test]
    fn key_domains_are_asked_for_like_this() {
        let pin = Pin::new(Zeroizing::new("648219".into())).expect("a PIN");
        let options = InitializeOptions::Pin {
            pin: &pin,
            retry_counter: 3,
        };
        let encode = |domains| options.encode(domains, &so_pin()).expect("encodes");
        let places = hex!("80020001 8106363438323139 82083537363231383830 910103 970102");
        assert_eq!(encode(KeyDomainOptions::Places(2)), places);
        let shares = hex!("80020001 8106363438323139 82083537363231383830 910103 920102");
        assert_eq!(encode(KeyDomainOptions::Dkek { shares: 2 }), shares);
    }

    #[test]
    fn what_is_no_quorum_is_refused() {
        for (required, total) in [(0, 3), (4, 3), (1, 91), (0, 0)] {
            assert!(
                PkaOptions::new(required, total, false).is_err(),
                "{required} of {total}"
            );
        }
    }
}
