//! Files on the card: READ and UPDATE BINARY with odd instruction, ENUMERATE, DELETE.

use countersign_cvc::{
    DeviceChain,
    tlv::{self, Tag, TlvWriter, encode},
};

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, Response, StatusWord},
    error::CardError,
};

/// Device and issuer certificate.
const DEVICE_CERTIFICATES: u16 = 0x2F02;
/// Label and the like.
const TOKEN_INFO: u16 = 0x2F03;
/// Where command data goes that is too long for one APDU.
const TRANSFER_BUFFER: u16 = 0x2F10;
const OFFSET: Tag = Tag(0x54);
const DATA: Tag = Tag(0x53);
/// No file on such a card is longer.
const LONGEST: usize = 0x7FFF;

/// What a device tells of itself; whoever is logged in can change it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenInfo {
    /// Manufacturer.
    pub manufacturer: Option<String>,
    /// Label.
    pub label: Option<String>,
}

impl SmartCardHsm {
    /// The device's certificates; verify them before anything else.
    ///
    /// # Errors
    /// Card or certificates.
    pub fn device_chain(&mut self) -> Result<DeviceChain, CardError> {
        let data = self
            .read_file(DEVICE_CERTIFICATES)?
            .ok_or_else(|| CardError::malformed("read certificates", "EF 2F02 is missing"))?;
        Ok(DeviceChain::from_ef(&data)?)
    }

    /// What the device tells of itself in TokenInfo (PKCS#15, section 6.9).
    ///
    /// # Errors
    /// The card's.
    pub fn token_info(&mut self) -> Result<TokenInfo, CardError> {
        let info = self.read_file(TOKEN_INFO)?.unwrap_or_default();
        let fields = tlv::parse_one(&info)
            .and_then(|(outer, _)| tlv::parse_all(outer.value))
            .unwrap_or_default();
        let text = |tag| {
            tlv::find(&fields, tag)
                .map(|field| String::from_utf8_lossy(field.value).into_owned())
                .filter(|text| !text.is_empty())
        };
        Ok(TokenInfo {
            manufacturer: text(Tag(0x0C)),
            label: text(Tag(0x80)),
        })
    }

    /// Reads a whole file; `None` if there is no such file.
    ///
    /// # Errors
    /// The card's.
    pub fn read_file(&mut self, file: u16) -> Result<Option<Vec<u8>>, CardError> {
        Ok(self.read_files(&[file])?.pop().flatten())
    }

    /// Reads whole files, in this order; `None` for each that does not exist.
    ///
    /// # Errors
    /// The card's.
    pub fn read_files(&mut self, files: &[u16]) -> Result<Vec<Option<Vec<u8>>>, CardError> {
        let mut readings: Vec<_> = files.iter().copied().map(Reading::new).collect();
        loop {
            let mut unfinished: Vec<_> =
                readings.iter_mut().filter(|file| file.has_more()).collect();
            if unfinished.is_empty() {
                break;
            }
            let commands: Vec<_> = unfinished.iter().map(|file| file.next_block()).collect();
            for (file, answer) in unfinished.iter_mut().zip(self.send_all(&commands)?) {
                file.take(answer)?;
            }
        }
        Ok(readings.into_iter().map(Reading::finish).collect())
    }

    /// Replaces a file's content.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`], or the card's.
    pub fn write_file(&mut self, file: u16, content: &[u8]) -> Result<(), CardError> {
        // Writing at the beginning may leave the tail of a longer former content.
        self.delete_file(file)?;
        self.update_file(file, content)
    }

    fn update_file(&mut self, file: u16, content: &[u8]) -> Result<(), CardError> {
        let [high, low] = file.to_be_bytes();
        let block = self.max_command_data().min(240);
        let mut offset = 0;
        for chunk in content.chunks(block) {
            let data = TlvWriter::new()
                .with(
                    OFFSET,
                    &u16::try_from(offset).unwrap_or(u16::MAX).to_be_bytes(),
                )
                .with(DATA, chunk)
                .finish();
            self.demand(
                "write a file",
                &Command::new(0x00, 0xD7, high, low).with_data(data),
            )?;
            offset += chunk.len();
        }
        Ok(())
    }

    /// Deletes a file or key object; one that is not there is fine.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`], or the card's.
    pub fn delete_file(&mut self, file: u16) -> Result<(), CardError> {
        let command = Command::new(0x00, 0xE4, 0x02, 0x00).with_data(file.to_be_bytes());
        match self.send(&command)?.sw {
            StatusWord::OK | StatusWord::FILE_NOT_FOUND => Ok(()),
            sw @ StatusWord::NOT_AUTHENTICATED => Err(CardError::NotAuthenticated(sw)),
            sw => Err(CardError::Refused {
                what: "delete a file",
                sw,
            }),
        }
    }

    /// Identifiers of all keys and files.
    ///
    /// # Errors
    /// The card's.
    pub fn enumerate(&mut self) -> Result<Vec<u16>, CardError> {
        let command = Command::new(0x80, 0x58, 0x00, 0x00);
        let list = match self.send(&command.clone().with_le(Le::Extended))? {
            response if response.sw == StatusWord::WRONG_LENGTH => {
                self.demand("list its files", &command.with_le(Le::Short))?
            }
            response if response.sw.is_ok() => response.data,
            response => {
                return Err(CardError::Refused {
                    what: "list its files",
                    sw: response.sw,
                });
            }
        };
        Ok(list
            .as_chunks::<2>()
            .0
            .iter()
            .map(|id| u16::from_be_bytes(*id))
            .collect())
    }

    /// Puts command data that is too long for one APDU into the transfer buffer.
    pub(super) fn fill_transfer_buffer(&mut self, data: &[u8]) -> Result<(), CardError> {
        self.update_file(TRANSFER_BUFFER, data)
    }
}

/// A file that is being read, block by block.
struct Reading {
    file: u16,
    content: Vec<u8>,
    stands: Stands,
}

enum Stands {
    More,
    Done,
    NoFile,
}

impl Reading {
    fn new(file: u16) -> Self {
        Self {
            file,
            content: Vec::new(),
            stands: Stands::More,
        }
    }

    fn has_more(&self) -> bool {
        matches!(self.stands, Stands::More) && self.content.len() < LONGEST
    }

    /// Short blocks: every reader carries them, and every card keeps to them.
    fn next_block(&self) -> Command {
        let offset = u16::try_from(self.content.len()).unwrap_or(u16::MAX);
        let [high, low] = self.file.to_be_bytes();
        Command::new(0x00, 0xB1, high, low)
            .with_data(encode(OFFSET, &offset.to_be_bytes()))
            .with_le(Le::Short)
    }

    fn take(&mut self, Response { mut data, sw }: Response) -> Result<(), CardError> {
        self.stands = match sw {
            StatusWord::OK if !data.is_empty() => Stands::More,
            // An empty answer; or the offset is at or behind the end.
            StatusWord::OK | StatusWord::END_OF_FILE | StatusWord::WRONG_PARAMETERS => Stands::Done,
            StatusWord::FILE_NOT_FOUND => Stands::NoFile,
            StatusWord::NOT_AUTHENTICATED => return Err(CardError::NotAuthenticated(sw)),
            sw => {
                return Err(CardError::Refused {
                    what: "read a file",
                    sw,
                });
            }
        };
        self.content.append(&mut data);
        Ok(())
    }

    fn finish(self) -> Option<Vec<u8>> {
        match self.stands {
            Stands::NoFile => None,
            Stands::More | Stands::Done => Some(self.content),
        }
    }
}
