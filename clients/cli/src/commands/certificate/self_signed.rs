//! Self-signed certificates (RFC 5280), which are built here and signed by the HSM.

use std::time::Duration;

use countersign_protocol::cvc::PublicKey;
use signature::Keypair;
use x509_cert::{
    TbsCertificate,
    builder::{self, Builder, CertificateBuilder, profile::BuilderProfile},
    der::{
        Document, Encode, EncodePem,
        asn1::{Any, BitString, Null},
        oid::ObjectIdentifier,
        pem::LineEnding,
    },
    ext::{
        Extension, Extensions, ToExtension,
        pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier},
    },
    name::Name,
    serial_number::SerialNumber,
    spki::{
        self, AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey,
        SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef,
    },
    time::Validity,
};

/// ecdsa-with-SHA256 (RFC 5758).
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// sha256WithRSAEncryption (RFC 4055).
const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
/// id-kp-codeSigning (RFC 5280).
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
/// How long before now a certificate becomes valid, because clocks differ.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3600);
const SECONDS_PER_DAY: u64 = 24 * 3600;

/// A certificate without its signature.
pub struct Unsigned {
    builder: CertificateBuilder<CodeSigning>,
    key: HsmKey,
    subject: Name,
    to_be_signed: Vec<u8>,
}

impl Unsigned {
    /// Builds a certificate that is valid from an hour ago until `days` from now.
    ///
    /// # Errors
    /// The end of the validity is out of range, or the key or the name cannot be encoded.
    pub fn new(key: &PublicKey, subject: Name, days: u32) -> Result<Self, builder::Error> {
        let key = HsmKey(key.clone());
        let serial = serial().map_err(|_| builder::Error::MissingAttributes)?;
        let validity = Validity::new(
            (std::time::SystemTime::now() - CLOCK_TOLERANCE).try_into()?,
            (std::time::SystemTime::now() + Duration::from_secs(SECONDS_PER_DAY * u64::from(days)))
                .try_into()?,
        );
        let mut builder = CertificateBuilder::new(
            CodeSigning(subject.clone()),
            serial,
            validity,
            SubjectPublicKeyInfoOwned::try_from(key.0.to_spki_der().as_slice())?,
        )?;
        let to_be_signed = builder.finalize(&key)?;
        Ok(Self {
            builder,
            key,
            subject,
            to_be_signed,
        })
    }

    /// The bytes whose SHA-256 digest the HSM signs.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    pub fn subject(&self) -> String {
        self.subject.to_string()
    }

    /// Adds the signature and returns the certificate as DER and PEM.
    ///
    /// # Errors
    /// The signature cannot be encoded.
    pub fn signed(self, signature: &[u8]) -> Result<(Vec<u8>, String), builder::Error> {
        let certificate = self
            .builder
            .assemble(BitString::from_bytes(signature)?, &self.key)?;
        Ok((certificate.to_der()?, certificate.to_pem(LineEnding::LF)?))
    }
}

/// A random serial number of 16 bytes, which is positive as section 4.1.2.2 requires.
fn serial() -> Result<SerialNumber, Box<dyn std::error::Error>> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    bytes[0] = (bytes[0] & 0x7F) | 0x40;
    Ok(SerialNumber::new(&bytes)?)
}

/// The profile of the certificate, which is limited to code signing.
struct CodeSigning(Name);

impl BuilderProfile for CodeSigning {
    fn get_issuer(&self, subject: &Name) -> Name {
        subject.clone()
    }

    fn get_subject(&self) -> Name {
        self.0.clone()
    }

    fn build_extensions(
        &self,
        key: SubjectPublicKeyInfoRef<'_>,
        _issuer: SubjectPublicKeyInfoRef<'_>,
        _tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        let mut extensions = Extensions::new();
        let basic = BasicConstraints {
            ca: false,
            path_len_constraint: None,
        };
        for extension in [
            basic.to_extension(&self.0, &extensions),
            KeyUsage(KeyUsages::DigitalSignature.into()).to_extension(&self.0, &extensions),
            ExtendedKeyUsage(vec![CODE_SIGNING]).to_extension(&self.0, &extensions),
            SubjectKeyIdentifier::try_from(key)?.to_extension(&self.0, &extensions),
        ] {
            extensions.push(extension?);
        }
        Ok(extensions)
    }
}

/// The public key of a key in an HSM. It stands in for the signer that the builder expects.
#[derive(Clone)]
struct HsmKey(PublicKey);

impl Keypair for HsmKey {
    type VerifyingKey = Self;

    fn verifying_key(&self) -> Self {
        self.clone()
    }
}

impl EncodePublicKey for HsmKey {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.0.to_spki_der())?)
    }
}

impl DynSignatureAlgorithmIdentifier for HsmKey {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        Ok(match self.0 {
            PublicKey::Ec(_) => AlgorithmIdentifierOwned {
                oid: ECDSA_SHA256,
                parameters: None,
            },
            PublicKey::Rsa(_) => AlgorithmIdentifierOwned {
                oid: RSA_SHA256,
                parameters: Some(Any::encode_from(&Null)?),
            },
        })
    }
}
