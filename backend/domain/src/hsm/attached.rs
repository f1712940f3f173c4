//! A connected and verified device.

use std::sync::Arc;

use countersign_card::{
    CardError, InitializeOptions, KeyDomain, KeyInfo, KeySpec, Locality, LockCheck, LockProof,
    PinKind, PinStatus, PkaOptions, SmartCardHsm, SoPin, TokenInfo, Transport, option_bits,
    pka::{Challenge, ChallengeBehaviour, PkaResponse, PkaStatus, Round},
};
use countersign_protocol::cvc::{AuthenticatedRequest, DeviceId, TrustAnchors, VerifiedDevice};

use crate::{clock::Deadline, faults::fault_point};

use super::{LeaseHandle, Refusal, Responded, Response, not_usable::NotUsable, snapshot::Device};

enum Use {
    Locked,
    /// Custodians can approve. The number is the last count of approvals that the device reported.
    AwaitingApprovals(Round, u8),
    Open {
        lease: LeaseHandle,
        deadline: Deadline,
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
    /// Whether a remote device may be used without a secure channel.
    unprotected_allowed: bool,
}

impl Attached {
    /// Selects the application, verifies the certificate chain, opens a secure channel to exactly this device, reads its state
    /// and proves that it is locked. Returns the device and the proof.
    ///
    /// # Errors
    /// The device is not genuine, not the expected one or not locked, or the connection failed.
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
            // A local reader needs no secure channel, because an attacker on that path already controls this machine.
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
        // Key domains are informational only, so a card that refuses to list them is still usable.
        self.key_domains = match self.card.key_domains() {
            Err(CardError::Refused { .. } | CardError::Malformed { .. }) => Vec::new(),
            domains => domains?,
        };
        self.warnings.clear();
        if !self.card.has_secure_channel() {
            self.warnings.push(match self.card.locality() {
                Locality::Local => {
                    "This device has no secure channel: commands between the server and the reader are not encrypted."
                }
                Locality::Remote => {
                    "This device has no secure channel: an attacker between the server and the device can read and change its \
                     commands, and can sign while it is open. The server's configuration allows this."
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
                "This device also has a user PIN, which may open it without custodians. Initialise it again to remove the PIN."
                    .into(),
            );
        }
        Ok(())
    }

    /// A copy of the device's state for a snapshot.
    pub fn to_device(&self) -> Arc<Device> {
        Arc::new(Device {
            verified: self.verified.clone(),
            info: self.info.clone(),
            version: self.card.info().version_text(),
            remote: self.card.locality() == Locality::Remote,
            secure_channel: self.card.has_secure_channel(),
            pka: self.pka,
            keys: self.keys.clone(),
            key_domains: self.key_domains.clone(),
            warnings: self.warnings.clone(),
        })
    }

    pub fn id(&self) -> &DeviceId {
        self.verified.id()
    }

    /// How long the device's challenges stay valid, as far as observed.
    pub fn behaviour(&self) -> ChallengeBehaviour {
        self.behaviour
    }

    /// Logs out and proves the lock; returns a description of the proof. Resets a device that is not proven locked after the
    /// logout, because the logout may not have reached it.
    ///
    /// # Errors
    /// The device is not proven locked even after a reset, or the connection is lost.
    pub fn lock(&mut self) -> Result<String, NotUsable> {
        self.used = Use::Locked;
        fault_point!("hsm/before log out");
        self.card.logout()?;
        fault_point!("hsm/after log out");
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

    /// Checks that the device is still in the expected state.
    ///
    /// # Errors
    /// A description of the difference, or of the lost connection.
    pub fn check(&mut self) -> Result<(), String> {
        let pka = self.card.pka_status().map_err(|error| error.to_string())?;
        let now = pka.map_or(0, |pka| pka.authenticated);
        self.pka = pka;
        match &self.used {
            Use::Locked if now == 0 => Ok(()),
            Use::Locked => {
                Err("the device counts an approval that the server did not request".into())
            }
            Use::AwaitingApprovals(_, expected) if now == *expected => Ok(()),
            // For example if the answer to a response was lost. An approval that is not on record must not stay counted.
            Use::AwaitingApprovals(_, expected) if now > *expected => {
                Err("the device counts an approval that the server has not recorded".into())
            }
            Use::Open { .. } if pka.is_some_and(|pka| now >= pka.required) => Ok(()),
            Use::AwaitingApprovals(..) | Use::Open { .. } => Err(
                "the device lost its approvals: another program may have selected its application"
                    .into(),
            ),
        }
    }

    /// The open lease and its deadline.
    pub fn lease(&self) -> Option<(&LeaseHandle, &Deadline)> {
        match &self.used {
            Use::Open { lease, deadline } => Some((lease, deadline)),
            Use::Locked | Use::AwaitingApprovals(..) => None,
        }
    }

    /// The challenge that the next custodian must sign.
    pub fn challenge(&mut self) -> Result<Challenge, Refusal> {
        if matches!(self.used, Use::Locked) {
            self.used =
                Use::AwaitingApprovals(Round::new(self.verified.id().clone(), self.behaviour), 0);
        }
        match &mut self.used {
            Use::AwaitingApprovals(round, _) => Ok(round.challenge(&mut self.card)?),
            Use::Locked | Use::Open { .. } => Err(Refusal::InUse),
        }
    }

    /// Presents a custodian's response to the device.
    pub fn respond(&mut self, response: &Response) -> Result<Responded, Refusal> {
        let Use::AwaitingApprovals(round, count) = &mut self.used else {
            return Err(Refusal::InUse);
        };
        fault_point!("hsm/before authenticate");
        let outcome = round.respond(
            &mut self.card,
            &PkaResponse {
                name: &response.name,
                key: &response.key,
                challenge: &response.challenge,
                signature: &response.signature,
            },
        )?;
        fault_point!("hsm/after authenticate");
        self.pka = self.card.pka_status()?;
        *count = self.pka.map_or(0, |pka| pka.authenticated);
        self.behaviour = round.behaviour();
        Ok(Responded {
            outcome,
            behaviour: self.behaviour,
        })
    }

    /// Begins a lease, if the device itself confirms that its quorum is complete.
    pub fn open(&mut self, lease: LeaseHandle, deadline: Deadline) -> Result<(), Refusal> {
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

    /// The card, if exactly this lease is open.
    pub fn under(&mut self, wanted: &LeaseHandle) -> Result<&mut SmartCardHsm, Refusal> {
        match &self.used {
            Use::Open { lease, deadline }
                if lease.is(wanted) && !lease.is_revoked() && !deadline.has_come() =>
            {
                Ok(&mut self.card)
            }
            Use::Locked | Use::AwaitingApprovals(..) | Use::Open { .. } => Err(Refusal::NotOpen),
        }
    }

    pub fn generate(
        &mut self,
        lease: &LeaseHandle,
        spec: &KeySpec,
    ) -> Result<AuthenticatedRequest, Refusal> {
        let card = self.under(lease)?;
        fault_point!("hsm/before generate");
        let (_, request) = card.generate_key(spec)?;
        fault_point!("hsm/after generate");
        self.keys = self.card.list_keys()?;
        Ok(request)
    }

    /// Erases the device and sets up its quorum. Afterwards it has no user PIN.
    pub fn initialise(&mut self, quorum: PkaOptions, so_pin: &SoPin) -> Result<(), Refusal> {
        self.must_be_idle()?;
        fault_point!("hsm/before initialise");
        self.card
            .initialize(&InitializeOptions::Quorum(quorum), so_pin)?;
        fault_point!("hsm/after initialise");
        self.open_channel()?;
        Ok(self.read()?)
    }

    pub fn register(
        &mut self,
        file: &countersign_protocol::cvc::PkaFile,
    ) -> Result<PkaStatus, Refusal> {
        self.must_be_idle()?;
        fault_point!("hsm/before register");
        let status = self.card.register_custodian(file)?;
        fault_point!("hsm/after register");
        self.pka = Some(status);
        Ok(status)
    }

    fn must_be_idle(&self) -> Result<(), Refusal> {
        match self.used {
            Use::Locked => Ok(()),
            Use::AwaitingApprovals(..) | Use::Open { .. } => Err(Refusal::InUse),
        }
    }

    /// Locks the device, then reads the keys' use counters again.
    pub fn lock_and_refresh(&mut self) -> Result<String, Refusal> {
        let proof = self.lock().map_err(|error| match error {
            NotUsable::Card(error) => Refusal::Card(error),
            other => Refusal::Unavailable(other.to_string()),
        })?;
        // If the device is lost here, the next heartbeat notices that; the proof remains valid.
        if let Ok(keys) = self.card.list_keys() {
            self.keys = keys;
        }
        Ok(proof)
    }
}
