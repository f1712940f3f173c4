//! Opens the HSM: requests or joins an activation, and waits for its quorum.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use countersign_client::{
    ActivationSettings, Client,
    words::{count, printable, time},
};
use countersign_protocol::{
    activation::{ActivationState, ActivationView, EndReason, Join, NewActivation, NewPurpose},
    cvc::Fingerprint,
    hsm::SigningKeyView,
    id::ActivationId,
    lease::LeaseLimits,
    purpose::{Purpose, Scope},
};
use cryptoki_sys as ck;
use cryptoki_sys::CK_SLOT_ID;

use crate::{
    directory::{Slot, Token},
    lease::{Ask, Lease},
    report,
    rv::{Result, Rv},
    system::{self, Signals},
    wait::{self, Outcome},
};

/// The logins of the process.
#[derive(Default)]
pub struct Logins {
    /// Slots after `C_Login`.
    slots: Mutex<HashMap<CK_SLOT_ID, Login>>,
    /// Keys that the first `C_SignInit` opened.
    keys: Mutex<HashMap<(CK_SLOT_ID, Fingerprint), Arc<Lease>>>,
    /// Locked during a wait, so that a second thread finds the result of the first one.
    waiting: Mutex<()>,
}

/// The result of a `C_Login`.
#[derive(Clone, Debug)]
pub enum Login {
    /// Signatures are made under this lease.
    Lease(Arc<Lease>),
    /// Signatures are only recorded.
    Recording,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Logins {
    /// The login of a slot by `C_Login`.
    pub fn of_slot(&self, slot: CK_SLOT_ID) -> Option<Login> {
        lock(&self.slots).get(&slot).cloned()
    }

    /// The activation that the first `C_SignInit` of this key opened.
    pub fn of_key(&self, slot: CK_SLOT_ID, key: &Fingerprint) -> Option<Arc<Lease>> {
        lock(&self.keys).get(&(slot, *key)).cloned()
    }

    /// Whether `C_Login` was called for this slot, and the end of its lease was not noticed yet.
    pub fn is_logged_in(&self, slot: CK_SLOT_ID) -> bool {
        lock(&self.slots).contains_key(&slot)
    }

    pub fn start_recording(&self, slot: CK_SLOT_ID) {
        lock(&self.slots).insert(slot, Login::Recording);
    }

    /// Removes the logins of a slot. The lease stays open for other processes. Returns whether `C_Login` was called.
    pub fn forget(&self, slot: CK_SLOT_ID) -> bool {
        lock(&self.keys).retain(|(of, _), _| *of != slot);
        lock(&self.slots).remove(&slot).is_some()
    }

    /// Removes the logins under an activation that has ended.
    pub fn forget_activation(&self, activation: &ActivationId) {
        lock(&self.keys).retain(|_, lease| lease.activation != *activation);
        lock(&self.slots).retain(|_, login| match login {
            Login::Lease(lease) => lease.activation != *activation,
            Login::Recording => true,
        });
    }

    /// Ends the login of a slot if its lease has ended, and reports why.
    pub fn notice_end(&self, client: &Client, slot: &Slot, ask: Ask) {
        if let Some(Login::Lease(lease)) = self.of_slot(slot.id) {
            self.is_over(client, slot, &lease, ask);
        }
    }

    /// Whether the lease has ended. Its logins end with it, and the reason is reported.
    fn is_over(&self, client: &Client, slot: &Slot, lease: &Lease, ask: Ask) -> bool {
        let Some(sentence) = lease.end(client, ask) else {
            return false;
        };
        report::line(&format!(
            "HSM {} is locked for this program again, because {sentence}",
            slot.hsm
        ));
        self.forget_activation(&lease.activation);
        true
    }

    /// The lease of a key, if it is still open.
    fn open_lease(&self, client: &Client, slot: &Slot, key: &Fingerprint) -> Option<Arc<Lease>> {
        self.of_key(slot.id, key)
            .filter(|lease| !self.is_over(client, slot, lease, Ask::Seldom))
    }

    /// `C_Login`: opens the keys in the settings, or every key that the API token may use.
    ///
    /// # Errors
    /// The slot is logged in already, or the HSM was not opened. The reason is reported on standard error.
    pub fn open_slot(
        &self,
        client: &Client,
        settings: &ActivationSettings,
        (slot, token): (&Slot, &Token),
        finalized: impl Fn() -> bool,
    ) -> Result<()> {
        // A lease that has ended without this program's doing must not prevent a new login.
        self.notice_end(client, slot, Ask::Now);
        if self.is_logged_in(slot.id) {
            return Err(Rv(ck::CKR_USER_ALREADY_LOGGED_IN));
        }
        let waiting = lock(&self.waiting);
        if self.is_logged_in(slot.id) {
            return Err(Rv(ck::CKR_USER_ALREADY_LOGGED_IN));
        }
        let keys = configured_keys(settings, slot, token)?;
        let lease = open(client, settings, slot, &keys, finalized)?;
        lock(&self.slots).insert(slot.id, Login::Lease(Arc::new(lease)));
        drop(waiting);
        Ok(())
    }

    /// The first `C_SignInit` of a key, if `wait_in` is `sign`.
    ///
    /// # Errors
    /// The HSM was not opened. The reason is reported on standard error.
    pub fn open_key(
        &self,
        client: &Client,
        settings: &ActivationSettings,
        slot: &Slot,
        key: &SigningKeyView,
        finalized: impl Fn() -> bool,
    ) -> Result<()> {
        // An open key is returned without the lock, because another thread may wait for another key.
        if self.open_lease(client, slot, &key.fingerprint).is_some() {
            return Ok(());
        }
        let waiting = lock(&self.waiting);
        if self.open_lease(client, slot, &key.fingerprint).is_some() {
            return Ok(());
        }
        let lease = open(client, settings, slot, &[key], finalized)?;
        lock(&self.keys).insert((slot.id, key.fingerprint), Arc::new(lease));
        drop(waiting);
        Ok(())
    }
}

/// The keys to open: those in the settings, or all.
fn configured_keys<'a>(
    settings: &ActivationSettings,
    slot: &Slot,
    token: &'a Token,
) -> Result<Vec<&'a SigningKeyView>> {
    let keys: Vec<_> = token
        .keys
        .iter()
        .filter(|key| is_configured(settings, &key.label, &key.fingerprint))
        .collect();
    if keys.is_empty() {
        report::line(&format!(
            "HSM {} holds none of the keys that COUNTERSIGN_KEYS or the configuration names ({}): name at least one of {}",
            slot.hsm,
            settings.keys.join(", "),
            labels(&token.keys.iter().collect::<Vec<_>>())
        ));
        return Err(Rv(ck::CKR_FUNCTION_FAILED));
    }
    Ok(keys)
}

/// Whether the settings allow this key. With a configured activation, the activation alone determines the keys.
fn is_configured(settings: &ActivationSettings, label: &str, key: &Fingerprint) -> bool {
    settings.activation.is_some()
        || settings.keys.is_empty()
        || settings
            .keys
            .iter()
            .any(|name| name == label || *name == key.to_hex())
}

/// Whether everything that was approved has been signed. A later program of the build may request the same signatures
/// again.
const fn is_complete(state: &ActivationState) -> bool {
    matches!(
        state,
        ActivationState::Ended {
            reason: EndReason::Completed,
            ..
        }
    )
}

fn open(
    client: &Client,
    settings: &ActivationSettings,
    slot: &Slot,
    keys: &[&SigningKeyView],
    finalized: impl Fn() -> bool,
) -> Result<Lease> {
    let signals = Signals::watch();
    let retry_time = retry_time(settings);
    let found = wait::retry_while_unreachable(retry_time, &signals, &finalized, || {
        find_or_request(client, settings, keys)
    });
    let (view, is_ours) = found.map_err(|error| {
        report::line(&format!("HSM {} was not opened: {error}", slot.hsm));
        Rv::of_client(&error)
    })?;
    let id = view.id();
    if !covers(&view, keys) {
        report::line(&format!(
            "activation {id} is to {}, which does not include key {} of HSM {}: name another activation in COUNTERSIGN_ACTIVATION, or unset it",
            countersign_client::words::purpose(&view.terms.purpose),
            labels(keys),
            slot.hsm
        ));
        return Err(Rv(ck::CKR_FUNCTION_FAILED));
    }
    if settings.activation.is_some() && is_complete(&view.state) {
        report::line(&format!(
            "activation {id} is complete; repeated requests return the recorded signatures"
        ));
        return Ok(Lease::new(&view, true));
    }
    if !matches!(view.state, ActivationState::Open { .. }) && !view.state.is_ended() {
        wait::announce(&view, !is_ours);
    }
    let outcome = wait::until_open(client, view, retry_time, &signals, finalized);
    let view = finish_open(client, slot, id, is_ours, outcome)?;
    Ok(Lease::new(&view, settings.activation.is_some()))
}

/// Reports the outcome of the wait, and converts it to the return value.
fn finish_open(
    client: &Client,
    slot: &Slot,
    id: ActivationId,
    is_ours: bool,
    outcome: Outcome,
) -> Result<Box<ActivationView>> {
    match outcome {
        Outcome::Open(view) => {
            if let ActivationState::Open { until, left, .. } = &view.state {
                report::line(&format!(
                    "HSM {} is open under activation {id} until {}, {} left",
                    slot.hsm,
                    time(until),
                    count(*left, "signature")
                ));
            }
            Ok(view)
        }
        Outcome::Ended { reason, sentence } => {
            report::line(&format!(
                "HSM {} was not opened, because {sentence}",
                slot.hsm
            ));
            Err(Rv::of_end(&reason))
        }
        Outcome::Failed(error) => {
            report::line(&format!(
                "HSM {} was not opened: {error}. Run the program again soon to join activation {id}, because the server \
                 abandons an activation that no program polls",
                slot.hsm
            ));
            Err(Rv::of_client(&error))
        }
        Outcome::Finalized => Err(Rv(ck::CKR_FUNCTION_CANCELED)),
        Outcome::Interrupted => {
            report::line(&cancel(client, &id, is_ours));
            Err(Rv(ck::CKR_FUNCTION_CANCELED))
        }
    }
}

/// How long to retry while the server is unreachable.
fn retry_time(settings: &ActivationSettings) -> Duration {
    Duration::from_secs(settings.patience_seconds.into())
}

/// Returns the activation to wait for, and whether this call requested it.
fn find_or_request(
    client: &Client,
    settings: &ActivationSettings,
    keys: &[&SigningKeyView],
) -> std::result::Result<(ActivationView, bool), countersign_client::ClientError> {
    if let Some(id) = &settings.activation {
        return Ok((client.activation(id)?, false));
    }
    let requested = client.request_activation(&NewActivation {
        // Any HSM that holds the keys may sign.
        hsm: None,
        purpose: NewPurpose::Sign {
            keys: keys.iter().map(|key| key.fingerprint.to_hex()).collect(),
            scope: Scope::Open,
        },
        reason: settings.reason.clone().unwrap_or_else(default_reason),
        lease: Some(LeaseLimits {
            seconds: settings.lease_seconds,
            signatures: settings.signatures,
        }),
        approval_seconds: settings.approval_seconds,
        abandoned_after_seconds: countersign_client::abandoned_after(retry_time(settings)),
        join: Join::SameKeys,
    })?;
    Ok((requested.activation, !requested.joined))
}

/// A reason that is the same for all programs of a build, so that they join one activation.
fn default_reason() -> String {
    let host = system::host_name().unwrap_or_else(|| "an unnamed machine".into());
    match std::env::var("USER").or_else(|_| std::env::var("LOGNAME")) {
        Ok(user) if !user.is_empty() => format!("PKCS#11 programs of {user} on {host}"),
        _ => format!("PKCS#11 programs on {host}"),
    }
}

/// Whether the activation is for at least one of the keys. A configured activation need not be for all of them.
fn covers(view: &ActivationView, keys: &[&SigningKeyView]) -> bool {
    let Purpose::Sign { keys: approved, .. } = &view.terms.purpose else {
        return false;
    };
    keys.iter()
        .any(|key| approved.get(&key.fingerprint).is_some())
}

fn labels(keys: &[&SigningKeyView]) -> String {
    let labels: Vec<_> = keys.iter().map(|key| printable(&key.label)).collect();
    labels.join(", ")
}

/// Cancels the activation, if this call requested it, and returns a message about the result.
fn cancel(client: &Client, id: &ActivationId, is_ours: bool) -> String {
    if !is_ours {
        return format!(
            "interrupted; activation {id} was requested by another program and stays active; to end it, run \
             `countersign activation lock {id}`"
        );
    }
    match client.lock(id) {
        Ok(_) => format!("interrupted; activation {id} was cancelled and nothing was signed"),
        Err(error) => format!(
            "interrupted, but activation {id} could not be cancelled: {error}. To cancel it, run \
             `countersign activation lock {id}`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::{
        Timestamp,
        cvc::{Curve, EcSecretKey},
        id::HsmId,
    };

    use super::*;

    #[test]
    fn an_open_key_does_not_wait_for_another_key() {
        let secret = EcSecretKey::from_bytes(Curve::Secp256r1, &[7; 32])
            .unwrap_or_else(|error| unreachable!("{error}"));
        let public_key = secret.public_key();
        let key = SigningKeyView {
            hsm: HsmId::new("release"),
            label: "firmware".into(),
            fingerprint: public_key.fingerprint(),
            id: "01".into(),
            kind: public_key.kind(),
            public_key,
            certificate: None,
            mechanisms: Vec::new(),
            uses_left: None,
            attested: true,
        };
        let slot = Slot {
            id: 1,
            hsm: HsmId::new("release"),
            token: None,
        };
        let client =
            Client::anonymous("http://127.0.0.1:1").unwrap_or_else(|error| unreachable!("{error}"));
        let lease = Lease::unchecked(ActivationId::new("8K3F"));
        let logins = Logins::default();
        lock(&logins.keys).insert((slot.id, key.fingerprint), Arc::new(lease));
        let waiting = lock(&logins.waiting);
        let settings = ActivationSettings::default();
        let found = logins.open_key(&client, &settings, &slot, &key, || false);
        assert_eq!(found, Ok(()));
        drop(waiting);
    }

    #[test]
    fn only_a_completed_activation_can_be_used_after_its_end() {
        let ended = |reason| ActivationState::Ended {
            reason,
            at: Timestamp::UNIX_EPOCH,
        };
        assert!(is_complete(&ended(EndReason::Completed)));
        for reason in [
            EndReason::Declined,
            EndReason::LeaseExpired,
            EndReason::SignatureLimitReached,
        ] {
            assert!(!is_complete(&ended(reason)));
        }
        assert!(!is_complete(&ActivationState::AwaitingApprovals));
    }

    #[test]
    fn a_configured_activation_overrides_the_configured_keys() {
        let key = Fingerprint([1; 32]);
        let mut settings = ActivationSettings {
            keys: vec!["firmware".into()],
            ..ActivationSettings::default()
        };
        assert!(is_configured(&settings, "firmware", &key));
        assert!(!is_configured(&settings, "other", &key));
        settings.activation = Some(ActivationId::new("8K3F"));
        assert!(is_configured(&settings, "other", &key));
    }
}
