//! MANAGE KEY DOMAIN: which keys can be copied to which other devices.
//!
//! Keys of one domain can move between the devices whose domain has the same key encryption key. That key is the XOR of
//! its shares (DKEK), or agreed between devices (XKEK); a device tells its check value.

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
    /// Place in the device; the same domain can have another place in another device.
    pub index: u8,
    /// Shares of its key; 0 where the device drew the key itself, or has none.
    pub total: u8,
    /// Shares that are missing.
    pub outstanding: u8,
    /// Key check value, once the domain has its key: equal values mean the same key.
    pub kcv: Option<[u8; KCV]>,
    /// Unique identifier; only of domains whose key was agreed between devices.
    pub uid: Option<Vec<u8>>,
}

impl KeyDomain {
    fn parse(index: u8, answer: &[u8]) -> Result<Self, CardError> {
        let [total, outstanding, rest @ ..] = answer else {
            return Err(CardError::malformed(WHAT, "too short"));
        };
        let (kcv, uid) = rest
            .split_first_chunk::<KCV>()
            .ok_or_else(|| CardError::malformed(WHAT, "too short"))?;
        Ok(Self {
            index,
            total: *total,
            outstanding: *outstanding,
            kcv: Some(*kcv).filter(|kcv| *outstanding == 0 && *kcv != [0; KCV]),
            uid: (!uid.is_empty()).then(|| uid.to_vec()),
        })
    }
}

const WHAT: &str = "tell its key domains";

/// One share of a domain's key. Who knows all shares, and a wrapped key, has the key.
pub struct DkekShare(Zeroizing<[u8; 32]>);

impl DkekShare {
    /// Takes a share.
    pub fn new(share: [u8; 32]) -> Self {
        Self(Zeroizing::new(share))
    }
}

impl SmartCardHsm {
    /// Lists the key domains; none where keys never leave the device. Empty places are left out.
    ///
    /// # Errors
    /// The card's.
    pub fn key_domains(&mut self) -> Result<Vec<KeyDomain>, CardError> {
        let mut domains = Vec::new();
        for index in 0..=u8::MAX {
            let command = Command::new(0x80, MANAGE, STATUS_OR_SHARE, index).with_le(Le::Short);
            let Response { data, sw } = self.send(&command)?;
            match sw {
                StatusWord::OK => domains.push(KeyDomain::parse(index, &data)?),
                StatusWord::REFERENCE_NOT_FOUND => {}
                // Behind the last place; or no such command without domains.
                StatusWord::WRONG_P1P2
                | StatusWord::WRONG_PARAMETERS
                | StatusWord::UNKNOWN_INSTRUCTION
                | StatusWord::UNKNOWN_CLASS => break,
                sw => return Err(CardError::Refused { what: WHAT, sw }),
            }
        }
        Ok(domains)
    }

    /// Adds a share to a domain's key. Some devices want a login for other domains than the first.
    ///
    /// # Errors
    /// [`CardError::NoKeyDomain`], or the card's: no share is missing.
    pub fn import_dkek_share(
        &mut self,
        index: u8,
        share: &DkekShare,
    ) -> Result<KeyDomain, CardError> {
        let mut command = Command::new(0x80, MANAGE, STATUS_OR_SHARE, index)
            .with_data(share.0.as_slice())
            .with_le(Le::Short);
        let response = self.send(&command);
        zeroize::Zeroize::zeroize(&mut command.data);
        let answer = domain_answer("import a DKEK share", response?)?;
        KeyDomain::parse(index, &answer)
    }

    /// Makes a domain, whose key will have so many shares, in an empty place.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`], [`CardError::NoKeyDomain`], or the card's.
    pub fn create_key_domain(&mut self, index: u8, shares: u8) -> Result<KeyDomain, CardError> {
        let command = Command::new(0x80, MANAGE, CREATE, index)
            .with_data([shares])
            .with_le(Le::Short);
        let answer = domain_answer("create a key domain", self.send(&command)?)?;
        KeyDomain::parse(index, &answer)
    }

    /// Deletes a domain that has no keys.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`], or the card's: there are keys in it.
    pub fn delete_key_domain(&mut self, index: u8) -> Result<(), CardError> {
        let command = Command::new(0x80, MANAGE, DELETE, index).with_le(Le::Short);
        let response = self.send(&command)?;
        match response.sw {
            // The state afterwards: an empty place.
            StatusWord::REFERENCE_NOT_FOUND => Ok(()),
            _ => domain_answer("delete a key domain", response).map(|_| ()),
        }
    }
}

/// Content of an answer; what is missing is said in the same way by all commands that need a domain.
pub(super) fn domain_answer(
    what: &'static str,
    Response { data, sw }: Response,
) -> Result<Vec<u8>, CardError> {
    match sw {
        StatusWord::OK => Ok(data),
        // 6400: a key store that is locked although the quorum is there.
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
    fn a_check_value_counts_once_all_shares_are_there() {
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
    fn agreed_domains_have_an_identifier() {
        let answer = [hex!("0000 1122334455667788").as_slice(), &[7; 64]].concat();
        let domain = KeyDomain::parse(3, &answer).expect("reads");
        assert_eq!(domain.uid, Some(vec![7; 64]));
        assert!(KeyDomain::parse(3, &answer[..9]).is_err());
    }
}
