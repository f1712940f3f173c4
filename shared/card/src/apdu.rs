//! Command and response APDUs (ISO/IEC 7816-4).

/// Most response data that is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Le {
    /// As much as a short APDU carries: 256.
    Short,
    /// Exactly so many, 1 to 256, in a short APDU.
    Exactly(u8),
    /// As much as an extended APDU carries: 65536.
    Extended,
    /// Exactly so many, in an extended APDU.
    ExactlyExtended(u16),
}

impl Le {
    /// Number of bytes.
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

/// A command.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    /// Class.
    pub cla: u8,
    /// Instruction.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// Data.
    pub data: Vec<u8>,
    /// Wanted response length; `None`: no data is expected.
    pub le: Option<Le>,
}

/// Bytes that are no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not a command APDU")]
pub struct InvalidCommand;

impl Command {
    /// A command without data and answer.
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

    /// Adds data.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }

    /// Expects an answer.
    #[must_use]
    pub fn with_le(mut self, le: Le) -> Self {
        self.le = Some(le);
        self
    }

    /// Encodes; extended where data or wanted answer need it.
    pub fn encode(&self) -> Vec<u8> {
        let extended = self.data.len() > 255 || self.le.is_some_and(Le::is_extended);
        let mut out = vec![self.cla, self.ins, self.p1, self.p2];
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
                // 256 is written as 0.
                out.push(u8::try_from(le.bytes()).unwrap_or(0));
            }
        }
        out
    }

    /// Decodes.
    ///
    /// # Errors
    /// [`InvalidCommand`].
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

/// Header only: data may be a PIN.
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:02X} {:02X} {:02X} {:02X} ({} bytes)",
            self.cla,
            self.ins,
            self.p1,
            self.p2,
            self.data.len()
        )
    }
}

/// Status bytes of a response.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Done.
    pub const OK: Self = Self(0x9000);
    /// PKA slot is registered and authenticated.
    pub const SLOT_AUTHENTICATED: Self = Self(0x9001);
    /// End of file reached; normal.
    pub const END_OF_FILE: Self = Self(0x6282);
    /// Authentication failed; as PIN status: public key authentication is active.
    pub const AUTHENTICATION_FAILED: Self = Self(0x6300);
    /// Execution error.
    pub const EXECUTION_ERROR: Self = Self(0x6400);
    /// Wrong length.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// Secure messaging is not supported.
    pub const SM_UNSUPPORTED: Self = Self(0x6882);
    /// Not authenticated.
    pub const NOT_AUTHENTICATED: Self = Self(0x6982);
    /// PIN blocked.
    pub const BLOCKED: Self = Self(0x6983);
    /// Reference data not usable: transport PIN; key use counter exhausted.
    pub const NOT_USABLE: Self = Self(0x6984);
    /// Conditions not satisfied.
    pub const CONDITIONS: Self = Self(0x6985);
    /// Command not allowed.
    pub const NOT_ALLOWED: Self = Self(0x6986);
    /// Secure messaging object missing.
    pub const SM_MISSING: Self = Self(0x6987);
    /// Secure messaging object wrong.
    pub const SM_WRONG: Self = Self(0x6988);
    /// Wrong data.
    pub const WRONG_DATA: Self = Self(0x6A80);
    /// Function not supported; algorithm not allowed for the key.
    pub const NOT_SUPPORTED: Self = Self(0x6A81);
    /// File not found.
    pub const FILE_NOT_FOUND: Self = Self(0x6A82);
    /// No space.
    pub const NO_SPACE: Self = Self(0x6A84);
    /// There is one already.
    pub const FILE_EXISTS: Self = Self(0x6A89);
    /// Wrong P1 P2.
    pub const WRONG_P1P2: Self = Self(0x6A86);
    /// Reference not found.
    pub const REFERENCE_NOT_FOUND: Self = Self(0x6A88);
    /// Wrong parameters.
    pub const WRONG_PARAMETERS: Self = Self(0x6B00);
    /// Instruction unknown, or application not selected.
    pub const UNKNOWN_INSTRUCTION: Self = Self(0x6D00);
    /// Class not supported.
    pub const UNKNOWN_CLASS: Self = Self(0x6E00);
    /// Unspecified error.
    pub const ERROR: Self = Self(0x6F00);

    /// `63Cx`: tries left.
    pub const fn with_tries(tries: u8) -> Self {
        Self(0x63C0 | (tries as u16 & 0x0F))
    }

    /// Whether it is 9000.
    pub const fn is_ok(self) -> bool {
        self.0 == 0x9000
    }

    /// Tries left, if this is `63Cx`.
    pub const fn tries(self) -> Option<u8> {
        if self.0 & 0xFFF0 == 0x63C0 {
            Some((self.0 & 0x0F) as u8)
        } else {
            None
        }
    }

    const fn meaning(self) -> &'static str {
        match self.0 {
            0x9000 | 0x9001 => "done",
            0x6282 => "end of file",
            0x6300 => "authentication failed",
            0x63C0..=0x63CF => "PIN not verified",
            0x6400 | 0x6581 | 0x6F00 => "error in the card",
            0x6700 => "wrong length",
            0x6882 | 0x6987 | 0x6988 => "secure messaging refused",
            0x6982 => "not authenticated",
            0x6983 => "PIN blocked",
            0x6984 => "not usable",
            0x6985 => "conditions not satisfied",
            0x6986 => "not allowed",
            0x6A80 => "wrong data",
            0x6A81 => "not supported",
            0x6A82 => "file not found",
            0x6A84 => "no space left",
            0x6A86 | 0x6B00 => "wrong parameters",
            0x6A88 => "not found",
            0x6A89 => "exists already, or is in use",
            0x6D00 | 0x6E00 => "command unknown",
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

/// A response.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Response {
    /// Data.
    pub data: Vec<u8>,
    /// Status.
    pub sw: StatusWord,
}

impl Response {
    /// Splits data and status.
    ///
    /// # Errors
    /// Fewer than two bytes: `None`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (data, sw) = bytes.split_last_chunk::<2>()?;
        Some(Self {
            data: data.to_vec(),
            sw: StatusWord(u16::from_be_bytes(*sw)),
        })
    }

    /// Data and status bytes.
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
    fn the_four_cases_in_both_lengths() {
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
            assert_eq!(command.encode(), bytes);
            assert_eq!(Command::parse(&bytes), Ok(command));
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(data in proptest::collection::vec(any::<u8>(), 0..2000), le in prop_oneof![
            Just(None), Just(Some(Le::Short)), Just(Some(Le::Extended)), (1u8..).prop_map(|n| Some(Le::Exactly(n)))]) {
            let mut command = Command::new(0x80, 0x68, 1, 0x70).with_data(data);
            command.le = le;
            let again = Command::parse(&command.encode()).expect("decodes");
            prop_assert_eq!(&again.data, &command.data);
            // In an extended APDU a short wish becomes an extended one of the same size.
            prop_assert_eq!(again.le.map(Le::bytes), command.le.map(Le::bytes));
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Command::parse(&bytes);
            let _ = Response::parse(&bytes);
        }
    }
}
