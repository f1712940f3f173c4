//! Keys: list, describe, generate, delete.

use countersign_cvc::{
    AuthenticatedRequest, Chr, Curve, PublicKey,
    tlv::{self, Tag, TlvError, TlvWriter},
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

const SEQUENCE: Tag = Tag(0x30);
const INTEGER: Tag = Tag(0x02);
const BIT_STRING: Tag = Tag(0x03);
const OCTET_STRING: Tag = Tag(0x04);
const UTF8_STRING: Tag = Tag(0x0C);
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
    let (uses_left, domain) = match selected.sw {
        StatusWord::OK => parse_control_parameters(&selected.data).unwrap_or_default(),
        _ => Default::default(),
    };
    KeyInfo {
        reference,
        id,
        label,
        public_key,
        request,
        x509,
        uses_left,
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

/// PKCS#15 description of the private key, as other software reads it.
fn description(spec: &KeySpec, reference: u8) -> Vec<u8> {
    let (tag, usage, bits): (_, &[u8], _) = match spec.kind {
        // sign, derive
        KeyKind::Ec(curve) => (Tag(0xA0), &[0x07, 0x20, 0x80], curve.bits()),
        // decrypt, sign, sign-recover, unwrap
        KeyKind::Rsa(bits) => (SEQUENCE, &[0x02, 0x74], usize::from(bits)),
    };
    let bits = u16::try_from(bits).unwrap_or(0).to_be_bytes();
    let value = TlvWriter::new()
        .with_raw(&TlvWriter::new().with(OCTET_STRING, &[]).wrap(SEQUENCE))
        .with(INTEGER, &bits)
        .wrap(SEQUENCE);
    TlvWriter::new()
        .with_raw(
            &TlvWriter::new()
                .with(UTF8_STRING, spec.label.as_bytes())
                .wrap(SEQUENCE),
        )
        .with_raw(
            &TlvWriter::new()
                .with(OCTET_STRING, &[reference])
                .with(BIT_STRING, usage)
                .wrap(SEQUENCE),
        )
        .with(Tag(0xA1), &value)
        .wrap(tag)
}

/// Label and identifier of a PKCS#15 key description.
fn parse_description(data: &[u8]) -> Option<(String, Vec<u8>)> {
    let (outer, _) = tlv::parse_one(data).ok()?;
    let parts = tlv::parse_all(outer.value).ok()?;
    let fields = |index: usize| {
        parts
            .get(index)
            .and_then(|part| tlv::parse_all(part.value).ok())
    };
    let label = tlv::find(&fields(0)?, UTF8_STRING)
        .map(|label| String::from_utf8_lossy(label.value).into_owned())
        .unwrap_or_default();
    let id = tlv::find(&fields(1)?, OCTET_STRING)
        .map(|id| id.value.to_vec())
        .unwrap_or_default();
    Some((label, id))
}

/// Uses left and key domain in the template of a key object. A full counter is none.
fn parse_control_parameters(template: &[u8]) -> Result<(Option<u32>, Option<u8>), TlvError> {
    let (template, _) = tlv::parse_one(template)?;
    let fields = tlv::parse_all(template.value)?;
    let fields = tlv::parse_all(tlv::expect(&fields, Tag(0xA5))?.value)?;
    let counter = tlv::find(&fields, Tag(0x90)).and_then(|counter| counter.value.try_into().ok());
    let domain = tlv::find(&fields, Tag(0x92)).and_then(|domain| domain.value.first());
    Ok((
        counter
            .map(u32::from_be_bytes)
            .filter(|left| *left != u32::MAX),
        domain.copied(),
    ))
}

/// An X.509 certificate and the SubjectPublicKeyInfo inside it (RFC 5280, section 4.1).
fn x509(data: &[u8]) -> Option<(Vec<u8>, PublicKey)> {
    let (certificate, _) = tlv::parse_one(data).ok()?;
    if certificate.tag != SEQUENCE {
        return None;
    }
    let parts = tlv::parse_all(certificate.value).ok()?;
    let fields = tlv::parse_all(parts.first()?.value).ok()?;
    let version = usize::from(fields.first()?.tag == Tag(0xA0));
    // serial, signature, issuer, validity, subject, then the key
    let key = PublicKey::from_spki_der(fields.get(version + 5)?.raw).ok()?;
    Some((certificate.raw.to_vec(), key))
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    fn spec(kind: KeyKind, algorithms: Option<Vec<u8>>) -> KeySpec {
        KeySpec {
            kind,
            label: "auth".into(),
            chr: "ZZCUSTOD100001".parse().expect("a name"),
            algorithms,
            use_counter: None,
        }
    }

    #[test]
    fn a_custodian_key_is_asked_for_like_this() {
        let template = generation_template(
            &spec(KeyKind::Ec(Curve::BrainpoolP256r1), Some(vec![0x70, 0x73])),
            None,
        );
        assert_eq!(template.len(), 0x0107);
        assert_eq!(
            template[..20],
            hex!("5F290100 420E5A5A435553544F44313030303031")
        );
        assert!(template.ends_with(&hex!("5F200E5A5A435553544F44313030303031 91027073")));
    }

    #[test]
    fn descriptions_are_those_of_other_software() {
        let ec = description(&spec(KeyKind::Ec(Curve::BrainpoolP256r1), None), 1);
        assert_eq!(
            ec,
            hex!("A01E 3006 0C0461757468 3008 040101 0303072080 A10A 3008 30020400 02020100")
        );
        // As OpenSC writes it.
        let opensc = hex!(
            "A027 300C 0C03656331 030206C0 040101 300B 040110 0303073080 020101 A10A 3008 30020400 02020100"
        );
        assert_eq!(parse_description(&opensc), Some(("ec1".into(), vec![0x10])));
        assert_eq!(parse_description(&ec), Some(("auth".into(), vec![0x01])));
    }

    #[test]
    fn a_key_object_tells_its_counter_and_domain() {
        let template = hex!("6216 81020000 8301CC A50D 9004000003E7 91027073 920101");
        assert_eq!(
            parse_control_parameters(&template),
            Ok((Some(999), Some(1)))
        );
        // A length that is longer than needed, and no counter.
        let template = hex!("620D A5810A 9004FFFFFFFF 91027073");
        assert_eq!(
            parse_control_parameters(&template).map(|(counter, _)| counter),
            Ok(None)
        );
        assert!(parse_control_parameters(&hex!("6204 81020000")).is_err());
    }

    proptest! {
        #[test]
        fn any_file_content_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_description(&bytes);
            let _ = x509(&bytes);
            let _ = parse_control_parameters(&bytes);
        }
    }
}
