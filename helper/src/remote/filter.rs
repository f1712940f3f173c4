//! PIN commands that a server sends in the clear: whoever types a PIN into that server's page gives it away.

/// Whether PIN commands that are readable on the way reach the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinCommands {
    /// Never.
    #[default]
    Refused,
    /// The person at the card wants it so.
    Allowed,
}

/// Bits of CLA that say that a command is protected and its header authenticated (ISO/IEC 7816-4, section 5.1.1).
const PROTECTED: u8 = 0x0C;

/// What a command would do with a PIN that can be read on the way; `None`: it may reach the card.
///
/// Commands in secure messaging pass: only the card and the server's HSM driver can read them.
pub fn refused(command: &[u8]) -> Option<&'static str> {
    let [cla, ins, _, _, body @ ..] = command else {
        // No command at all: nothing that a card should have to deal with.
        return Some("a command that is too short");
    };
    if cla & PROTECTED == PROTECTED || !carries_data(body) {
        return None;
    }
    match ins {
        0x20 | 0x21 => Some("VERIFY with a PIN"),
        0x24 | 0x25 => Some("CHANGE REFERENCE DATA with PINs"),
        0x2C | 0x2D => Some("RESET RETRY COUNTER with a PIN"),
        // INITIALIZE DEVICE
        0x50 => Some("INITIALIZE DEVICE with its PINs"),
        0x5A => Some("MANAGE SESSION PIN with a PIN"),
        _ => None,
    }
}

/// Whether more than an expected length follows the header.
fn carries_data(body: &[u8]) -> bool {
    !matches!(body, [] | [_] | [0, _, _])
}

#[cfg(test)]
mod tests {
    use countersign_card::apdu::{Command, Le};
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn states_may_be_asked_for_and_pins_not_sent() {
        for passes in [
            &hex!("00200081")[..],
            &hex!("0020008100"),
            &hex!("00200081000000"),
            &hex!("8050000000"),
            &hex!("0C2000811D871101A1D38542D4A7BE1A628A9B92026E45E18E083811CDCEEBAFF09A00"),
            &hex!("80680170203132333435363738393031323334353637383930313233343536373839303100"),
        ] {
            assert_eq!(refused(passes), None, "{}", hex::encode(passes));
        }
        for stays in [
            &hex!("0020008106363438323139")[..],
            &hex!("1020008106363438323139"),
            &hex!("0420008106363438323139"),
            &hex!("0320008106363438323139"),
            &hex!("00200081000006363438323139"),
            &hex!("002400810C363438323139363438323139"),
            &hex!("002C00810835373632313838 30"),
            &hex!("8050000019800200018106363438323139820835373632313838309101 03"),
            &hex!("9050000019800200018106363438323139820835373632313838309101 03"),
            &hex!("805A01810431323334"),
            &hex!("0020"),
        ] {
            assert!(refused(stays).is_some(), "{}", hex::encode(stays));
        }
    }

    proptest! {
        #[test]
        fn no_readable_pin_passes(
            cla in any::<u8>(),
            ins in prop_oneof![Just(0x20u8), Just(0x24), Just(0x2C), Just(0x50), Just(0x5A)],
            p2 in any::<u8>(),
            pin in proptest::collection::vec(any::<u8>(), 1..300),
            answer in any::<bool>(),
        ) {
            let mut command = Command::new(cla, ins, 0, p2).with_data(pin);
            if answer {
                command = command.with_le(Le::Short);
            }
            let protected = cla & 0x0C == 0x0C;
            prop_assert_eq!(refused(&command.encode()).is_none(), protected);
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = refused(&bytes);
        }
    }
}
