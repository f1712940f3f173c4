//! Command and response APDUs (ISO/IEC 7816-4).

use zeroize::{Zeroize, Zeroizing};

/// The `Le` field: how much response data a command expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Le {
    /// Up to 256 bytes, in a short APDU.
    Short,
    /// This number of bytes, 1 to 255, in a short APDU.
    Exactly(u8),
    /// Up to 65,536 bytes, in an extended APDU.
    Extended,
    /// This number of bytes, 1 to 65,535, in an extended APDU.
    ExactlyExtended(u16),
}

impl Le {
    /// Largest number of bytes in the response.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Short => 256,
            Self::Exactly(count) => count as usize,
            Self::Extended => 65536,
            Self::ExactlyExtended(count) => count as usize,
        }
    }

    const fn is_extended(self) -> bool {
        matches!(self, Self::Extended | Self::ExactlyExtended(_))
    }
}

/// A command APDU. Its data can be a PIN, so it is wiped when the command is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Class byte.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// First parameter byte.
    pub p1: u8,
    /// Second parameter byte.
    pub p2: u8,
    /// Command data, at most 65,535 bytes.
    pub data: Vec<u8>,
    /// Expected response data; `None` if the response has no data.
    pub le: Option<Le>,
}

impl Drop for Command {
    fn drop(&mut self) {
        self.data.zeroize();
    }
}

/// The bytes are not a command APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a command APDU")]
pub struct InvalidCommand;

impl Command {
    /// Creates a command without data that expects no response data.
    pub const fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Self {
            cla,
            ins,
            p1,
            p2,
            data: Vec::new(),
            le: None,
        }
    }

    /// Sets the command data.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data.zeroize();
        self.data = data.into();
        self
    }

    /// Sets the expected response data.
    #[must_use]
    pub fn with_le(mut self, le: Le) -> Self {
        self.le = Some(le);
        self
    }

    /// Whether the command data can contain a PIN or SO-PIN: VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER or INITIALIZE
    /// DEVICE with data.
    pub fn can_carry_pin(&self) -> bool {
        matches!(self.ins & !1, 0x20 | 0x24 | 0x2C | 0x50) && !self.data.is_empty()
    }

    /// Encodes the command as a short APDU, or as an extended APDU if the data or `le` require it. The bytes are wiped when
    /// they are dropped.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let extended = self.data.len() > 255 || self.le.is_some_and(Le::is_extended);
        // Header, data, and two length fields. The buffer never grows, because growing would leave an unwiped copy.
        let mut out = Zeroizing::new(Vec::with_capacity(4 + 3 + self.data.len() + 3));
        out.extend_from_slice(&[self.cla, self.ins, self.p1, self.p2]);
        let length = u16::try_from(self.data.len())
            .unwrap_or(u16::MAX)
            .to_be_bytes();
        match (extended, self.data.is_empty()) {
            (_, true) => {}
            (false, false) => out.push(length[1]),
            (true, false) => out.extend_from_slice(&[0, length[0], length[1]]),
        }
        out.extend_from_slice(&self.data);
        if let Some(le) = self.le {
            if extended {
                if self.data.is_empty() {
                    out.push(0);
                }
                let count = match le {
                    Le::Extended => 0,
                    other => u16::try_from(other.bytes()).unwrap_or(0),
                };
                out.extend_from_slice(&count.to_be_bytes());
            } else {
                // 256 is encoded as 0.
                out.push(u8::try_from(le.bytes()).unwrap_or(0));
            }
        }
        out
    }

    /// Decodes a short or extended command APDU.
    ///
    /// # Errors
    /// A length field does not match the number of bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidCommand> {
        let [cla, ins, p1, p2, body @ ..] = bytes else {
            return Err(InvalidCommand);
        };
        let header = Self::new(*cla, *ins, *p1, *p2);
        let short_le = |byte: u8| {
            if byte == 0 {
                Le::Short
            } else {
                Le::Exactly(byte)
            }
        };
        let extended_le = |high: u8, low: u8| match u16::from_be_bytes([high, low]) {
            0 => Le::Extended,
            count => Le::ExactlyExtended(count),
        };
        match body {
            [] => Ok(header),
            [le] => Ok(header.with_le(short_le(*le))),
            [0, high, low] => Ok(header.with_le(extended_le(*high, *low))),
            [0, high, low, rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let data = rest.get(..length).ok_or(InvalidCommand)?;
                match &rest[length..] {
                    _ if length == 0 => Err(InvalidCommand),
                    [] => Ok(header.with_data(data)),
                    [high, low] => Ok(header.with_data(data).with_le(extended_le(*high, *low))),
                    _ => Err(InvalidCommand),
                }
            }
            [length, rest @ ..] => {
                let data = rest.get(..usize::from(*length)).ok_or(InvalidCommand)?;
                match &rest[usize::from(*length)..] {
                    _ if data.is_empty() => Err(InvalidCommand),
                    [] => Ok(header.with_data(data)),
                    [le] => Ok(header.with_data(data).with_le(short_le(*le))),
                    _ => Err(InvalidCommand),
                }
            }
        }
    }
}

/// Shows the header only, because the data can be a PIN.
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:02X} {:02X} {:02X} {:02X} ({} bytes of data)",
            self.cla,
            self.ins,
            self.p1,
            self.p2,
            self.data.len()
        )
    }
}

/// Status word of a response (SW1 SW2), with the meaning that the SmartCard-HSM gives it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// The command succeeded.
    pub const OK: Self = Self(0x9000);
    /// Status of a custodian's slot: its key is registered and has authenticated.
    pub const SLOT_AUTHENTICATED: Self = Self(0x9001);
    /// The end of the file was reached.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// Authentication failed. As the status of a PIN: public key authentication is active and not complete.
    pub const AUTHENTICATION_FAILED: Self = Self(0x6300);
    /// The card failed to execute the command.
    pub const EXECUTION_ERROR: Self = Self(0x6400);
    /// A length is wrong.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// The card does not support secure messaging.
    pub const SM_UNSUPPORTED: Self = Self(0x6882);
    /// The security status is not satisfied: not authenticated.
    pub const NOT_AUTHENTICATED: Self = Self(0x6982);
    /// The PIN is blocked.
    pub const BLOCKED: Self = Self(0x6983);
    /// The reference data cannot be used: the PIN is a transport PIN, or the key's use counter is exhausted.
    pub const NOT_USABLE: Self = Self(0x6984);
    /// The conditions of use are not satisfied.
    pub const CONDITIONS: Self = Self(0x6985);
    /// The command is not allowed.
    pub const NOT_ALLOWED: Self = Self(0x6986);
    /// A secure messaging object is missing.
    pub const SM_MISSING: Self = Self(0x6987);
    /// A secure messaging object is wrong.
    pub const SM_WRONG: Self = Self(0x6988);
    /// The command data is wrong.
    pub const WRONG_DATA: Self = Self(0x6A80);
    /// The function is not supported, or the algorithm is not allowed for the key.
    pub const NOT_SUPPORTED: Self = Self(0x6A81);
    /// The file does not exist.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// The card has no space left.
    pub const NO_SPACE: Self = Self(0x6A84);
    /// The object already exists or is in use.
    pub const FILE_EXISTS: Self = Self(0x6A89);
    /// The parameters P1 and P2 are wrong.
    pub const WRONG_P1P2: Self = Self(0x6A86);
    /// The referenced data does not exist.
    pub const REFERENCE_NOT_FOUND: Self = Self(0x6A88);
    /// The parameters are wrong, such as an offset after the end of the file.
    pub const WRONG_PARAMETERS: Self = Self(0x6B00);
    /// The instruction is unknown, or the application is not selected.
    pub const UNKNOWN_INSTRUCTION: Self = Self(0x6D00);
    /// The class is not supported.
    pub const UNKNOWN_CLASS: Self = Self(0x6E00);
    /// An unspecified error.
    pub const ERROR: Self = Self(0x6F00);

    /// Creates the status `63Cx`: the PIN is not verified, and `tries` tries are left.
    pub const fn with_tries(tries: u8) -> Self {
        Self(0x63C0 | (tries as u16 & 0x0F))
    }

    /// Whether the status is 9000.
    pub const fn is_ok(self) -> bool {
        self.0 == 0x9000
    }

    /// Number of tries left if the status is `63Cx`.
    pub const fn tries(self) -> Option<u8> {
        if self.0 & 0xFFF0 == 0x63C0 {
            Some((self.0 & 0x0F) as u8)
        } else {
            None
        }
    }

    const fn meaning(self) -> &'static str {
        match self.0 {
            0x9000 | 0x9001 => "success",
            0x6282 => "end of file",
            0x6300 => "authentication failed",
            0x63C0..=0x63CF => "PIN not verified",
            0x6400 | 0x6581 | 0x6F00 => "error in the card",
            0x6700 => "wrong length",
            0x6882 | 0x6987 | 0x6988 => "secure messaging rejected",
            0x6982 => "not authenticated",
            0x6983 => "PIN blocked",
            0x6984 => "cannot be used",
            0x6985 => "conditions not satisfied",
            0x6986 => "not allowed",
            0x6A80 => "wrong data",
            0x6A81 => "not supported",
            0x6A82 => "file not found",
            0x6A84 => "no space left",
            0x6A86 | 0x6B00 => "wrong parameters",
            0x6A88 => "not found",
            0x6A89 => "already exists or is in use",
            0x6D00 | 0x6E00 => "unknown command",
            _ => "unknown status",
        }
    }
}

impl std::fmt::Display for StatusWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:04X})", self.meaning(), self.0)
    }
}

impl std::fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// A response APDU.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// Response data.
    pub data: Vec<u8>,
    /// Status word.
    pub sw: StatusWord,
}

impl Response {
    /// Decodes a response APDU; `None` if it has fewer than two bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (data, sw) = bytes.split_last_chunk::<2>()?;
        Some(Self {
            data: data.to_vec(),
            sw: StatusWord(u16::from_be_bytes(*sw)),
        })
    }

    /// Encodes the data followed by the status word.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.data.clone();
        out.extend_from_slice(&self.sw.0.to_be_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_four_cases_are_encoded_in_both_lengths() {
        let header = || Command::new(0, 0xB1, 0x2F, 2);
        for (command, bytes) in [
            (header(), "00B12F02"),
            (header().with_le(Le::Short), "00B12F0200"),
            (header().with_le(Le::Extended), "00B12F02000000"),
            (header().with_data([1, 2]), "00B12F02020102"),
            (
                header().with_data([1, 2]).with_le(Le::Exactly(8)),
                "00B12F0202010208",
            ),
            (
                header().with_data([1, 2]).with_le(Le::Extended),
                "00B12F020000020102 0000",
            ),
            (
                header()
                    .with_data([1, 2])
                    .with_le(Le::ExactlyExtended(0x200)),
                "00B12F0200000201020200",
            ),
        ] {
            let bytes = hex::decode(bytes.replace(' ', "")).expect("hex");
            assert_eq!(*command.encode(), bytes);
            assert_eq!(Command::parse(&bytes), Ok(command));
        }
    }

    proptest! {
        #[test]
        fn an_encoded_command_is_decoded(data in proptest::collection::vec(any::<u8>(), 0..2000), le in prop_oneof![
            Just(None), Just(Some(Le::Short)), Just(Some(Le::Extended)), (1u8..).prop_map(|n| Some(Le::Exactly(n)))]) {
            let mut command = Command::new(0x80, 0x68, 1, 0x70).with_data(data);
            command.le = le;
            let again = Command::parse(&command.encode()).expect("decodes");
            prop_assert_eq!(&again.data, &command.data);
            // In an extended APDU a short `Le` becomes an extended one of the same size.
            prop_assert_eq!(again.le.map(Le::bytes), command.le.map(Le::bytes));
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Command::parse(&bytes);
            let _ = Response::parse(&bytes);
        }
    }
}
