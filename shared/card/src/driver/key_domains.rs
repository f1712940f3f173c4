//! MANAGE KEY DOMAIN: key domains decide to which other devices keys can be copied.
//!
//! Keys of a domain can be copied between devices whose domains have the same key encryption key. That key is the XOR of its
//! shares (DKEK), or the devices agree on it (XKEK). A device reports its check value.

use zeroize::Zeroizing;

use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, Response, StatusWord},
    error::CardError,
};

const MANAGE: u8 = 0x52;
const STATUS_OR_SHARE: u8 = 0x00;
const CREATE: u8 = 0x01;
const DELETE: u8 = 0x03;
const KCV: usize = 8;

/// A key domain of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyDomain {
    /// Slot of the domain in this device. The same domain can be in another slot of another device.
    pub index: u8,
    /// Number of shares of the domain's key; 0 if the device generated the key or has none.
    pub total: u8,
    /// Number of shares that have not been imported yet.
    pub outstanding: u8,
    /// Key check value of a complete key. Domains with equal values have the same key.
    pub kcv: Option<[u8; KCV]>,
    /// Unique identifier of a domain on whose key devices have agreed (XKEK).
    pub uid: Option<Vec<u8>>,
}

impl KeyDomain {
    fn parse(index: u8, answer: &[u8]) -> Result<Self, CardError> {
        let [total, outstanding, rest @ ..] = answer else {
            return Err(CardError::malformed(STATUS, "the response is too short"));
        };
        let (kcv, uid) = rest
            .split_first_chunk::<KCV>()
            .ok_or_else(|| CardError::malformed(STATUS, "the response is too short"))?;
        Ok(Self {
            index,
            total: *total,
            outstanding: *outstanding,
            kcv: Some(*kcv).filter(|kcv| *outstanding == 0 && *kcv != [0; KCV]),
            uid: (!uid.is_empty()).then(|| uid.to_vec()),
        })
    }
}

const STATUS: &str = "status of a key domain";

/// One share of a domain's key. All shares together with a wrapped key reveal the key.
pub struct DkekShare(Zeroizing<[u8; 32]>);

impl DkekShare {
    /// Creates a share from its 32 bytes, which are wiped when it is dropped.
    pub fn new(share: [u8; 32]) -> Self {
        Self(Zeroizing::new(share))
    }
}

impl SmartCardHsm {
    /// Lists the key domains without empty slots. The list is empty if keys never leave the device.
    ///
    /// # Errors
    /// The connection to the card is lost, or an answer is malformed.
    pub fn key_domains(&mut self) -> Result<Vec<KeyDomain>, CardError> {
        let mut domains = Vec::new();
        for index in 0..=u8::MAX {
            let command = Command::new(0x80, MANAGE, STATUS_OR_SHARE, index).with_le(Le::Short);
            let Response { data, sw } = self.send(&command)?;
            match sw {
                StatusWord::OK => domains.push(KeyDomain::parse(index, &data)?),
                StatusWord::REFERENCE_NOT_FOUND => {}
                // After the last slot; or the device has no domains and therefore no such command.
                StatusWord::WRONG_P1P2
                | StatusWord::WRONG_PARAMETERS
                | StatusWord::UNKNOWN_INSTRUCTION
                | StatusWord::UNKNOWN_CLASS => break,
                sw => return Err(CardError::Refused { what: STATUS, sw }),
            }
        }
        Ok(domains)
    }

    /// Adds a share to a domain's key. Some devices require a login for domains other than the first.
    ///
    /// # Errors
    /// [`CardError::NoKeyDomain`] if the device has no domains; [`CardError::Refused`] if no share is missing.
    pub fn import_dkek_share(
        &mut self,
        index: u8,
        share: &DkekShare,
    ) -> Result<KeyDomain, CardError> {
        let command = Command::new(0x80, MANAGE, STATUS_OR_SHARE, index)
            .with_data(share.0.as_slice())
            .with_le(Le::Short);
        let answer = domain_answer("import of a DKEK share", self.send(&command)?)?;
        KeyDomain::parse(index, &answer)
    }

    /// Creates a domain in an empty slot. Its key will have `shares` shares.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] on a locked card; [`CardError::NoKeyDomain`] if the device has no domains;
    /// [`CardError::Refused`] if the slot is taken or does not exist.
    pub fn create_key_domain(&mut self, index: u8, shares: u8) -> Result<KeyDomain, CardError> {
        let command = Command::new(0x80, MANAGE, CREATE, index)
            .with_data([shares])
            .with_le(Le::Short);
        let answer = domain_answer("creation of a key domain", self.send(&command)?)?;
        KeyDomain::parse(index, &answer)
    }

    /// Deletes a domain that contains no keys.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] on a locked card; [`CardError::Refused`] if the domain contains keys.
    pub fn delete_key_domain(&mut self, index: u8) -> Result<(), CardError> {
        let command = Command::new(0x80, MANAGE, DELETE, index).with_le(Le::Short);
        let response = self.send(&command)?;
        match response.sw {
            // The card reports the state after the deletion: the slot is empty.
            StatusWord::REFERENCE_NOT_FOUND => Ok(()),
            _ => domain_answer("deletion of a key domain", response).map(|_| ()),
        }
    }
}

/// Response data of a command that requires a key domain. All these commands use the same status words for their errors.
pub(super) fn domain_answer(
    what: &'static str,
    Response { data, sw }: Response,
) -> Result<Vec<u8>, CardError> {
    match sw {
        StatusWord::OK => Ok(data),
        // 6400: the key store is locked although the quorum has authenticated.
        StatusWord::NOT_AUTHENTICATED | StatusWord::EXECUTION_ERROR => {
            Err(CardError::NotAuthenticated(sw))
        }
        StatusWord::UNKNOWN_INSTRUCTION => Err(CardError::NoKeyDomain),
        sw => Err(CardError::Refused { what, sw }),
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn a_check_value_is_read_once_all_shares_are_imported() {
        let missing = KeyDomain::parse(0, &hex!("0201 0000000000000000")).expect("reads");
        assert_eq!(
            (missing.total, missing.outstanding, missing.kcv),
            (2, 1, None)
        );
        let complete = KeyDomain::parse(0, &hex!("0200 1122334455667788")).expect("reads");
        assert_eq!(complete.kcv, Some(hex!("1122334455667788")));
        assert_eq!(complete.uid, None);
    }

    #[test]
    fn a_domain_with_an_agreed_key_has_an_identifier() {
        let answer = [hex!("0000 1122334455667788").as_slice(), &[7; 64]].concat();
        let domain = KeyDomain::parse(3, &answer).expect("reads");
        assert_eq!(domain.uid, Some(vec![7; 64]));
        assert!(KeyDomain::parse(3, &answer[..9]).is_err());
    }
}
