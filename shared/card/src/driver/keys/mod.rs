//! Listing, generation and deletion of keys.

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

/// File identifiers: the high byte is the kind of object, the low byte is the key reference.
const KEY: u16 = 0xCC00;
pub(super) const PRIVATE_KEY_DESCRIPTION: u16 = 0xC400;
pub(super) const CERTIFICATE: u16 = 0xCE00;

const TA_ECDSA_SHA_256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x02, 0x03];
const TA_RSA_SHA_256: [u8; 10] = [0x04, 0x00, 0x7F, 0x00, 0x07, 0x02, 0x02, 0x02, 0x01, 0x02];

/// Kind and size of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// EC key on this curve.
    Ec(Curve),
    /// RSA key with a modulus of this number of bits.
    Rsa(u16),
}

/// Parameters of a key to generate.
#[derive(Clone, Debug)]
pub struct KeySpec {
    /// Kind and size.
    pub kind: KeyKind,
    /// Label for display.
    pub label: String,
    /// Holder reference in the key's request. It must be unique among the custodian keys of an HSM.
    pub chr: Chr,
    /// Algorithms that the card allows for the key, as in [`super::SignAlgorithm`]; `None` for all.
    pub algorithms: Option<Vec<u8>>,
    /// Number of uses that the card allows; `None` for no limit.
    pub use_counter: Option<u32>,
}

/// A key on the card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyInfo {
    /// Key reference in commands, 1 to 255.
    pub reference: u8,
    /// Identifier in the PKCS#15 description.
    pub id: Vec<u8>,
    /// Label in the PKCS#15 description.
    pub label: String,
    /// Public key, if the card stores a request or certificate.
    pub public_key: Option<PublicKey>,
    /// Authenticated request that attests the key, if the card still stores it.
    pub request: Option<AuthenticatedRequest>,
    /// X.509 certificate of the key in DER, if the card stores one.
    pub x509: Option<Vec<u8>>,
    /// Number of uses left; `None` if the key has no limit.
    pub uses_left: Option<u32>,
    /// Algorithms that the card allows, as in [`super::SignAlgorithm`]; `None` if the card does not report them.
    pub algorithms: Option<Vec<u8>>,
    /// Slot of the key's domain; `None` if the card does not report it.
    pub domain: Option<u8>,
}

impl SmartCardHsm {
    /// Lists the keys, without the device key.
    ///
    /// # Errors
    /// The connection to the card is lost, or the card refuses to list its files.
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

    /// Finds the lowest unused key reference.
    ///
    /// # Errors
    /// [`CardError::Full`] if all 255 references are in use.
    pub fn free_key_reference(&mut self) -> Result<u8, CardError> {
        let used = self.key_references()?;
        (1..=u8::MAX)
            .find(|reference| !used.contains(reference))
            .ok_or(CardError::Full)
    }

    /// Generates a key in the default key domain and writes its PKCS#15 description. Returns the key reference and the
    /// request that attests the key. The generation of an RSA key can take minutes.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] on a locked card; [`CardError::Full`] if the card has no space.
    pub fn generate_key(
        &mut self,
        spec: &KeySpec,
    ) -> Result<(u8, AuthenticatedRequest), CardError> {
        self.generate(spec, None)
    }

    /// Generates a key in the key domain of this slot.
    ///
    /// # Errors
    /// [`CardError::Refused`] if the domain does not exist; otherwise as [`SmartCardHsm::generate_key`].
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
                        what: "generation of a key",
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

    /// Deletes a key with its description and certificate.
    ///
    /// # Errors
    /// [`CardError::NotAuthenticated`] on a locked card.
    pub fn delete_key(&mut self, reference: u8) -> Result<(), CardError> {
        for kind in [KEY, PRIVATE_KEY_DESCRIPTION, CERTIFICATE] {
            self.delete_file(kind | u16::from(reference))?;
        }
        Ok(())
    }
}

/// SELECT of a key, to which the card responds with the key's control parameters.
fn select_key(reference: u8) -> Command {
    Command::new(0x00, 0xA4, 0x00, 0x00)
        .with_data((KEY | u16::from(reference)).to_be_bytes())
        .with_le(Le::Short)
}

/// Combines the PKCS#15 description of a key, its stored request or certificate, and the response to its selection.
fn describe(reference: u8, description: &[u8], certificate: &[u8], selected: &Response) -> KeyInfo {
    let (label, id) = parse_description(description).unwrap_or_default();
    // Only the first object is read, because a rewritten file can still contain the tail of its old content.
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

/// Command data of GENERATE ASYMMETRIC KEY PAIR. The authority reference equals the holder reference, because public key
/// authentication requires this on all known cards.
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
    fn the_template_for_a_custodian_key_has_the_known_bytes() {
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
