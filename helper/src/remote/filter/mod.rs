//! Filters the PIN commands of a server, because a user who enters a PIN on the server's page reveals it to the server.

mod command;

use command::Kind;

/// Which PIN commands of a server reach the card. A PIN command is one that can unlock the card, use up tries of a PIN or SO-PIN,
/// change a PIN or erase the card. Every server can encrypt commands for the card, so encryption alone shows no permission.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PinCommands {
    /// None, not even encrypted ones.
    #[default]
    Never,
    /// Each command that the user allows when it arrives.
    Ask,
    /// Only commands that are encrypted for the card.
    EncryptedOnly,
    /// All commands.
    All,
}

/// What to do with a command. The text describes the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forward it to the card.
    Forward,
    /// Ask the user first.
    Ask(PinCommand),
    /// Keep it from the card.
    Refuse(&'static str),
}

/// A PIN command about which the user is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinCommand {
    /// Its name.
    pub what: &'static str,
    /// Only the card can read it.
    pub encrypted: bool,
}

/// Checks the commands of one session, in their order.
#[derive(Debug)]
pub struct Filter {
    pins: PinCommands,
    /// Whether the previous command was a part of a longer one.
    chained: bool,
    /// Whether the user has denied a command, which ends the questions of this session.
    denied: bool,
}

impl Filter {
    pub const fn new(pins: PinCommands) -> Self {
        Self {
            pins,
            chained: false,
            denied: false,
        }
    }

    /// Decides about the next command.
    pub fn check(&mut self, bytes: &[u8]) -> Verdict {
        let chained = std::mem::replace(&mut self.chained, command::is_chained(bytes));
        match (self.pins, command::kind(bytes, chained)) {
            (PinCommands::All, _)
            | (_, Kind::Other)
            | (PinCommands::EncryptedOnly, Kind::Encrypted(_)) => Verdict::Forward,
            (PinCommands::Ask, Kind::Encrypted(what)) if !self.denied => Verdict::Ask(PinCommand {
                what,
                encrypted: true,
            }),
            (PinCommands::Ask, Kind::Readable(what)) if !self.denied => Verdict::Ask(PinCommand {
                what,
                encrypted: false,
            }),
            (_, Kind::Encrypted(what) | Kind::Readable(what) | Kind::Disguised(what)) => {
                Verdict::Refuse(what)
            }
        }
    }

    /// Records that the user denied a command.
    pub const fn deny(&mut self) {
        self.denied = true;
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

    fn forwards(pins: PinCommands, command: &[u8]) -> bool {
        Filter::new(pins).check(command) == Verdict::Forward
    }

    fn protected(command: Command) -> Vec<u8> {
        let mut channel = Channel::derive(&[1; 32], &[2; 8]);
        channel.protect_command(&command).encode().to_vec()
    }

    #[test]
    fn status_queries_are_forwarded_and_pins_are_refused() {
        for command in [
            &hex!("00200081")[..],
            &hex!("0020008100"),
            &hex!("00200081000000"),
            &hex!("0C2000810D9701008E083811CDCEEBAFF09A00"),
            &hex!("80680170203132333435363738393031323334353637383930313233343536373839303100"),
            &hex!("00C0000010"),
        ] {
            assert!(
                forwards(PinCommands::EncryptedOnly, command),
                "{}",
                hex::encode(command)
            );
            assert!(
                forwards(PinCommands::Never, command),
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
            // Channel 16; an invalid class; a command to the reader.
            &hex!("4C20008106363438323139"),
            &hex!("7C20008106363438323139"),
            &hex!("EC20008106363438323139"),
            &hex!("FF20008106363438323139"),
            &hex!("FF0000000B0020008106363438323139"),
            // Protected according to the class byte only.
            &hex!("0C20008106363438323139"),
            &hex!("8C20008106363438323139"),
            // Protected against changes, but not encrypted.
            &hex!("0C20008112 8106363438323139 8E083811CDCEEBAFF09A00"),
            &hex!("0C20008112 8706363438323139 8E083811CDCEEBAFF09A00"),
            // Wrapped.
            &hex!("00C200000B0020008106363438323139"),
        ] {
            assert!(
                !forwards(PinCommands::EncryptedOnly, command),
                "{}",
                hex::encode(command)
            );
            assert!(
                !forwards(PinCommands::Never, command),
                "{}",
                hex::encode(command)
            );
            assert!(
                forwards(PinCommands::All, command),
                "{}",
                hex::encode(command)
            );
        }
    }

    #[test]
    fn encrypted_pin_commands_need_a_permission() {
        let verify = protected(Command::new(0, 0x20, 0, 0x81).with_data(*b"648219"));
        let status = protected(Command::new(0, 0x20, 0, 0x81).with_le(Le::Short));
        let long = protected(Command::new(0, 0x24, 0, 0x81).with_data(vec![0x31; 300]));
        let initialize = protected(Command::new(0x80, 0x50, 0, 0).with_data(vec![0x31; 40]));
        let odd = protected(Command::new(0x80, 0x51, 0, 0).with_data(vec![0x31; 40]));
        for command in [&verify, &long, &initialize, &odd] {
            assert!(forwards(PinCommands::EncryptedOnly, command));
            assert!(!forwards(PinCommands::Never, command));
            assert!(matches!(
                Filter::new(PinCommands::Ask).check(command),
                Verdict::Ask(PinCommand {
                    encrypted: true,
                    ..
                })
            ));
        }
        assert!(forwards(PinCommands::Never, &status));
    }

    /// A card may accept some of these as secure messaging, but a PIN in them is readable.
    #[test]
    fn objects_that_only_resemble_encrypted_data_are_not_taken_for_it() {
        let checksum = &hex!("8E083811CDCEEBAFF09A")[..];
        let cryptogram = hex!("8709013634383231393031");
        let verify = |objects: &[&[u8]]| {
            let data = objects.concat();
            Command::new(0x0C, 0x20, 0, 0x81).with_data(data).encode()
        };
        let encrypted = verify(&[&cryptogram, checksum]);
        assert!(forwards(PinCommands::EncryptedOnly, &encrypted));
        for objects in [
            // No checksum, one under another tag, and one of another length.
            vec![&cryptogram[..]],
            vec![&cryptogram, &hex!("81083634383231393031")],
            vec![&cryptogram, &hex!("8E0436343832")],
            vec![checksum, &cryptogram],
            // Not whole blocks, without the padding indicator, and nothing.
            vec![&hex!("87080136343832313930"), checksum],
            vec![&hex!("850736343832313930"), checksum],
            vec![&hex!("87083634383231393031"), checksum],
            vec![&hex!("8709023634383231393031"), checksum],
            vec![&hex!("870101"), checksum],
            vec![&hex!("8500"), checksum],
            // A readable object beside the encrypted one, also as an expected length that is too long.
            vec![&cryptogram, &hex!("8006363438323139"), checksum],
            vec![&cryptogram, &hex!("9706363438323139"), checksum],
            vec![&hex!("9706363438323139"), checksum],
            vec![&hex!("9700"), &cryptogram, checksum],
        ] {
            let command = verify(&objects);
            assert!(
                !forwards(PinCommands::EncryptedOnly, &command),
                "{}",
                hex::encode(command)
            );
        }
    }

    #[test]
    fn an_initialisation_is_refused_in_every_form() {
        let with_data = |cla, ins| Command::new(cla, ins, 0, 0).with_data(vec![0x31; 40]);
        for ins in [0x50, 0x51] {
            for cla in 0..=u8::MAX {
                let bare = Command::new(cla, ins, 0, 0);
                for command in [
                    bare.clone(),
                    bare.clone().with_le(Le::Short),
                    with_data(cla, ins),
                    with_data(cla, ins).with_le(Le::Extended),
                ] {
                    let command = command.encode();
                    assert!(!forwards(PinCommands::Never, &command), "{command:02X?}");
                    assert!(
                        !forwards(PinCommands::EncryptedOnly, &command),
                        "{command:02X?}"
                    );
                }
                for protected in [
                    protected(bare.clone().with_le(Le::Short)),
                    protected(with_data(cla, ins)),
                ] {
                    assert!(
                        !forwards(PinCommands::Never, &protected),
                        "{protected:02X?}"
                    );
                }
            }
            // The last part of a chain, whose first part had another instruction.
            let mut filter = Filter::new(PinCommands::Never);
            let _ = filter.check(&hex!("908000000431323334"));
            let last = with_data(0x80, ins).encode();
            assert_ne!(filter.check(&last), Verdict::Forward);
        }
    }

    #[test]
    fn a_command_that_would_complete_a_chained_pin_is_refused() {
        let mut filter = Filter::new(PinCommands::EncryptedOnly);
        assert_eq!(
            filter.check(&hex!("102A00BE06363438323139")),
            Verdict::Forward
        );
        assert_ne!(filter.check(&hex!("00200081")), Verdict::Forward);
        assert_eq!(filter.check(&hex!("00200081")), Verdict::Forward);
    }

    #[test]
    fn the_user_is_asked_until_they_deny_a_command() {
        let mut filter = Filter::new(PinCommands::Ask);
        assert!(matches!(filter.check(&VERIFY), Verdict::Ask(_)));
        assert!(matches!(filter.check(&VERIFY), Verdict::Ask(_)));
        filter.deny();
        assert!(matches!(filter.check(&VERIFY), Verdict::Refuse(_)));
        // The user is never asked about a command that no server needs.
        let reader = hex!("FF0000000B0020008106363438323139");
        assert!(matches!(
            Filter::new(PinCommands::Ask).check(&reader),
            Verdict::Refuse(_)
        ));
    }

    proptest! {
        /// Regardless of the class byte, because the PIN is not encrypted.
        #[test]
        fn no_readable_pin_is_forwarded(
            cla in any::<u8>(),
            ins in proptest::sample::select(&PIN_COMMANDS[..]),
            p1 in any::<u8>(),
            p2 in any::<u8>(),
            pin in "[0-9]{1,400}",
            answer in any::<bool>(),
            pins in proptest::sample::select(&[PinCommands::Never, PinCommands::EncryptedOnly, PinCommands::Ask][..]),
        ) {
            let mut command = Command::new(cla, ins, p1, p2).with_data(pin);
            if answer {
                command = command.with_le(Le::Short);
            }
            prop_assert!(!forwards(pins, &command.encode()));
        }

        #[test]
        fn no_pin_is_forwarded_in_an_unencrypted_secure_messaging_object(
            cla in any::<u8>(),
            ins in proptest::sample::select(&PIN_COMMANDS[..]),
            tag in any::<u8>().prop_filter("encrypted", |tag| !matches!(tag, 0x85 | 0x87 | 0x97)),
            pin in "[0-9]{4,16}",
        ) {
            let mut data = countersign_cvc::tlv::encode(countersign_cvc::tlv::Tag(tag.into()), pin.as_bytes());
            data.extend(hex!("8E080102030405060708"));
            let command = Command::new(cla, ins, 0, 0x81).with_data(data);
            prop_assert!(!forwards(PinCommands::EncryptedOnly, &command.encode()));
        }

        #[test]
        fn a_forwarded_pin_command_has_no_data_or_is_encrypted(
            cla in any::<u8>(),
            ins in proptest::sample::select(&PIN_COMMANDS[..]),
            rest in proptest::collection::vec(any::<u8>(), 2..40),
        ) {
            let bytes = [&[cla, ins][..], &rest].concat();
            if forwards(PinCommands::EncryptedOnly, &bytes) {
                prop_assert!(
                    Command::parse(&bytes).is_ok_and(|command| command.data.is_empty() || matches!(cla, 0x0C | 0x8C))
                );
            }
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), chained in any::<bool>()) {
            let _ = command::kind(&bytes, chained);
        }
    }
}
