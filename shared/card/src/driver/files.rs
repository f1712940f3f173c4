//! Files on the card: READ BINARY and UPDATE BINARY with odd instruction byte, ENUMERATE OBJECTS, DELETE FILE.

use countersign_cvc::{
    DeviceChain,
    tlv::{self, Tag, TlvWriter, encode},
};

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, Response, StatusWord},
    error::CardError,
};

/// File with the certificates of the device and its issuer.
const DEVICE_CERTIFICATES: u16 = 0x2F02;
/// File with the PKCS#15 TokenInfo.
const TOKEN_INFO: u16 = 0x2F03;
/// Buffer for command data that is too long for one APDU.
const TRANSFER_BUFFER: u16 = 0x2F10;
const LISTING: &str = "listing of files";
const OFFSET: Tag = Tag(0x54);
const DATA: Tag = Tag(0x53);
/// Longest file on a SmartCard-HSM, in bytes.
const MAX_FILE_LENGTH: usize = 0x7FFF;
/// Longest content of the file with the device certificates, in bytes. It is read before the device is verified.
const MAX_CERTIFICATES_LENGTH: usize = 8192;
/// Longest content of the TokenInfo file, in bytes.
const MAX_TOKEN_INFO_LENGTH: usize = 1024;
/// Shortest block, in bytes, that a card may send on average. It limits the number of commands that read one file.
const MIN_BLOCK: usize = 32;
/// Most keys and files on a card: a SmartCard-HSM has 256 key references and a few files for each.
const MAX_OBJECTS: usize = 4096;
const READING: &str = "reading of a file";

/// Names that a device stores about itself (PKCS#15, section 6.9). They prove nothing, because any logged-in program can
/// change them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenInfo {
    /// Name of the manufacturer.
    pub manufacturer: Option<String>,
    /// Label of the device.
    pub label: Option<String>,
}

impl SmartCardHsm {
    /// Reads the certificates of the device and its issuer, which are not verified yet.
    ///
    /// # Errors
    /// [`CardError::Chain`] if the certificates cannot be read; [`CardError::Malformed`] if the card has none.
    pub fn device_chain(&mut self) -> Result<DeviceChain, CardError> {
        let data = self
            .read_short_file(DEVICE_CERTIFICATES, MAX_CERTIFICATES_LENGTH)?
            .ok_or_else(|| {
                CardError::malformed("reading of certificates", "the file 2F02 does not exist")
            })?;
        Ok(DeviceChain::from_ef(&data)?)
    }

    /// Reads the TokenInfo (PKCS#15, section 6.9). A missing or malformed file gives no names.
    ///
    /// # Errors
    /// The connection to the card is lost, or the card refuses the command.
    pub fn token_info(&mut self) -> Result<TokenInfo, CardError> {
        let info = self
            .read_short_file(TOKEN_INFO, MAX_TOKEN_INFO_LENGTH)?
            .unwrap_or_default();
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

    /// Reads a whole file; `None` if it does not exist.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] for a private file on a locked card.
    pub fn read_file(&mut self, file: u16) -> Result<Option<Vec<u8>>, CardError> {
        Ok(self.read_files(&[file])?.pop().flatten())
    }

    /// Reads whole files, and returns their contents in the same order; `None` for each file that does not exist.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] for a private file on a locked card.
    pub fn read_files(&mut self, files: &[u16]) -> Result<Vec<Option<Vec<u8>>>, CardError> {
        let readings = files
            .iter()
            .map(|file| Reading::new(*file, MAX_FILE_LENGTH));
        self.complete(readings.collect())
    }

    /// Reads a file that has at most `limit` bytes.
    fn read_short_file(&mut self, file: u16, limit: usize) -> Result<Option<Vec<u8>>, CardError> {
        let mut contents = self.complete(vec![Reading::new(file, limit)])?;
        Ok(contents.pop().flatten())
    }

    fn complete(&mut self, mut readings: Vec<Reading>) -> Result<Vec<Option<Vec<u8>>>, CardError> {
        loop {
            let mut unfinished: Vec<_> =
                readings.iter_mut().filter(|file| file.has_more()).collect();
            if unfinished.is_empty() {
                break;
            }
            let commands: Vec<_> = unfinished.iter().map(|file| file.next_block()).collect();
            for (file, answer) in unfinished.iter_mut().zip(self.send_all(&commands)?) {
                file.add(answer)?;
            }
        }
        Ok(readings.into_iter().map(Reading::finish).collect())
    }

    /// Replaces the content of a file, or creates the file.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] on a locked card.
    pub fn write_file(&mut self, file: u16, content: &[u8]) -> Result<(), CardError> {
        // Without the deletion, the tail of a longer old content could remain.
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
            self.send_checked(
                "writing of a file",
                &Command::new(0x00, 0xD7, high, low).with_data(data),
            )?;
            offset += chunk.len();
        }
        Ok(())
    }

    /// Deletes a file or key object. It is not an error if the object does not exist.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] on a locked card.
    pub fn delete_file(&mut self, file: u16) -> Result<(), CardError> {
        let command = Command::new(0x00, 0xE4, 0x02, 0x00).with_data(file.to_be_bytes());
        match self.send(&command)?.sw {
            StatusWord::OK | StatusWord::FILE_NOT_FOUND => Ok(()),
            sw @ StatusWord::NOT_AUTHENTICATED => Err(CardError::NotAuthenticated(sw)),
            sw => Err(CardError::Refused {
                what: "deletion of a file",
                sw,
            }),
        }
    }

    /// Lists the identifiers of all keys and files.
    ///
    /// # Errors
    /// The connection to the card is lost, or the card refuses the command.
    pub fn enumerate(&mut self) -> Result<Vec<u16>, CardError> {
        let command = Command::new(0x80, 0x58, 0x00, 0x00);
        let list = match self.send(&command.clone().with_le(Le::Extended))? {
            response if response.sw == StatusWord::WRONG_LENGTH => {
                self.send_checked(LISTING, &command.with_le(Le::Short))?
            }
            response if response.sw.is_ok() => response.data,
            response => {
                return Err(CardError::Refused {
                    what: LISTING,
                    sw: response.sw,
                });
            }
        };
        let (ids, _) = list.as_chunks::<2>();
        if ids.len() > MAX_OBJECTS {
            return Err(CardError::malformed(
                LISTING,
                format!(
                    "the card lists {} objects, more than {MAX_OBJECTS}",
                    ids.len()
                ),
            ));
        }
        Ok(ids.iter().map(|id| u16::from_be_bytes(*id)).collect())
    }

    /// Writes command data that is too long for one APDU to the transfer buffer.
    pub(super) fn fill_transfer_buffer(&mut self, data: &[u8]) -> Result<(), CardError> {
        self.update_file(TRANSFER_BUFFER, data)
    }
}

/// A file that is read block by block.
struct Reading {
    file: u16,
    content: Vec<u8>,
    /// Longest content, in bytes.
    limit: usize,
    /// Number of blocks that were read.
    blocks: usize,
    progress: Progress,
}

enum Progress {
    Unfinished,
    Complete,
    NoFile,
}

impl Reading {
    fn new(file: u16, limit: usize) -> Self {
        Self {
            file,
            content: Vec::new(),
            limit,
            blocks: 0,
            progress: Progress::Unfinished,
        }
    }

    fn has_more(&self) -> bool {
        matches!(self.progress, Progress::Unfinished) && self.content.len() < MAX_FILE_LENGTH
    }

    /// Requests a short block, which every reader and every card supports.
    fn next_block(&self) -> Command {
        let offset = u16::try_from(self.content.len()).unwrap_or(u16::MAX);
        let [high, low] = self.file.to_be_bytes();
        Command::new(0x00, 0xB1, high, low)
            .with_data(encode(OFFSET, &offset.to_be_bytes()))
            .with_le(Le::Short)
    }

    fn add(&mut self, Response { mut data, sw }: Response) -> Result<(), CardError> {
        self.progress = match sw {
            StatusWord::OK if !data.is_empty() => Progress::Unfinished,
            // The response is empty, or the offset is at or after the end of the file.
            StatusWord::OK | StatusWord::END_OF_FILE | StatusWord::WRONG_PARAMETERS => {
                Progress::Complete
            }
            StatusWord::FILE_NOT_FOUND => Progress::NoFile,
            StatusWord::NOT_AUTHENTICATED => return Err(CardError::NotAuthenticated(sw)),
            sw => return Err(CardError::Refused { what: READING, sw }),
        };
        self.content.append(&mut data);
        self.blocks += 1;
        if self.content.len() > self.limit {
            return Err(CardError::malformed(
                READING,
                format!("the file is longer than {} bytes", self.limit),
            ));
        }
        if self.has_more() && self.blocks > self.limit / MIN_BLOCK {
            return Err(CardError::malformed(
                READING,
                format!(
                    "the card has sent only {} bytes in {} blocks, and the file does not end",
                    self.content.len(),
                    self.blocks
                ),
            ));
        }
        Ok(())
    }

    fn finish(self) -> Option<Vec<u8>> {
        match self.progress {
            Progress::NoFile => None,
            Progress::Unfinished | Progress::Complete => Some(self.content),
        }
    }
}
