//! A connected and verified device.

use std::{sync::Arc, time::Instant};

use countersign_card::{
    CardError, InitializeOptions, KeyDomain, KeyInfo, KeySpec, Locality, LockCheck, LockProof,
    PinKind, PinStatus, PkaOptions, SmartCardHsm, SoPin, TokenInfo, Transport,
    apdu::StatusWord,
    option_bits,
    pka::{Challenge, ChallengeBehaviour, PkaResponse, PkaStatus, Round},
};
use countersign_protocol::cvc::{AuthenticatedRequest, DeviceId, TrustAnchors, VerifiedDevice};

use super::{LeaseHandle, Refusal, Responded, Response, snapshot::Device};

/// Why a device is not used.
#[derive(Debug, thiserror::Error)]
pub enum NotUsable {
    /// Its card.
    #[error(transparent)]
    Card(#[from] CardError),
    /// Another device than before.
    #[error(
        "the device {found} is attached, but this HSM is {expected}: attach that one, or name the new one as `device` \
         in the server's configuration"
    )]
    AnotherDevice {
        /// The right one.
        expected: DeviceId,
        /// The one that is there.
        found: DeviceId,
    },
    #[error(
        "the device used a key right after a reset, before any custodian had authenticated: anyone who reaches it can \
         use its keys, so do not use it"
    )]
    CannotBeLocked,
    #[error(
        "the device does not prove that it is locked: right after a reset it answered the use of a key with `{0}` instead of \
         `{expected}`; do not use it with this server",
        expected = StatusWord::NOT_AUTHENTICATED
    )]
    LockNotProven(StatusWord),
}

/// What is going on with the device.
enum Use {
    /// Nobody has authenticated.
    Locked,
    /// Custodians are asked; the count is the card's last one.
    Collecting(Round, u8),
    /// A lease is open.
    Open {
        lease: LeaseHandle,
        deadline: Instant,
    },
}

/// A connected and verified device.
pub struct Attached {
    card: SmartCardHsm,
    verified: VerifiedDevice,
    behaviour: ChallengeBehaviour,
    info: TokenInfo,
    pka: Option<PkaStatus>,
    keys: Vec<KeyInfo>,
    key_domains: Vec<KeyDomain>,
    warnings: Vec<String>,
    used: Use,
    /// Whether the device is used without a secure channel, if it has none.
    unprotected_allowed: bool,
}

impl Attached {
    /// Selects, verifies the chain, opens the secure channel to exactly this device, reads its state, proves it locked.
    ///
    /// # Errors
    /// [`NotUsable`].
    pub fn verify(
        transport: Box<dyn Transport>,
        anchors: &TrustAnchors,
        expected: Option<&DeviceId>,
        behaviour: ChallengeBehaviour,
        unprotected_allowed: bool,
    ) -> Result<(Self, String), NotUsable> {
        let mut card = SmartCardHsm::open(transport)?;
        let verified = card
            .device_chain()?
            .verify(anchors)
            .map_err(CardError::from)?;
        if let Some(expected) = expected.filter(|expected| *expected != verified.id()) {
            return Err(NotUsable::AnotherDevice {
                expected: expected.clone(),
                found: verified.id().clone(),
            });
        }
        let mut device = Self {
            card,
            verified,
            behaviour,
            info: TokenInfo::default(),
            pka: None,
            keys: Vec::new(),
            key_domains: Vec::new(),
            warnings: Vec::new(),
            used: Use::Locked,
            unprotected_allowed,
        };
        device.open_channel()?;
        device.read()?;
        let proof = device.lock()?;
        Ok((device, proof))
    }

    fn open_channel(&mut self) -> Result<(), CardError> {
        match self.card.open_secure_channel(&self.verified) {
            // Whoever listens between this machine and its own reader has the machine.
            Err(CardError::SecureChannelUnsupported(_))
                if self.card.locality() == Locality::Local || self.unprotected_allowed =>
            {
                Ok(())
            }
            other => other,
        }
    }

    /// Reads quorum, keys and key domains.
    fn read(&mut self) -> Result<(), CardError> {
        self.info = self.card.token_info()?;
        self.pka = self.card.pka_status()?;
        self.keys = self.card.list_keys()?;
        // Nothing is signed by them: a card that will not tell works all the same.
        self.key_domains = match self.card.key_domains() {
            Err(CardError::Refused { .. } | CardError::Malformed { .. }) => Vec::new(),
            told => told?,
        };
        self.warnings.clear();
        if !self.card.has_secure_channel() {
            self.warnings.push(match self.card.locality() {
                Locality::Local => {
                    "This device has no secure channel: commands travel in the clear between server and reader."
                }
                Locality::Remote => {
                    "This device has no secure channel: whoever is between the server and the device can read its commands, \
                     change them, and sign while it is open. The server's configuration allows that."
                }
            }.into());
        }
        let combined = self
            .card
            .info()
            .options
            .is_some_and(|options| options & option_bits::COMBINED != 0);
        let pin = self.card.pin_status(PinKind::User)?;
        if self.pka.is_some()
            && !combined
            && matches!(pin, PinStatus::NotVerified { .. } | PinStatus::Transport)
        {
            self.warnings.push(
                "This device also has a user PIN: whoever knows it may need no custodian. Initialise it anew for a quorum \
                 that nothing gets around."
                    .into(),
            );
        }
        Ok(())
    }

    /// For others to see.
    pub fn to_device(&self) -> Arc<Device> {
        Arc::new(Device {
            verified: self.verified.clone(),
            info: self.info.clone(),
            version: self.card.info().version_text(),
            secure_channel: self.card.has_secure_channel(),
            pka: self.pka,
            keys: self.keys.clone(),
            key_domains: self.key_domains.clone(),
            warnings: self.warnings.clone(),
        })
    }

    /// CHR of the device.
    pub fn id(&self) -> &DeviceId {
        self.verified.id()
    }

    /// How its challenges live, as known by now.
    pub fn behaviour(&self) -> ChallengeBehaviour {
        self.behaviour
    }

    /// Logs out, and returns the proof in words. A device that is not proven locked after the logout is reset, because the
    /// logout may have been lost on its way.
    ///
    /// # Errors
    /// The device is not locked after a reset either, or the connection to it is lost.
    pub fn lock(&mut self) -> Result<String, NotUsable> {
        self.used = Use::Locked;
        self.card.logout()?;
        self.open_channel()?;
        self.pka = self.card.pka_status()?;
        if self.pka.is_none() {
            return Ok("logged out; public key authentication is not set up yet".into());
        }
        if let LockCheck::Locked(proof) = self.card.prove_locked(&self.keys)? {
            return Ok(proof.to_string());
        }
        let proof = self.reset_and_prove()?;
        Ok(format!("after a reset, {proof}"))
    }

    fn reset_and_prove(&mut self) -> Result<LockProof, NotUsable> {
        self.card.reset()?;
        self.open_channel()?;
        self.pka = self.card.pka_status()?;
        match self.card.prove_locked(&self.keys)? {
            LockCheck::Locked(proof) => Ok(proof),
            LockCheck::Open => Err(NotUsable::CannotBeLocked),
            LockCheck::Unclear(sw) => Err(NotUsable::LockNotProven(sw)),
        }
    }

    /// Whether the device still knows what it should.
    ///
    /// # Errors
    /// What is not as it should be, in words.
    pub fn check(&mut self) -> Result<(), String> {
        let pka = self.card.pka_status().map_err(|error| error.to_string())?;
        let now = pka.map_or(0, |pka| pka.authenticated);
        self.pka = pka;
        match &self.used {
            Use::Locked if now == 0 => Ok(()),
            Use::Locked => Err("somebody authenticated without having been asked".into()),
            Use::Collecting(_, expected) if now >= *expected => Ok(()),
            Use::Open { .. } if pka.is_some_and(|pka| now >= pka.required) => Ok(()),
            Use::Collecting(..) | Use::Open { .. } => Err(
                "another program selected the card's application, which logs everybody out".into(),
            ),
        }
    }

    /// The open lease and when it ends, if there is one.
    pub fn lease(&self) -> Option<(&LeaseHandle, Instant)> {
        match &self.used {
            Use::Open { lease, deadline } => Some((lease, *deadline)),
            Use::Locked | Use::Collecting(..) => None,
        }
    }

    /// The challenge to be signed now.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn challenge(&mut self) -> Result<Challenge, Refusal> {
        if matches!(self.used, Use::Locked) {
            self.used = Use::Collecting(Round::new(self.verified.id().clone(), self.behaviour), 0);
        }
        match &mut self.used {
            Use::Collecting(round, _) => Ok(round.challenge(&mut self.card)?),
            Use::Locked | Use::Open { .. } => Err(Refusal::InUse),
        }
    }

    /// Presents a response.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn respond(&mut self, response: &Response) -> Result<Responded, Refusal> {
        let Use::Collecting(round, count) = &mut self.used else {
            return Err(Refusal::InUse);
        };
        let outcome = round.respond(
            &mut self.card,
            &PkaResponse {
                name: &response.name,
                key: &response.key,
                challenge: &response.challenge,
                signature: &response.signature,
            },
        )?;
        self.pka = self.card.pka_status()?;
        *count = self.pka.map_or(0, |pka| pka.authenticated);
        self.behaviour = round.behaviour();
        Ok(Responded {
            outcome,
            behaviour: self.behaviour,
        })
    }

    /// Begins a lease, if the card itself counts its quorum.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn open(&mut self, lease: LeaseHandle, deadline: Instant) -> Result<(), Refusal> {
        self.pka = self.card.pka_status()?;
        if !self
            .pka
            .is_some_and(|pka| pka.required > 0 && pka.authenticated >= pka.required)
        {
            return Err(Refusal::NotOpen);
        }
        self.used = Use::Open { lease, deadline };
        Ok(())
    }

    /// The card, under this lease and no other.
    ///
    /// # Errors
    /// [`Refusal::NotOpen`].
    pub fn under(&mut self, wanted: &LeaseHandle) -> Result<&mut SmartCardHsm, Refusal> {
        match &self.used {
            Use::Open { lease, deadline }
                if lease.is(wanted) && !lease.is_revoked() && Instant::now() < *deadline =>
            {
                Ok(&mut self.card)
            }
            Use::Locked | Use::Collecting(..) | Use::Open { .. } => Err(Refusal::NotOpen),
        }
    }

    /// Generates a key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn generate(
        &mut self,
        lease: &LeaseHandle,
        spec: &KeySpec,
    ) -> Result<AuthenticatedRequest, Refusal> {
        let (_, request) = self.under(lease)?.generate_key(spec)?;
        self.keys = self.card.list_keys()?;
        Ok(request)
    }

    /// Erases the device and sets up its quorum; no user PIN exists afterwards.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn initialise(&mut self, quorum: PkaOptions, so_pin: &SoPin) -> Result<(), Refusal> {
        self.must_be_idle()?;
        self.card
            .initialize(&InitializeOptions::Quorum(quorum), so_pin)?;
        self.open_channel()?;
        Ok(self.read()?)
    }

    /// Registers a custodian's key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn register(
        &mut self,
        file: &countersign_protocol::cvc::PkaFile,
    ) -> Result<PkaStatus, Refusal> {
        self.must_be_idle()?;
        let status = self.card.register_custodian(file)?;
        self.pka = Some(status);
        Ok(status)
    }

    fn must_be_idle(&self) -> Result<(), Refusal> {
        match self.used {
            Use::Locked => Ok(()),
            Use::Collecting(..) | Use::Open { .. } => Err(Refusal::InUse),
        }
    }

    /// Locks, then reads the keys' use counters again.
    pub fn lock_and_refresh(&mut self) -> Result<String, Refusal> {
        let proof = self.lock().map_err(|error| match error {
            NotUsable::Card(error) => Refusal::Card(error),
            other => Refusal::Unavailable(other.to_string()),
        })?;
        // A device that is lost meanwhile is noticed at the next heartbeat; the proof stands.
        if let Ok(keys) = self.card.list_keys() {
            self.keys = keys;
        }
        Ok(proof)
    }
}
