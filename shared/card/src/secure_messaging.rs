//! Chip authentication version 2 and secure messaging with AES-128 (BSI TR-03110-3; ISO/IEC 7816-4, section 10).

use aes::cipher::{
    BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, KeyInit, KeyIvInit,
    block_padding::Iso7816,
};
use cmac::{Cmac, Mac};
use countersign_cvc::{
    EcPublicKey, EcSecretKey,
    tlv::{self, Tag, TlvWriter},
};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::apdu::{Command, Le, Response, StatusWord};

/// id-CA-ECDH-AES-CBC-CMAC-128, 0.4.0.127.0.7.2.2.3.2.2.
pub const CA_ECDH_AES_128: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x03, 0x02, 0x02];

const DATA_EVEN: Tag = Tag(0x87);
const DATA_ODD: Tag = Tag(0x85);
const EXPECTED: Tag = Tag(0x97);
const STATUS: Tag = Tag(0x99);
const CHECKSUM: Tag = Tag(0x8E);
const DYNAMIC_AUTHENTICATION_DATA: Tag = Tag(0x7C);
const BLOCK: usize = 16;
/// Class bits of a protected command whose header is authenticated.
const PROTECTED: u8 = 0x0C;

/// A protected message was not accepted: it is malformed, or its checksum is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message is not protected with the keys of this secure channel")]
pub struct NotAuthentic;

/// Keys and send sequence counter of a secure channel. Every command and every response increases the counter by one.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Channel {
    encryption: [u8; 16],
    authentication: [u8; 16],
    counter: u128,
}

impl Channel {
    /// Derives the session keys from the shared secret and the card's nonce (BSI TR-03110-3, section A.2.3).
    pub fn derive(secret: &[u8], nonce: &[u8]) -> Self {
        let derive = |number: u8| {
            let digest = Sha1::new()
                .chain_update(secret)
                .chain_update(nonce)
                .chain_update([0, 0, 0, number])
                .finalize();
            let mut key = [0; 16];
            key.copy_from_slice(&digest[..16]);
            key
        };
        Self {
            encryption: derive(1),
            authentication: derive(2),
            counter: 0,
        }
    }

    /// Authentication token of 8 bytes over the host's ephemeral point, with which the card proves that it knows the keys.
    pub fn token(&self, ephemeral: &EcPublicKey) -> [u8; 8] {
        let message = TlvWriter::new()
            .with(Tag(0x06), &CA_ECDH_AES_128)
            .with(Tag(0x86), ephemeral.point())
            .wrap(Tag(0x7F49));
        self.mac(&message)
    }

    fn mac(&self, message: &[u8]) -> [u8; 8] {
        let mut mac = <Cmac<aes::Aes128> as KeyInit>::new(&self.authentication.into());
        mac.update(message);
        let mut out = [0; 8];
        out.copy_from_slice(&mac.finalize().into_bytes()[..8]);
        out
    }

    fn iv(&self) -> [u8; BLOCK] {
        let mut block = self.counter.to_be_bytes().into();
        aes::Aes128::new(&self.encryption.into()).encrypt_block(&mut block);
        block.into()
    }

    fn encrypt(&self, plain: &[u8]) -> Vec<u8> {
        // The plain text can be a PIN, so it is padded and encrypted in one buffer that never grows.
        let length = (plain.len() + 1).next_multiple_of(BLOCK);
        let mut buffer = Zeroizing::new(Vec::with_capacity(length));
        buffer.extend_from_slice(plain);
        pad(&mut buffer);
        let (blocks, _) = aes::Block::slice_as_chunks_mut(&mut buffer);
        cbc::Encryptor::<aes::Aes128>::new(&self.encryption.into(), &self.iv().into())
            .encrypt_blocks(blocks);
        std::mem::take(&mut *buffer)
    }

    fn decrypt(&self, cipher: &[u8]) -> Result<Vec<u8>, NotAuthentic> {
        cbc::Decryptor::<aes::Aes128>::new(&self.encryption.into(), &self.iv().into())
            .decrypt_padded_vec::<Iso7816>(cipher)
            .map_err(|_| NotAuthentic)
    }

    fn data_object(&self, odd: bool, plain: &[u8]) -> Vec<u8> {
        let cipher = self.encrypt(plain);
        if odd {
            tlv::encode(DATA_ODD, &cipher)
        } else {
            tlv::encode(DATA_EVEN, &[&[1], cipher.as_slice()].concat())
        }
    }

    fn open_data_object(&self, object: &tlv::Tlv<'_>) -> Result<Vec<u8>, NotAuthentic> {
        match (object.tag, object.value) {
            (DATA_EVEN, [1, cipher @ ..]) | (DATA_ODD, cipher) => self.decrypt(cipher),
            _ => Err(NotAuthentic),
        }
    }

    fn command_mac(&self, command: &Command, objects: &[u8]) -> [u8; 8] {
        let mut message = self.counter.to_be_bytes().to_vec();
        message.extend([command.cla | PROTECTED, command.ins, command.p1, command.p2]);
        pad(&mut message);
        if !objects.is_empty() {
            message.extend_from_slice(objects);
            pad(&mut message);
        }
        self.mac(&message)
    }

    fn response_mac(&self, objects: &[u8]) -> [u8; 8] {
        let mut message = self.counter.to_be_bytes().to_vec();
        message.extend_from_slice(objects);
        pad(&mut message);
        self.mac(&message)
    }

    /// Host: protects a command. The result does not contain the plain command data.
    pub fn protect_command(&mut self, command: &Command) -> Command {
        self.counter = self.counter.wrapping_add(1);
        let mut objects = Vec::new();
        if !command.data.is_empty() {
            objects = self.data_object(command.ins & 1 == 1, &command.data);
        }
        if let Some(le) = command.le {
            let count = u16::try_from(le.bytes()).unwrap_or(0).to_be_bytes();
            let expected = match le {
                Le::Short => &[0][..],
                Le::Exactly(_) => &count[1..],
                Le::Extended | Le::ExactlyExtended(_) => &count,
            };
            objects.extend(tlv::encode(EXPECTED, expected));
        }
        let mac = self.command_mac(command, &objects);
        objects.extend(tlv::encode(CHECKSUM, &mac));
        let extended = objects.len() > 255
            || matches!(command.le, Some(Le::Extended | Le::ExactlyExtended(_)));
        Command {
            cla: command.cla | PROTECTED,
            data: objects,
            le: Some(if extended { Le::Extended } else { Le::Short }),
            ..*command
        }
    }

    /// Host: verifies and decrypts a response.
    ///
    /// # Errors
    /// [`NotAuthentic`] if the response is not authentic. The channel must not be used afterwards.
    pub fn open_response(&mut self, data: &[u8]) -> Result<Response, NotAuthentic> {
        self.counter = self.counter.wrapping_add(1);
        let objects = tlv::parse_all(data).map_err(|_| NotAuthentic)?;
        let (checksum, covered) = objects.split_last().ok_or(NotAuthentic)?;
        let message: Vec<u8> = covered
            .iter()
            .flat_map(|object| object.raw.iter().copied())
            .collect();
        if checksum.tag != CHECKSUM || !same(&self.response_mac(&message), checksum.value) {
            return Err(NotAuthentic);
        }
        let status = tlv::find(covered, STATUS).ok_or(NotAuthentic)?;
        let sw: [u8; 2] = status.value.try_into().map_err(|_| NotAuthentic)?;
        let data = match covered
            .iter()
            .find(|object| matches!(object.tag, DATA_EVEN | DATA_ODD))
        {
            Some(object) => self.open_data_object(object)?,
            None => Vec::new(),
        };
        Ok(Response {
            data,
            sw: StatusWord(u16::from_be_bytes(sw)),
        })
    }

    /// Host: protects commands that are all sent before the first response is opened; see [`Self::open_responses`].
    pub fn protect_commands(&mut self, commands: &[Command]) -> Vec<Command> {
        let start = self.counter;
        let protected = commands
            .iter()
            .map(|command| {
                let protected = self.protect_command(command);
                // Skips the counter of the response.
                self.counter = self.counter.wrapping_add(1);
                protected
            })
            .collect();
        self.counter = start;
        protected
    }

    /// Host: verifies and decrypts the responses to [`Self::protect_commands`], in the same order.
    ///
    /// # Errors
    /// [`NotAuthentic`] if a response is not authentic. The channel must not be used afterwards.
    pub fn open_responses(
        &mut self,
        responses: &[Response],
    ) -> Result<Vec<Response>, NotAuthentic> {
        responses
            .iter()
            .map(|response| {
                // Skips the counter of the command.
                self.counter = self.counter.wrapping_add(1);
                self.open_response(&response.data)
            })
            .collect()
    }

    /// Card: verifies and decrypts a command.
    ///
    /// # Errors
    /// [`NotAuthentic`] if the command is not authentic. The channel must not be used afterwards.
    pub fn open_command(&mut self, protected: &Command) -> Result<Command, NotAuthentic> {
        self.counter = self.counter.wrapping_add(1);
        let objects = tlv::parse_all(&protected.data).map_err(|_| NotAuthentic)?;
        let (checksum, covered) = objects.split_last().ok_or(NotAuthentic)?;
        let message: Vec<u8> = covered
            .iter()
            .flat_map(|object| object.raw.iter().copied())
            .collect();
        if checksum.tag != CHECKSUM || !same(&self.command_mac(protected, &message), checksum.value)
        {
            return Err(NotAuthentic);
        }
        let data = match covered
            .iter()
            .find(|object| matches!(object.tag, DATA_EVEN | DATA_ODD))
        {
            Some(object) => self.open_data_object(object)?,
            None => Vec::new(),
        };
        let le = match tlv::find(covered, EXPECTED).map(|object| object.value) {
            None => None,
            Some([0]) => Some(Le::Short),
            Some([count]) => Some(Le::Exactly(*count)),
            Some([0, 0]) => Some(Le::Extended),
            Some([high, low]) => Some(Le::ExactlyExtended(u16::from_be_bytes([*high, *low]))),
            Some(_) => return Err(NotAuthentic),
        };
        Ok(Command {
            cla: protected.cla & !PROTECTED,
            data,
            le,
            ..*protected
        })
    }

    /// Card: protects the response to a command with the instruction `ins`.
    pub fn protect_response(&mut self, ins: u8, response: &Response) -> Response {
        self.counter = self.counter.wrapping_add(1);
        let mut objects = Vec::new();
        if !response.data.is_empty() {
            objects = self.data_object(ins & 1 == 1, &response.data);
        }
        objects.extend(tlv::encode(STATUS, &response.sw.0.to_be_bytes()));
        let mac = self.response_mac(&objects);
        objects.extend(tlv::encode(CHECKSUM, &mac));
        Response {
            data: objects,
            sw: StatusWord::OK,
        }
    }
}

fn pad(message: &mut Vec<u8>) {
    message.push(0x80);
    message.resize(message.len().next_multiple_of(BLOCK), 0);
}

fn same(ours: &[u8], theirs: &[u8]) -> bool {
    ours.ct_eq(theirs).into()
}

/// Whether the class byte marks a command as protected.
pub const fn is_protected(command: &Command) -> bool {
    command.cla & PROTECTED == PROTECTED
}

/// Command data of GENERAL AUTHENTICATE, which contains the host's ephemeral point.
pub fn general_authenticate(ephemeral: &EcPublicKey) -> Vec<u8> {
    TlvWriter::new()
        .with(Tag(0x80), ephemeral.point())
        .wrap(DYNAMIC_AUTHENTICATION_DATA)
}

/// Host: derives the secure channel from the response to GENERAL AUTHENTICATE and verifies the card's authentication token.
///
/// # Errors
/// [`NotAuthentic`] if the response is malformed or the token is wrong.
pub fn establish(
    ephemeral: &EcSecretKey,
    device: &EcPublicKey,
    answer: &[u8],
) -> Result<Channel, NotAuthentic> {
    let outer = tlv::parse_exact(answer).map_err(|_| NotAuthentic)?;
    if outer.tag != DYNAMIC_AUTHENTICATION_DATA {
        return Err(NotAuthentic);
    }
    let objects = tlv::parse_all(outer.value).map_err(|_| NotAuthentic)?;
    let get = |tag| {
        tlv::find(&objects, Tag(tag))
            .map(|object| object.value)
            .ok_or(NotAuthentic)
    };
    let secret = ephemeral.ecdh(device).map_err(|_| NotAuthentic)?;
    let channel = Channel::derive(&secret, get(0x81)?);
    if same(&channel.token(ephemeral.ec_public_key()), get(0x82)?) {
        Ok(channel)
    } else {
        Err(NotAuthentic)
    }
}
