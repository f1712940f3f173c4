//! The only place where a custodian's card signs, with the closed list of what it signs.
//!
//! No function accepts bytes or digests from outside. Every public function takes a [`Consent`] and builds the signed data
//! from it. A PKA response exists only together with an approval of the same consent.

use countersign_card::{KeyInfo, KeyKind, KeySpec, Pin, SignAlgorithm};
use countersign_protocol::{
    Timestamp,
    activation::SignedApproval,
    cvc::{AuthenticatedRequest, Chr, Curve, EcSignature, Fingerprint, PkaFile, PublicKey},
    digest::Sha256Digest,
    dsse::{Envelope, Payload, Unsigned},
    encoding::Base64,
    helper::{CardKeyView, HelperError, Step},
    statement::{ActStatement, Approval, EnrolmentStatement, LoginStatement},
};

use super::{Card, card_error};
use crate::{
    advice,
    cards::readers::Reservation,
    consent::{
        ActRequest, ApprovalRequest, Consent, EnrolmentRequest, KeyChoice, LoginRequest,
        NewKeyRequest,
    },
};

/// A card that is logged in. Dropping the session logs the card out and releases it.
pub struct PinSession {
    card: Card,
    _reservation: Reservation,
}

/// A key of the card in this session.
struct OwnKey {
    reference: u8,
    public_key: PublicKey,
}

impl PinSession {
    /// Verifies the PIN, with exactly one try.
    pub(in crate::cards) fn open(
        mut card: Card,
        pin: &Pin,
        reservation: Reservation,
    ) -> Result<Self, HelperError> {
        card.driver.verify_pin(pin).map_err(card_error)?;
        Ok(Self {
            card,
            _reservation: reservation,
        })
    }

    /// Signs the log-in statement of this consent.
    pub(crate) fn log_in(
        &mut self,
        consent: Consent<LoginRequest>,
    ) -> Result<Envelope, HelperError> {
        let LoginRequest {
            server,
            nonce,
            signer,
        } = consent.subject();
        let statement = LoginStatement {
            origin: server.origin.to_string(),
            server_key: server.key,
            nonce: nonce.clone(),
            key: signer.key,
            at: Timestamp::now(),
        };
        let key = self.own_key(&signer.key)?;
        self.seal(&key, &statement)
    }

    /// Signs the statement about the act of this consent.
    pub(crate) fn sign_act(
        &mut self,
        consent: Consent<ActRequest>,
    ) -> Result<Envelope, HelperError> {
        let request = consent.subject();
        let statement = ActStatement {
            terms: request.terms().clone(),
            origin: request.server().origin.to_string(),
            server_key: request.server().key,
            key: request.signer().key,
            at: Timestamp::now(),
        };
        let key = self.own_key(&request.signer().key)?;
        self.seal(&key, &statement)
    }

    /// Signs the enrolment statement of this consent, with an existing or a new key, and returns the `.pka` file too.
    pub(crate) fn enrol(
        &mut self,
        consent: Consent<EnrolmentRequest>,
        report: &dyn Fn(Step),
    ) -> Result<(Vec<u8>, Envelope), HelperError> {
        let request = consent.subject();
        let (key, attestation) = match &request.key {
            KeyChoice::Existing(signer) => self.attested_key(&signer.key)?,
            KeyChoice::Generate { label, chr } => {
                report(Step::GeneratingKey);
                self.generate(label, chr)?
            }
        };
        report(Step::Signing);
        let statement = EnrolmentStatement {
            origin: request.server.origin.to_string(),
            server_key: request.server.key,
            invitation: request.invitation.clone(),
            person: request.person.clone(),
            nonce: request.nonce.clone(),
            key: key.public_key.fingerprint(),
            at: Timestamp::now(),
        };
        let envelope = self.seal(&key, &statement)?;
        let pka = PkaFile {
            request: attestation,
            chain: self.card.device.chain().clone(),
        };
        Ok((pka.to_old_format(), envelope))
    }

    /// Generates the key of this consent. The key signs only its own request.
    pub(crate) fn generate_key(
        &mut self,
        consent: &Consent<NewKeyRequest>,
    ) -> Result<(CardKeyView, PkaFile), HelperError> {
        let NewKeyRequest { label, chr, .. } = consent.subject();
        let (key, request) = self.generate(label, chr)?;
        let view = CardKeyView {
            fingerprint: key.public_key.fingerprint(),
            label: label.clone(),
            chr: Some(request.chr().clone()),
            kind: key.public_key.kind(),
            unsuitable: None,
        };
        let chain = self.card.device.chain().clone();
        Ok((view, PkaFile { request, chain }))
    }

    /// Signs the approval of this consent, and then the response to its challenge.
    pub(crate) fn approve(
        &mut self,
        consent: &Consent<ApprovalRequest>,
    ) -> Result<SignedApproval, HelperError> {
        let request = consent.subject();
        let key = self.own_key(&request.signer().key)?;
        let approval = Approval::new(
            request.terms(),
            request.device_certificate(),
            request.challenge().as_bytes(),
            request.server_key(),
            request.signer().key,
            Timestamp::now(),
        );
        let statement = self.seal(&key, &approval)?;
        let digest = request.challenge().digest(request.device().id());
        let response = self.sign(&key, Sha256Digest(digest))?;
        Ok(SignedApproval {
            activation: request.terms().id.clone(),
            statement,
            challenge: Base64(request.challenge().as_bytes().to_vec()),
            response: Base64(response.to_plain()),
        })
    }

    fn generate(
        &mut self,
        label: &str,
        chr: &Chr,
    ) -> Result<(OwnKey, AuthenticatedRequest), HelperError> {
        let spec = KeySpec {
            kind: KeyKind::Ec(Curve::BrainpoolP256r1),
            label: label.to_owned(),
            chr: chr.clone(),
            algorithms: Some(vec![
                SignAlgorithm::Ecdsa as u8,
                SignAlgorithm::EcdsaSha256 as u8,
            ]),
            use_counter: None,
        };
        let (reference, request) = self.card.driver.generate_key(&spec).map_err(card_error)?;
        Ok((
            OwnKey {
                reference,
                public_key: request.public_key().clone(),
            },
            request,
        ))
    }

    fn attested_key(
        &self,
        fingerprint: &Fingerprint,
    ) -> Result<(OwnKey, AuthenticatedRequest), HelperError> {
        let key = self.own_key(fingerprint)?;
        let request = self.info(fingerprint).and_then(|info| info.request.clone()).ok_or_else(|| {
            advice::card_refused(
                "The card no longer holds this key's attestation, so the key can't be enrolled. Generate a new key.",
            )
        })?;
        Ok((key, request))
    }

    fn own_key(&self, fingerprint: &Fingerprint) -> Result<OwnKey, HelperError> {
        let found = self.info(fingerprint).and_then(|info| {
            Some(OwnKey {
                reference: info.reference,
                public_key: info.public_key.clone()?,
            })
        });
        found.ok_or_else(advice::card_changed)
    }

    fn info(&self, fingerprint: &Fingerprint) -> Option<&KeyInfo> {
        self.card.keys.iter().find(|info| {
            info.public_key
                .as_ref()
                .is_some_and(|key| key.fingerprint() == *fingerprint)
        })
    }

    fn seal<P: Payload>(&mut self, key: &OwnKey, statement: &P) -> Result<Envelope, HelperError> {
        let unsigned = Unsigned::new(statement);
        let signature = self.sign(key, unsigned.digest())?;
        Ok(unsigned.seal(&key.public_key.fingerprint(), &signature))
    }

    fn sign(&mut self, key: &OwnKey, digest: Sha256Digest) -> Result<EcSignature, HelperError> {
        let curve = key
            .public_key
            .curve()
            .ok_or_else(|| advice::card_refused("This key can't sign statements."))?;
        let der = self
            .card
            .driver
            .sign(key.reference, SignAlgorithm::Ecdsa, digest.as_bytes())
            .map_err(card_error)?;
        let signature = EcSignature::from_der(&der, curve).map_err(advice::internal)?;
        // Detects a faulty card or reader before the signature reaches the HSM.
        key.public_key
            .verify_prehash(digest.as_bytes(), &signature)
            .map_err(|_| {
                advice::card_refused(
                    "The card returned an invalid signature. Stop using it, and enrol a spare card.",
                )
            })?;
        Ok(signature)
    }
}

impl Drop for PinSession {
    fn drop(&mut self) {
        if let Err(error) = self.card.driver.logout() {
            // The connection is dropped next, which resets the card.
            tracing::info!("could not log out the card: {error}");
        }
    }
}
