//! PIN commands that a server sends: whoever types a PIN into that server's page gives it away.

mod command;

use command::Kind;

/// Which PIN commands of a server reach the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinCommands {
    /// None that could unlock the card, not even one that only the card can read.
    Never,
    /// Only those that nobody on the way can read.
    #[default]
    Refused,
    /// Of the others too those that the person at the card allows, each at its moment.
    Asked,
    /// All: the person at the card wants it so.
    Allowed,
}

/// What becomes of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may reach the card.
    Passes,
    /// The person must be asked about this first.
    Ask(&'static str),
    /// It stays here, because it is this.
    Stays(&'static str),
}

/// Looks at the commands of one session, in their order.
#[derive(Debug)]
pub struct Filter {
    pins: PinCommands,
    /// The command before was a part of a longer one.
    chain: bool,
    /// The person said no: nothing more is asked in this session.
    declined: bool,
}

impl Filter {
    /// Nothing was sent yet.
    pub const fn new(pins: PinCommands) -> Self {
        Self {
            pins,
            chain: false,
            declined: false,
        }
    }

    /// Judges the next command.
    pub fn judge(&mut self, bytes: &[u8]) -> Verdict {
        let parts = std::mem::replace(&mut self.chain, command::is_part(bytes));
        match (self.pins, command::kind(bytes, parts)) {
            (PinCommands::Allowed, _)
            | (_, Kind::Other)
            | (PinCommands::Refused | PinCommands::Asked, Kind::Sealed(_)) => Verdict::Passes,
            (PinCommands::Asked, Kind::Open(what)) if !self.declined => Verdict::Ask(what),
            (_, Kind::Sealed(what) | Kind::Open(what) | Kind::Hidden(what)) => Verdict::Stays(what),
        }
    }

    /// The person said no.
    pub const fn declined(&mut self) {
        self.declined = true;
    }
}

#[cfg(test)]
mod tests {
    use countersign_card::{
        apdu::{Command, Le},
        secure_messaging::Channel,
    };
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    const VERIFY: [u8; 11] = hex!("0020008106363438323139");
    const PIN_COMMANDS: [u8; 14] = [
        0x20, 0x21, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2C, 0x2D, 0x50, 0x51, 0x5A, 0x5B,
    ];

    fn passes(pins: PinCommands, command: &[u8]) -> bool {
        Filter::new(pins).judge(command) == Verdict::Passes
    }

    fn protected(command: Command) -> Vec<u8> {
        let mut channel = Channel::derive(&[1; 32], &[2; 8]);
        channel.protect_command(&command).encode().to_vec()
    }

    #[test]
    fn states_may_be_asked_for_and_pins_not_sent() {
        for command in [
            &hex!("00200081")[..],
            &hex!("0020008100"),
            &hex!("00200081000000"),
            &hex!("8050000000"),
            &hex!("0C2000810D9701008E083811CDCEEBAFF09A00"),
            &hex!("80680170203132333435363738393031323334353637383930313233343536373839303100"),
            &hex!("00C0000010"),
        ] {
            assert!(
                passes(PinCommands::Refused, command),
                "{}",
                hex::encode(command)
            );
            assert!(
                passes(PinCommands::Never, command),
                "{}",
                hex::encode(command)
            );
        }
        for command in [
            &VERIFY[..],
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
            // Channel 16; no class; to the reader.
            &hex!("4C20008106363438323139"),
            &hex!("7C20008106363438323139"),
            &hex!("EC20008106363438323139"),
            &hex!("FF20008106363438323139"),
            &hex!("FF0000000B0020008106363438323139"),
            // Said to be protected, and is not.
            &hex!("0C20008106363438323139"),
            &hex!("8C20008106363438323139"),
            // Protected against changes only.
            &hex!("0C20008112 8106363438323139 8E083811CDCEEBAFF09A00"),
            &hex!("0C20008112 8706363438323139 8E083811CDCEEBAFF09A00"),
            // Wrapped.
            &hex!("00C200000B0020008106363438323139"),
        ] {
            assert!(
                !passes(PinCommands::Refused, command),
                "{}",
                hex::encode(command)
            );
            assert!(
                !passes(PinCommands::Never, command),
                "{}",
                hex::encode(command)
            );
            assert!(
                passes(PinCommands::Allowed, command),
                "{}",
                hex::encode(command)
            );
        }
    }

    #[test]
    fn what_only_the_card_can_read_passes_unless_nothing_may_unlock_it() {
        let verify = protected(Command::new(0, 0x20, 0, 0x81).with_data(*b"648219"));
        let status = protected(Command::new(0, 0x20, 0, 0x81).with_le(Le::Short));
        let long = protected(Command::new(0, 0x24, 0, 0x81).with_data(vec![0x31; 300]));
        assert!(passes(PinCommands::Refused, &verify));
        assert!(passes(PinCommands::Refused, &long));
        assert!(!passes(PinCommands::Never, &verify));
        assert!(!passes(PinCommands::Never, &long));
        assert!(passes(PinCommands::Never, &status));
    }

    #[test]
    fn a_pin_that_comes_before_its_command_stays_without_it() {
        let mut filter = Filter::new(PinCommands::Refused);
        assert_eq!(
            filter.judge(&hex!("102A00BE06363438323139")),
            Verdict::Passes
        );
        assert_ne!(filter.judge(&hex!("00200081")), Verdict::Passes);
        assert_eq!(filter.judge(&hex!("00200081")), Verdict::Passes);
    }

    #[test]
    fn the_person_is_asked_until_they_say_no() {
        let mut filter = Filter::new(PinCommands::Asked);
        assert!(matches!(filter.judge(&VERIFY), Verdict::Ask(_)));
        assert!(matches!(filter.judge(&VERIFY), Verdict::Ask(_)));
        filter.declined();
        assert!(matches!(filter.judge(&VERIFY), Verdict::Stays(_)));
        // Nobody is asked about what no server needs.
        let reader = hex!("FF0000000B0020008106363438323139");
        assert!(matches!(
            Filter::new(PinCommands::Asked).judge(&reader),
            Verdict::Stays(_)
        ));
    }

    proptest! {
        /// Whatever the class says: the bytes of this PIN are nothing that only the card can read.
        #[test]
        fn no_readable_pin_passes(
            cla in any::<u8>(),
            ins in proptest::sample::select(&PIN_COMMANDS[..]),
            p1 in any::<u8>(),
            p2 in any::<u8>(),
            pin in "[0-9]{1,400}",
            answer in any::<bool>(),
            pins in proptest::sample::select(&[PinCommands::Never, PinCommands::Refused, PinCommands::Asked][..]),
        ) {
            let mut command = Command::new(cla, ins, p1, p2).with_data(pin);
            if answer {
                command = command.with_le(Le::Short);
            }
            prop_assert!(!passes(pins, &command.encode()));
        }

        /// Nor in an object of secure messaging that is not encrypted.
        #[test]
        fn no_pin_passes_beside_a_checksum(
            cla in any::<u8>(),
            ins in proptest::sample::select(&PIN_COMMANDS[..]),
            tag in any::<u8>().prop_filter("encrypted", |tag| !matches!(tag, 0x85 | 0x87 | 0x97)),
            pin in "[0-9]{4,16}",
        ) {
            let mut data = countersign_cvc::tlv::encode(countersign_cvc::tlv::Tag(tag.into()), pin.as_bytes());
            data.extend(hex!("8E080102030405060708"));
            let command = Command::new(cla, ins, 0, 0x81).with_data(data);
            prop_assert!(!passes(PinCommands::Refused, &command.encode()));
        }

        /// However the data is laid out: a PIN command that passes has nothing in it, or secure messaging of an exact form.
        #[test]
        fn what_passes_is_empty_or_sealed(
            cla in any::<u8>(),
            ins in proptest::sample::select(&PIN_COMMANDS[..]),
            rest in proptest::collection::vec(any::<u8>(), 2..40),
        ) {
            let bytes = [&[cla, ins][..], &rest].concat();
            if passes(PinCommands::Refused, &bytes) {
                prop_assert!(
                    Command::parse(&bytes).is_ok_and(|command| command.data.is_empty() || matches!(cla, 0x0C | 0x8C))
                );
            }
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), parts in any::<bool>()) {
            let _ = command::kind(&bytes, parts);
        }
    }
}
