//! Keys: list, describe, generate, delete.

mod records;

use countersign_cvc::{
    AuthenticatedRequest, Chr, Curve, PublicKey,
    tlv::{self, Tag, TlvWriter},
};

use self::records::{
    ControlParameters, description, parse_control_parameters, parse_description, x509,
};
use super::SmartCardHsm;
use crate::{
    apdu::{Command, Le, Response, StatusWord},
    error::CardError,
};

/// File identifiers: high byte says what, low byte is the key reference.
const KEY: u16 = 0xCC00;
pub(super) const PRIVATE_KEY_DESCRIPTION: u16 = 0xC400;
pub(super) const CERTIFICATE: u16 = 0xCE00;

const TA_ECDSA_SHA_256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
const TA_RSA_SHA_256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02];

/// Kind of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// Elliptic curve.
    Ec(Curve),
    /// RSA, size in bits.
    Rsa(u16),
}

/// A key to be generated.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// Kind.
    pub kind: KeyKind,
    /// Label for people.
    pub label: String,
    /// Name in its request; must be unique among custodian keys.
    pub chr: Chr,
    /// Algorithms that the card will allow, as in [`super::SignAlgorithm`]; `None`: all.
    pub algorithms: Option<Vec<u8>>,
    /// Uses that the card will allow; `None`: unlimited.
    pub use_counter: Option<u32>,
}

/// A key on the card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyInfo {
    /// Reference in commands.
    pub reference: u8,
    /// PKCS#15 identifier.
    pub id: Vec<u8>,
    /// Label.
    pub label: String,
    /// Public key, if the card tells one.
    pub public_key: Option<PublicKey>,
    /// The request that attests it, if the card still has it.
    pub request: Option<AuthenticatedRequest>,
    /// The X.509 certificate that the card has for it, in DER.
    pub x509: Option<Vec<u8>>,
    /// Uses left, if the key has a counter.
    pub uses_left: Option<u32>,
    /// Algorithms that the card allows, as in [`super::SignAlgorithm`]; `None`: the card does not tell.
    pub algorithms: Option<Vec<u8>>,
    /// Index of its key domain; `None`: the card does not tell.
    pub domain: Option<u8>,
}

impl SmartCardHsm {
    /// Lists the keys, the device's own not included.
    ///
    /// # Errors
    /// The card's.
    pub fn list_keys(&mut self) -> Result<Vec<KeyInfo>, CardError> {
        let references: Vec<u8> = self
            .key_references()?
            .into_iter()
            .filter(|reference| *reference != 0)
            .collect();
        let files: Vec<u16> = references
            .iter()
            .flat_map(|reference| {
                [PRIVATE_KEY_DESCRIPTION, CERTIFICATE].map(|kind| kind | u16::from(*reference))
            })
            .collect();
        let mut contents = self.read_files(&files)?.into_iter();
        let selects: Vec<_> = references.iter().copied().map(select_key).collect();
        let selected = self.send_all(&selects)?;
        Ok(references
            .into_iter()
            .zip(selected)
            .map(|(reference, selected)| {
                let mut content = || contents.next().flatten().unwrap_or_default();
                describe(reference, &content(), &content(), &selected)
            })
            .collect())
    }

    fn key_references(&mut self) -> Result<Vec<u8>, CardError> {
        Ok(self
            .enumerate()?
            .into_iter()
            .filter(|file| file & 0xFF00 == KEY)
            .map(|file| file.to_be_bytes()[1])
            .collect())
    }

    /// The lowest unused key reference.
    ///
    /// # Errors
    /// [`CardError::Full`], or the card's.
    pub fn free_key_reference(&mut self) -> Result<u8, CardError> {
        let used = self.key_references()?;
        (1..=u8::MAX)
            .find(|reference| !used.contains(reference))
            .ok_or(CardError::Full)
    }

    /// Generates a key in the default key domain and describes it. RSA takes up to minutes.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`], or the card's.
    pub fn generate_key(
        &mut self,
        spec: &KeySpec,
    ) -> Result<(u8, AuthenticatedRequest), CardError> {
        self.generate(spec, None)
    }

    /// Generates a key in a key domain, which must exist.
    ///
    /// # Errors
    /// As [`SmartCardHsm::generate_key`].
    pub fn generate_key_in_domain(
        &mut self,
        spec: &KeySpec,
        domain: u8,
    ) -> Result<(u8, AuthenticatedRequest), CardError> {
        self.generate(spec, Some(domain))
    }

    fn generate(
        &mut self,
        spec: &KeySpec,
        domain: Option<u8>,
    ) -> Result<(u8, AuthenticatedRequest), CardError> {
        let reference = self.free_key_reference()?;
        let command = Command::new(0x00, 0x46, reference, 0x00)
            .with_data(generation_template(spec, domain))
            .with_le(Le::Extended);
        let answer = match self.send(&command)? {
            response if response.sw.is_ok() => response.data,
            response => {
                return Err(match response.sw {
                    sw @ StatusWord::NOT_AUTHENTICATED => CardError::NotAuthenticated(sw),
                    StatusWord::NO_SPACE => CardError::Full,
                    sw => CardError::Refused {
                        what: "generate a key",
                        sw,
                    },
                });
            }
        };
        let request = AuthenticatedRequest::parse(&answer)?;
        let number = u16::from(reference);
        self.write_file(
            PRIVATE_KEY_DESCRIPTION | number,
            &description(spec, reference),
        )?;
        Ok((reference, request))
    }

    /// Deletes a key with everything that describes it.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`], or the card's.
    pub fn delete_key(&mut self, reference: u8) -> Result<(), CardError> {
        for kind in [KEY, PRIVATE_KEY_DESCRIPTION, CERTIFICATE] {
            self.delete_file(kind | u16::from(reference))?;
        }
        Ok(())
    }
}

/// SELECT of a key, which tells its control parameters.
fn select_key(reference: u8) -> Command {
    Command::new(0x00, 0xA4, 0x00, 0x00)
        .with_data((KEY | u16::from(reference)).to_be_bytes())
        .with_le(Le::Short)
}

/// A key, from its PKCS#15 description, what is stored of its public half, and the answer to its selection.
fn describe(reference: u8, description: &[u8], certificate: &[u8], selected: &Response) -> KeyInfo {
    let (label, id) = parse_description(description).unwrap_or_default();
    // Only the first object counts: a rewritten file may keep the tail of its former content.
    let request = tlv::parse_one(certificate)
        .ok()
        .and_then(|(object, _)| AuthenticatedRequest::parse(object.raw).ok());
    let (public_key, x509) = match (&request, x509(certificate)) {
        (Some(request), _) => (Some(request.public_key().clone()), None),
        (None, Some((der, key))) => (Some(key), Some(der)),
        (None, None) => (None, None),
    };
    let ControlParameters {
        uses_left,
        algorithms,
        domain,
    } = match selected.sw {
        StatusWord::OK => parse_control_parameters(&selected.data).unwrap_or_default(),
        _ => ControlParameters::default(),
    };
    KeyInfo {
        reference,
        id,
        label,
        public_key,
        request,
        x509,
        uses_left,
        algorithms,
        domain,
    }
}

/// Data of GENERATE ASYMMETRIC KEY PAIR. CAR = CHR, as public key authentication needs it on all known cards.
fn generation_template(spec: &KeySpec, domain: Option<u8>) -> Vec<u8> {
    let key = match spec.kind {
        KeyKind::Ec(curve) => {
            let domain = curve.domain_parameters();
            TlvWriter::new()
                .with(Tag(0x06), &TA_ECDSA_SHA_256)
                .with(Tag(0x81), domain.p)
                .with(Tag(0x82), domain.a)
                .with(Tag(0x83), domain.b)
                .with(Tag(0x84), domain.g)
                .with(Tag(0x85), domain.n)
                .with(Tag(0x87), domain.h)
                .finish()
        }
        KeyKind::Rsa(bits) => TlvWriter::new()
            .with(Tag(0x06), &TA_RSA_SHA_256)
            .with(Tag(0x82), &[1, 0, 1])
            .with(Tag(0x02), &bits.to_be_bytes())
            .finish(),
    };
    TlvWriter::new()
        .with(Tag(0x5F29), &[0])
        .with(Tag(0x42), spec.chr.as_bytes())
        .with(Tag(0x7F49), &key)
        .with(Tag(0x5F20), spec.chr.as_bytes())
        .with_some(
            Tag(0x90),
            spec.use_counter
                .map(u32::to_be_bytes)
                .as_ref()
                .map(<[u8; 4]>::as_slice),
        )
        .with_some(Tag(0x91), spec.algorithms.as_deref())
        .with_some(
            Tag(0x92),
            domain
                .map(|index| [index])
                .as_ref()
                .map(<[u8; 1]>::as_slice),
        )
        .finish()
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn a_custodian_key_is_asked_for_like_this() {
        let spec = KeySpec {
            kind: KeyKind::Ec(Curve::BrainpoolP256r1),
            label: "auth".into(),
            chr: "ZZCUSTOD100001".parse().expect("a name"),
            algorithms: Some(vec![0x70, 0x73]),
            use_counter: None,
        };
        let template = generation_template(&spec, None);
        assert_eq!(template.len(), 0x0107);
        assert_eq!(
            template[..20],
            hex!("5F290100 420E5A5A435553544F44313030303031")
        );
        let end = hex!("5F200E5A5A435553544F44313030303031 91027073");
        assert!(template.ends_with(&end));
        let in_domain = generation_template(&spec, Some(2));
        assert_eq!(in_domain, [template.as_slice(), &hex!("920102")].concat());
    }
}
