//! The command INITIALIZE DEVICE.

use countersign_cvc::tlv::{self, Tag};
use zeroize::Zeroizing;

use super::SmartCardHsm;
use crate::{
    apdu::{Command, StatusWord},
    error::CardError,
    pin::{Pin, SoPin},
};

/// Bits of the option word that INITIALIZE DEVICE sets.
pub mod option_bits {
    /// RESET RETRY COUNTER may be used.
    pub const RESET_RETRY_COUNTER: u16 = 0x0001;
    /// The card can generate a PIN for one session.
    pub const SESSION_PIN: u16 = 0x0004;
    /// Registered PKA keys may be replaced.
    pub const REPLACE_PKA_KEYS: u16 = 0x0008;
    /// Keys require both the user PIN and the quorum.
    pub const COMBINED: u16 = 0x0010;
}

/// Most custodian keys that a device can register.
const MAX_KEYS: u8 = 90;

/// A quorum: `required` of `total` registered keys (n of m).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PkaOptions {
    required: u8,
    total: u8,
    allow_replace: bool,
}

/// The key domains that a device gets, which decide whether its keys can be copied to other devices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyDomainOptions {
    /// No domain: keys never leave the device.
    #[default]
    None,
    /// One domain with a device key encryption key (DKEK).
    Dkek {
        /// Number of shares that form the DKEK. With 0 the device generates the DKEK, so that only this device can import
        /// its wrapped keys.
        shares: u8,
    },
    /// This number of empty slots, in which domains can be created later.
    Slots(u8),
}

/// The reason why options are not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidOptions {
    /// The numbers are not a quorum.
    #[error(
        "a quorum of {required} of {total} is not possible: n must be at least 1 and at most m, and m at most {MAX_KEYS}"
    )]
    Quorum {
        /// Number of keys that must authenticate (n).
        required: u8,
        /// Number of registered keys (m).
        total: u8,
    },
    /// The retry counter is too high for the length of the PIN.
    #[error(
        "a retry counter of {0} is not allowed for a PIN of this length: at most 3 for 6 bytes, 5 for 7 bytes, or 10 for more"
    )]
    RetryCounter(u8),
}

impl PkaOptions {
    /// Creates a quorum. With `allow_replace`, registered keys may be replaced later.
    ///
    /// # Errors
    /// [`InvalidOptions::Quorum`] unless 1 ≤ `required` ≤ `total` ≤ 90.
    pub fn new(required: u8, total: u8, allow_replace: bool) -> Result<Self, InvalidOptions> {
        if required >= 1 && required <= total && total <= MAX_KEYS {
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

/// Access control of a device after initialisation. "PIN *or* quorum" cannot be expressed, because the PIN would bypass the
/// quorum.
pub enum InitializeOptions<'a> {
    /// A user PIN only, for a custodian's card.
    Pin {
        /// Initial user PIN.
        pin: &'a Pin,
        /// Number of tries, which depends on the length of the PIN; see [`InvalidOptions::RetryCounter`].
        retry_counter: u8,
    },
    /// A quorum only. The device has no user PIN.
    Quorum(PkaOptions),
    /// A quorum and a user PIN, both of which are required.
    QuorumAndPin {
        /// Quorum of custodians.
        pka: PkaOptions,
        /// Initial user PIN.
        pin: &'a Pin,
        /// Number of tries, which depends on the length of the PIN; see [`InvalidOptions::RetryCounter`].
        retry_counter: u8,
    },
}

/// More than the longest command data: all objects with a PIN of 16 bytes take 45 bytes.
const MAX_DATA_LENGTH: usize = 64;

impl InitializeOptions<'_> {
    fn encode(
        &self,
        domains: KeyDomainOptions,
        so_pin: &SoPin,
    ) -> Result<Zeroizing<Vec<u8>>, InvalidOptions> {
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
            let max = match pin.as_bytes().len() {
                ..=6 => 3,
                7 => 5,
                _ => 10,
            };
            if !(1..=max).contains(&counter) {
                return Err(InvalidOptions::RetryCounter(counter));
            }
        }
        // The buffer never grows, because growing would leave an unwiped copy of the PINs.
        let mut data = Zeroizing::new(Vec::with_capacity(MAX_DATA_LENGTH));
        let mut append = |tag, value: &[u8]| tlv::append(&mut data, Tag(tag), value);
        append(0x80, &options.to_be_bytes());
        if let Some((pin, _)) = pin {
            append(0x81, pin.as_bytes());
        }
        append(0x82, so_pin.as_bytes());
        if let Some((_, retry_counter)) = pin {
            append(0x91, &[retry_counter]);
        }
        if let KeyDomainOptions::Dkek { shares } = domains {
            append(0x92, &[shares]);
        }
        if let Some(pka) = pka {
            append(0x93, &[pka.total, pka.required]);
        }
        if let KeyDomainOptions::Slots(slots) = domains {
            append(0x97, &[slots]);
        }
        Ok(data)
    }
}

impl SmartCardHsm {
    /// Erases the device and initialises it without key domains, so that its keys never leave it.
    ///
    /// # Errors
    /// As [`SmartCardHsm::initialize_with_domains`].
    pub fn initialize(
        &mut self,
        options: &InitializeOptions<'_>,
        so_pin: &SoPin,
    ) -> Result<(), CardError> {
        self.initialize_with_domains(options, KeyDomainOptions::None, so_pin)
    }

    /// Erases all keys and files on the device and initialises it. The device key and its certificates remain. Afterwards the
    /// application is selected again, so that no login remains.
    ///
    /// # Errors
    /// [`CardError::WrongPin`] if `so_pin` is not the SO-PIN of the previous initialisation; [`CardError::PinBlocked`] if that
    /// SO-PIN is blocked; [`CardError::Options`] if the options are invalid.
    pub fn initialize_with_domains(
        &mut self,
        options: &InitializeOptions<'_>,
        domains: KeyDomainOptions,
        so_pin: &SoPin,
    ) -> Result<(), CardError> {
        let data = options.encode(domains, so_pin)?;
        let command = Command::new(0x80, 0x50, 0x00, 0x00).with_data(data.as_slice());
        match self.send(&command)?.sw {
            StatusWord::OK => self.logout(),
            StatusWord::BLOCKED => Err(CardError::PinBlocked),
            sw => match sw.tries() {
                Some(tries_left) => Err(CardError::WrongPin { tries_left }),
                None => Err(CardError::Refused {
                    what: "initialisation",
                    sw,
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn so_pin() -> SoPin {
        SoPin::from_hex("3537363231383830").expect("16 hex digits")
    }

    #[test]
    fn a_quorum_alone_sends_no_user_pin() {
        let pka = PkaOptions::new(2, 3, false).expect("a quorum");
        let data = InitializeOptions::Quorum(pka)
            .encode(KeyDomainOptions::None, &so_pin())
            .expect("encodes");
        assert_eq!(*data, hex!("80020000 8208 3537363231383830 9302 0302"));
    }

    #[test]
    fn a_quorum_with_a_pin_requires_both() {
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
            *data,
            hex!("80020018 8106363438323139 82083537363231383830 910103 93020302")
        );
    }

    #[test]
    fn key_domains_are_encoded_as_shares_or_slots() {
        let pin = Pin::new(Zeroizing::new("648219".into())).expect("a PIN");
        let options = InitializeOptions::Pin {
            pin: &pin,
            retry_counter: 3,
        };
        let encode = |domains| options.encode(domains, &so_pin()).expect("encodes");
        let slots = hex!("80020001 8106363438323139 82083537363231383830 910103 970102");
        assert_eq!(*encode(KeyDomainOptions::Slots(2)), slots);
        let shares = hex!("80020001 8106363438323139 82083537363231383830 910103 920102");
        assert_eq!(*encode(KeyDomainOptions::Dkek { shares: 2 }), shares);
    }

    #[test]
    fn an_impossible_quorum_is_rejected() {
        for (required, total) in [(0, 3), (4, 3), (1, 91), (0, 0)] {
            assert!(
                PkaOptions::new(required, total, false).is_err(),
                "{required} of {total}"
            );
        }
    }
}
