//! WRAP KEY and UNWRAP KEY: export and import of encrypted keys between devices that share a key domain.

use countersign_cvc::tlv::{self, Tag, TlvWriter};

use super::{
    SmartCardHsm,
    key_domains::domain_answer,
    keys::{CERTIFICATE, PRIVATE_KEY_DESCRIPTION},
};
use crate::{
    apdu::{Command, Le, StatusWord},
    error::CardError,
};

const WRAP: u8 = 0x92;
const UNWRAP: u8 = 0x93;

/// An encrypted key for import into another device, with the description and certificate by which other software finds the
/// key. Without the DKEK the key cannot be decrypted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WrappedKey {
    /// Key that the device has encrypted and authenticated.
    pub key: Vec<u8>,
    /// PKCS#15 description with label and identifier.
    pub description: Vec<u8>,
    /// Request or certificate of the key; empty if the device has none.
    pub certificate: Vec<u8>,
}

impl WrappedKey {
    /// Reads a file of `sc-hsm-tool --wrap-key`: `30 { 04 key, description, certificate }`.
    ///
    /// # Errors
    /// [`CardError::Malformed`] if the file does not have this form.
    pub fn parse(file: &[u8]) -> Result<Self, CardError> {
        let outer = tlv::parse_one(file)?.0;
        match tlv::parse_all(outer.value)?.as_slice() {
            [key, description, rest @ ..]
                if outer.tag == Tag::SEQUENCE && key.tag == Tag(0x04) && rest.len() <= 1 =>
            {
                Ok(Self {
                    key: key.value.to_vec(),
                    description: description.raw.to_vec(),
                    certificate: rest.iter().flat_map(|object| object.raw).copied().collect(),
                })
            }
            _ => Err(CardError::Malformed {
                what: "a wrapped key",
                why: "expected a file of `sc-hsm-tool --wrap-key`".into(),
            }),
        }
    }

    /// Writes a file for `sc-hsm-tool --unwrap-key`.
    pub fn encode(&self) -> Vec<u8> {
        TlvWriter::new()
            .with(Tag(0x04), &self.key)
            .with_raw(&self.description)
            .with_raw(&self.certificate)
            .wrap(Tag::SEQUENCE)
    }
}

impl SmartCardHsm {
    /// Exports an encrypted copy of a key for devices with the same DKEK.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] on a locked card; [`CardError::NoKeyDomain`] if the device has no key domains;
    /// [`CardError::NoSuchKey`] if the key does not exist; [`CardError::AlgorithmNotAllowed`] if the key does not allow
    /// copies.
    pub fn wrap_key(&mut self, reference: u8) -> Result<WrappedKey, CardError> {
        let command = Command::new(0x80, 0x72, reference, WRAP).with_le(Le::Extended);
        let response = self.send(&command)?;
        let key = match response.sw {
            StatusWord::FILE_NOT_FOUND | StatusWord::REFERENCE_NOT_FOUND => {
                return Err(CardError::NoSuchKey);
            }
            StatusWord::NOT_SUPPORTED => return Err(CardError::AlgorithmNotAllowed),
            _ => domain_answer("export of a key", response)?,
        };
        let number = u16::from(reference);
        // Only the first object is copied, because a rewritten file can still contain the tail of its old content.
        let first = |content: Option<Vec<u8>>| {
            let content = content.unwrap_or_default();
            tlv::parse_one(&content).map_or(Vec::new(), |(object, _)| object.raw.to_vec())
        };
        Ok(WrappedKey {
            key,
            description: first(self.read_file(PRIVATE_KEY_DESCRIPTION | number)?),
            certificate: first(self.read_file(CERTIFICATE | number)?),
        })
    }

    /// Imports an encrypted copy of a key and returns its new reference. Label and public key come from the file: only a
    /// signature proves that they belong to the key.
    ///
    /// # Errors
    /// [`CardError::WrongDkek`] if the device has another DKEK or the copy is damaged; [`CardError::NotAuthenticated`] on a
    /// locked card; [`CardError::NoKeyDomain`] if the device has no key domains; [`CardError::Full`] if it has no space.
    pub fn unwrap_key(&mut self, wrapped: &WrappedKey) -> Result<u8, CardError> {
        let reference = self.free_key_reference()?;
        let command = Command::new(0x80, 0x74, reference, UNWRAP);
        let command = if wrapped.key.len() > self.max_command_data() {
            self.fill_transfer_buffer(&wrapped.key)?;
            command
        } else {
            command.with_data(wrapped.key.as_slice())
        };
        let response = self.send(&command)?;
        match response.sw {
            StatusWord::WRONG_DATA => return Err(CardError::WrongDkek),
            StatusWord::NO_SPACE => return Err(CardError::Full),
            _ => domain_answer("import of a key", response)?,
        };
        if let Err(error) = self.describe_copy(reference, wrapped) {
            // A key without a description could not be identified later, so it is deleted.
            let _ = self.delete_key(reference);
            return Err(error);
        }
        Ok(reference)
    }

    fn describe_copy(&mut self, reference: u8, wrapped: &WrappedKey) -> Result<(), CardError> {
        for (file, content) in [
            (PRIVATE_KEY_DESCRIPTION, &wrapped.description),
            (CERTIFICATE, &wrapped.certificate),
        ] {
            if !content.is_empty() {
                self.write_file(file | u16::from(reference), content)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_match_those_of_other_software() {
        let wrapped = WrappedKey {
            key: hex!("0102").to_vec(),
            description: hex!("A000").to_vec(),
            certificate: hex!("6700").to_vec(),
        };
        assert_eq!(wrapped.encode(), hex!("3008 04020102 A000 6700"));
        assert_eq!(WrappedKey::parse(&wrapped.encode()), Ok(wrapped));
    }

    #[test]
    fn a_key_without_a_certificate_is_read() {
        let wrapped = WrappedKey::parse(&hex!("3006 04020102 A800")).expect("reads");
        assert!(wrapped.certificate.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = WrappedKey::parse(&bytes);
        }
    }
}
