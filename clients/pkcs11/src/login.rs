//! Opening the HSM: an activation is asked for or joined, and its quorum waited for.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
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
    report,
    rv::{Result, Rv},
    system::{self, Signals},
    wait::{self, Outcome},
};

/// Who is logged in where.
#[derive(Default)]
pub struct Logins {
    /// Slots after `C_Login`.
    slots: Mutex<HashMap<CK_SLOT_ID, Login>>,
    /// Keys that the first `C_SignInit` opened.
    keys: Mutex<HashMap<(CK_SLOT_ID, Fingerprint), ActivationId>>,
    /// Held by whoever waits: a second one finds the first one's result.
    waiting: Mutex<()>,
}

/// What a `C_Login` opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Signatures are made under this activation.
    Activation(ActivationId),
    /// Signatures are only written down.
    Recording,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Logins {
    /// What was opened by `C_Login`.
    pub fn of_slot(&self, slot: CK_SLOT_ID) -> Option<Login> {
        lock(&self.slots).get(&slot).cloned()
    }

    /// What was opened by the first `C_SignInit` of this key.
    pub fn of_key(&self, slot: CK_SLOT_ID, key: &Fingerprint) -> Option<ActivationId> {
        lock(&self.keys).get(&(slot, *key)).cloned()
    }

    /// Whether `C_Login` was called for this slot, and the lease not found over since.
    pub fn is_logged_in(&self, slot: CK_SLOT_ID) -> bool {
        lock(&self.slots).contains_key(&slot)
    }

    /// Notes a recording.
    pub fn record(&self, slot: CK_SLOT_ID) {
        lock(&self.slots).insert(slot, Login::Recording);
    }

    /// Forgets a login; the lease goes on for others.
    pub fn forget(&self, slot: CK_SLOT_ID) -> bool {
        lock(&self.keys).retain(|(of, _), _| *of != slot);
        lock(&self.slots).remove(&slot).is_some()
    }

    /// Forgets everything that stands on this activation: it is over.
    pub fn over(&self, activation: &ActivationId) {
        lock(&self.keys).retain(|_, of| of != activation);
        lock(&self.slots).retain(|_, login| *login != Login::Activation(activation.clone()));
    }

    /// `C_Login`: opens every key that the settings name, or every one that the API token may use.
    ///
    /// # Errors
    /// `CKR_USER_ALREADY_LOGGED_IN`; why it was not opened.
    pub fn open_slot(
        &self,
        client: &Client,
        settings: &ActivationSettings,
        (slot, token): (&Slot, &Token),
        finalized: impl Fn() -> bool,
    ) -> Result<()> {
        if self.is_logged_in(slot.id) {
            return Err(Rv(ck::CKR_USER_ALREADY_LOGGED_IN));
        }
        let waiting = lock(&self.waiting);
        if self.is_logged_in(slot.id) {
            return Err(Rv(ck::CKR_USER_ALREADY_LOGGED_IN));
        }
        let keys = chosen(settings, slot, token)?;
        let activation = open(client, settings, slot, &keys, finalized)?;
        lock(&self.slots).insert(slot.id, Login::Activation(activation));
        drop(waiting);
        Ok(())
    }

    /// The first `C_SignInit` of a key, where that is what waits.
    ///
    /// # Errors
    /// Why it was not opened.
    pub fn open_key(
        &self,
        client: &Client,
        settings: &ActivationSettings,
        slot: &Slot,
        key: &SigningKeyView,
        finalized: impl Fn() -> bool,
    ) -> Result<ActivationId> {
        // What is open need not wait for whoever waits for another key.
        if let Some(open) = self.of_key(slot.id, &key.fingerprint) {
            return Ok(open);
        }
        let waiting = lock(&self.waiting);
        if let Some(open) = self.of_key(slot.id, &key.fingerprint) {
            return Ok(open);
        }
        let activation = open(client, settings, slot, &[key], finalized)?;
        lock(&self.keys).insert((slot.id, key.fingerprint), activation.clone());
        drop(waiting);
        Ok(activation)
    }
}

/// The keys to be opened.
fn chosen<'a>(
    settings: &ActivationSettings,
    slot: &Slot,
    token: &'a Token,
) -> Result<Vec<&'a SigningKeyView>> {
    let keys: Vec<_> = token
        .keys
        .iter()
        .filter(|key| is_named(settings, &key.label, &key.fingerprint))
        .collect();
    if keys.is_empty() {
        let there: Vec<_> = token.keys.iter().map(|key| printable(&key.label)).collect();
        report::line(&format!(
            "none of the keys {} of COUNTERSIGN_KEYS or the configuration is on the HSM {}, which has {}",
            settings.keys.join(", "),
            slot.hsm,
            there.join(", ")
        ));
        return Err(Rv(ck::CKR_FUNCTION_FAILED));
    }
    Ok(keys)
}

/// Whether the settings name this key. An activation that they name says itself which keys it opens.
fn is_named(settings: &ActivationSettings, label: &str, key: &Fingerprint) -> bool {
    settings.activation.is_some()
        || settings.keys.is_empty()
        || settings
            .keys
            .iter()
            .any(|name| name == label || *name == key.to_hex())
}

/// Whether all that was approved has been signed. A later program of the build may ask for some of it again.
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
) -> Result<ActivationId> {
    let signals = Signals::watch();
    let patience = patience(settings);
    let found = wait::reach(patience, &signals, &finalized, || {
        find(client, settings, keys)
    });
    let (view, ours) = match found {
        Ok(found) => found,
        Err(error) => {
            report::line(&format!("the HSM {} was not opened: {error}", slot.hsm));
            return Err(Rv::of_client(&error));
        }
    };
    let id = view.terms.id.clone();
    if !covers(&view, keys) {
        report::line(&format!(
            "activation {id} is for {}, not for {} on the HSM {}",
            countersign_client::words::purpose(&view.terms.purpose),
            labels(keys),
            slot.hsm
        ));
        return Err(Rv(ck::CKR_FUNCTION_FAILED));
    }
    if settings.activation.is_some() && is_complete(&view.state) {
        report::line(&format!(
            "everything that activation {id} is for was signed: the same again is answered from the record"
        ));
        return Ok(id);
    }
    if !matches!(view.state, ActivationState::Open { .. }) && !view.state.is_ended() {
        wait::announce(&view, !ours);
    }
    match wait::until_open(client, view, patience, &signals, finalized) {
        Outcome::Open(view) => {
            if let ActivationState::Open { until, left, .. } = &view.state {
                report::line(&format!(
                    "the HSM {} is open under activation {id}: {} left, until {}",
                    slot.hsm,
                    count(*left as usize, "signature"),
                    time(until)
                ));
            }
            Ok(id)
        }
        Outcome::Ended(reason, how) => {
            report::line(&format!(
                "the HSM {} was not opened: activation {id} is over: {how}",
                slot.hsm
            ));
            Err(Rv::of_end(&reason))
        }
        Outcome::Failed(error) => {
            report::line(&format!(
                "the HSM {} was not opened: {error}. Run this again soon to join activation {id}: the server withdraws it \
                 when no program waits for it any more",
                slot.hsm
            ));
            Err(Rv::of_client(&error))
        }
        Outcome::Finalized => Err(Rv(ck::CKR_FUNCTION_CANCELED)),
        Outcome::Interrupted => {
            report::line(&withdraw(client, &id, ours));
            Err(Rv(ck::CKR_FUNCTION_CANCELED))
        }
    }
}

fn patience(settings: &ActivationSettings) -> Duration {
    Duration::from_secs(settings.patience_seconds.into())
}

/// The activation to wait for, and whether it was asked for here.
fn find(
    client: &Client,
    settings: &ActivationSettings,
    keys: &[&SigningKeyView],
) -> std::result::Result<(ActivationView, bool), countersign_client::ClientError> {
    if let Some(id) = &settings.activation {
        return Ok((client.activation(id)?, false));
    }
    let requested = client.request_activation(&NewActivation {
        // On every HSM that has them.
        hsm: None,
        purpose: NewPurpose::Sign {
            keys: keys.iter().map(|key| key.fingerprint.to_hex()).collect(),
            scope: Scope::Open,
        },
        reason: settings.reason.clone().unwrap_or_else(usual_reason),
        lease: Some(LeaseLimits {
            seconds: settings.lease_seconds,
            signatures: settings.signatures,
        }),
        collect_seconds: settings.collect_seconds,
        abandoned_after_seconds: countersign_client::abandoned_after(patience(settings)),
        join: Join::SameKeys,
    })?;
    Ok((requested.activation, !requested.joined))
}

/// The same for every program of a build, so that they join each other's activation.
fn usual_reason() -> String {
    let host = system::host_name().unwrap_or_else(|| "an unnamed machine".into());
    match std::env::var("USER").or_else(|_| std::env::var("LOGNAME")) {
        Ok(user) if !user.is_empty() => format!("PKCS#11 programs of {user} on {host}"),
        _ => format!("PKCS#11 programs on {host}"),
    }
}

fn covers(view: &ActivationView, keys: &[&SigningKeyView]) -> bool {
    let Purpose::Sign { keys: open, .. } = &view.terms.purpose else {
        return false;
    };
    // With an activation that was named, whatever it opens is what can be used.
    keys.iter().any(|key| open.get(&key.fingerprint).is_some())
}

fn labels(keys: &[&SigningKeyView]) -> String {
    let labels: Vec<_> = keys.iter().map(|key| printable(&key.label)).collect();
    labels.join(", ")
}

fn withdraw(client: &Client, id: &ActivationId, ours: bool) -> String {
    if !ours {
        return format!(
            "interrupted; activation {id} was asked for by another program and stays: `countersign activation lock \
             {id}` ends it"
        );
    }
    match client.lock(id) {
        Ok(_) => format!("interrupted; activation {id} is cancelled, nothing was signed"),
        Err(error) => format!(
            "interrupted, but activation {id} could not be cancelled ({error}): `countersign activation lock {id}`"
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
    fn an_open_key_does_not_wait_for_another_one() {
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
        let logins = Logins::default();
        let open = ActivationId::new("8K3F");
        lock(&logins.keys).insert((slot.id, key.fingerprint), open.clone());
        let waiting = lock(&logins.waiting);
        let settings = ActivationSettings::default();
        let found = logins.open_key(&client, &settings, &slot, &key, || false);
        assert_eq!(found, Ok(open));
        drop(waiting);
    }

    #[test]
    fn only_a_complete_activation_is_of_use_after_its_end() {
        let ended = |reason| ActivationState::Ended {
            reason,
            at: Timestamp::UNIX_EPOCH,
        };
        assert!(is_complete(&ended(EndReason::Completed)));
        for reason in [
            EndReason::Declined,
            EndReason::TimeUsed,
            EndReason::CountUsed,
        ] {
            assert!(!is_complete(&ended(reason)));
        }
        assert!(!is_complete(&ActivationState::Collecting));
    }

    #[test]
    fn a_named_activation_says_itself_which_keys_it_opens() {
        let key = Fingerprint([1; 32]);
        let mut settings = ActivationSettings {
            keys: vec!["firmware".into()],
            ..ActivationSettings::default()
        };
        assert!(is_named(&settings, "firmware", &key));
        assert!(!is_named(&settings, "other", &key));
        settings.activation = Some(ActivationId::new("8K3F"));
        assert!(is_named(&settings, "other", &key));
    }
}
