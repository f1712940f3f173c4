//! Asking for an activation.

use std::time::Duration;

use countersign_protocol::{
    Timestamp,
    activation::{
        ActivationState, ActivationTerms, ActivationView, HsmName, Join, NewActivation, NewPurpose,
        Pool, Quorum,
    },
    audit::{Actor, AuditEvent},
    dsse::canonical_digest,
    id::{ActivationId, HsmId},
    lease::LeaseLimits,
    limits::{self, MAX_POOL},
    operator::Person,
    purpose::{KeyName, KeySet, Purpose, Scope},
    statement::ApprovedPurpose,
    text,
};
use jiff::SignedDuration;

use super::{ActivationError, attendance::longer, transition};
use crate::{
    app::App,
    code,
    hsm::{Hsm, HsmError},
    store::{self, activations::Activation},
};

/// Who asks.
#[derive(Clone, Debug)]
pub struct Requester<'a> {
    /// Who.
    pub person: &'a Person,
    /// For the audit log.
    pub actor: &'a Actor,
    /// Whether they may ask for signatures.
    pub may_sign: bool,
    /// Whether they may ask for new keys.
    pub may_generate: bool,
    /// Keys that they may ask for; empty: every key.
    pub keys: &'a [String],
}

impl Requester<'_> {
    /// Whether this key is one of those that may be asked for.
    pub fn may_use(&self, label: &str, fingerprint: &str) -> bool {
        self.keys.is_empty()
            || self
                .keys
                .iter()
                .any(|key| key == label || key == fingerprint)
    }

    /// Whether an activation for this is theirs to see: who is for some keys has no part in others, nor in new ones.
    pub fn may_use_all_of(&self, purpose: &Purpose) -> bool {
        match purpose {
            Purpose::Sign { keys, .. } => keys
                .iter()
                .all(|key| self.may_use(&key.label, &key.fingerprint.to_hex())),
            Purpose::GenerateKey { .. } => self.keys.is_empty(),
        }
    }
}

fn invalid(why: impl Into<String>) -> ActivationError {
    ActivationError::Invalid(why.into())
}

/// Writes a new activation, or finds the one that it joins; the flag says whether it is new.
///
/// # Errors
/// [`ActivationError`].
pub async fn create(
    app: &App,
    requester: &Requester<'_>,
    new: NewActivation,
) -> Result<(ActivationView, bool), ActivationError> {
    text::check(&new.reason, limits::REASON).map_err(|why| {
        invalid(format!(
            "the reason {why}; custodians read it when they decide"
        ))
    })?;
    let (hsms, purpose) = purpose(app, requester, new.hsm.as_ref(), new.purpose)?;
    let mut seats = seats(&hsms)?;
    // Custodians are shown one quorum: the strictest, and no HSM with a lesser one.
    let required = seats.iter().map(|(_, quorum)| quorum.required).max();
    seats.retain(|(_, quorum)| Some(quorum.required) == required);
    seats.truncate(MAX_POOL);
    let lease = lease(app, &purpose, new.lease)?;
    let most = app.config.lease.max_collect_seconds;
    let collect = new
        .collect_seconds
        .unwrap_or(app.config.lease.collect_seconds);
    if !(1..=most).contains(&collect) {
        return Err(invalid(format!(
            "custodians may take 1 to {most} seconds here"
        )));
    }
    let abandoned_after = new.abandoned_after_seconds;
    if abandoned_after == Some(0) {
        return Err(invalid(
            "a request of which nobody may be out of reach is withdrawn at once: say after how many seconds",
        ));
    }
    let scope = canonical_digest(&(&purpose, &new.reason));

    let mut tx = app.store.write().await?;
    let mut active = Vec::new();
    for hsm in &hsms {
        active.extend(store::activations::active_of(tx.connection(), hsm.id()).await?);
    }
    let joined = active
        .into_iter()
        .filter(|there| there.terms.requester.id == requester.person.id)
        .filter(|there| requester.may_use_all_of(&there.terms.purpose))
        // Who names an HSM means no other.
        .filter(|there| new.hsm.is_none() || there.terms.pool.is_none())
        .filter(|there| match new.join {
            Join::SamePurpose => there.scope == scope,
            Join::SameKeys => has_keys_of(&there.terms, &purpose, &new.reason),
        })
        // What is open already keeps nobody waiting.
        .min_by_key(|there| !matches!(there.state, ActivationState::Open { .. }));
    if let Some(activation) = joined {
        let id = activation.terms.id.activation();
        app.activations.attendance().asks(&id, Duration::ZERO);
        let after = longer(activation.abandoned_after, abandoned_after);
        if after != activation.abandoned_after {
            store::activations::set_abandoned_after(tx.connection(), &id, after).await?;
        }
        let view = super::by_id(tx.connection(), app, &id).await?;
        tx.commit().await?;
        return Ok((view, false));
    }
    let now = Timestamp::now();
    let id = ActivationId::new(code::random_grouped(8)?);
    let names = seats.iter().map(|(name, _)| name.clone()).collect();
    // One HSM is no pool.
    let pool = Pool::new(names).ok();
    let mut activations = Vec::new();
    for (place, (hsm, quorum)) in seats.into_iter().enumerate() {
        let terms = ActivationTerms {
            id: id.member(place),
            hsm,
            pool: pool.clone(),
            purpose: purpose.clone(),
            requester: requester.person.clone(),
            reason: new.reason.clone(),
            lease,
            quorum,
            requested_at: now,
            expires_at: now + SignedDuration::from_secs(i64::from(collect)),
        };
        let activation = Activation {
            scope,
            state: ActivationState::Queued,
            was_open: false,
            authenticated: 0,
            notice: None,
            revision: 0,
            abandoned_after,
            terms,
        };
        store::activations::insert(tx.connection(), &activation).await?;
        let terms = &activation.terms;
        tx.audit(
            requester.actor,
            AuditEvent::ActivationRequested {
                activation: terms.id.clone(),
                hsm: terms.hsm.id.clone(),
                purpose: ApprovedPurpose::of(&terms.purpose),
                reason: terms.reason.clone(),
                lease,
                terms: terms.digest(),
            },
        )
        .await?;
        activations.push(activation);
    }
    for activation in &mut activations {
        transition::store(app, &mut tx, activation).await?;
    }
    app.activations.attendance().asks(&id, Duration::ZERO);
    tx.commit().await?;
    for activation in &activations {
        // It waits for an HSM that has gone meanwhile.
        if let Err(error) = app.activations.begin(&activation.terms.hsm.id).await {
            tracing::warn!("activation {}: {error}", activation.terms.id);
        }
    }
    let mut connection = app.store.read().await?;
    let view = super::by_id(&mut connection, app, &id).await?;
    Ok((view, true))
}

/// The HSMs that can be opened, and by which quorum. Without any, why not.
fn seats(hsms: &[Hsm]) -> Result<Vec<(HsmName, Quorum)>, ActivationError> {
    let mut refused = None;
    let mut seats = Vec::new();
    for hsm in hsms {
        match seat(hsm) {
            Ok(seat) => seats.push(seat),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    match refused {
        Some(error) if seats.is_empty() => Err(error),
        _ => Ok(seats),
    }
}

fn seat(hsm: &Hsm) -> Result<(HsmName, Quorum), ActivationError> {
    let device = hsm.device()?;
    let quorum = device.quorum().ok_or_else(|| {
        ActivationError::Conflict(format!(
            "HSM {} has no quorum yet: an admin has to initialise it",
            hsm.id()
        ))
    })?;
    if device.pka.is_some_and(|pka| pka.missing > 0) {
        return Err(ActivationError::Conflict(format!(
            "HSM {} still lacks custodians: an admin has to register them",
            hsm.id()
        )));
    }
    let name = HsmName {
        id: hsm.id().clone(),
        device: device.id().clone(),
    };
    Ok((name, quorum))
}

fn purpose(
    app: &App,
    requester: &Requester<'_>,
    hsm: Option<&HsmId>,
    purpose: NewPurpose,
) -> Result<(Vec<Hsm>, Purpose), ActivationError> {
    match purpose {
        NewPurpose::Sign { keys, scope } => {
            if !requester.may_sign {
                return Err(ActivationError::NotAllowed(
                    "only requesters ask for signatures".into(),
                ));
            }
            let mut names = Vec::new();
            let mut on: Option<Vec<Hsm>> = None;
            for key in &keys {
                let places = app.hsms.find_key(hsm, key)?;
                let there: Vec<_> = places.iter().map(|place| place.hsm.clone()).collect();
                let Some(place) = places.into_iter().next() else {
                    continue;
                };
                let fingerprint = place.public_key.fingerprint();
                if !requester.may_use(&place.label, &fingerprint.to_hex()) {
                    return Err(ActivationError::NotAllowed(format!(
                        "this token is not for the key `{}`: make one that is",
                        place.label
                    )));
                }
                let before = on.unwrap_or_else(|| there.clone());
                let has = |hsm: &Hsm| there.iter().any(|other| other.id() == hsm.id());
                let both: Vec<_> = before.iter().filter(|hsm| has(hsm)).cloned().collect();
                if both.is_empty() {
                    return Err(invalid(format!(
                        "no HSM has all of these keys: `{}` is on {}, the others are on {}; ask for each HSM by itself",
                        place.label,
                        words(&there),
                        words(&before)
                    )));
                }
                on = Some(both);
                names.push(KeyName {
                    label: place.label,
                    fingerprint,
                });
            }
            let keys = KeySet::new(names).map_err(|error| invalid(error.to_string()))?;
            let hsms = on.ok_or_else(|| invalid("name at least one key"))?;
            Ok((hsms, Purpose::Sign { keys, scope }))
        }
        NewPurpose::GenerateKey { label, key_type } => {
            if !requester.may_generate {
                return Err(ActivationError::NotAllowed(
                    "only admins ask for new keys".into(),
                ));
            }
            text::check(&label, limits::KEY_LABEL)
                .map_err(|why| invalid(format!("the key's label {why}")))?;
            let all = app.hsms.all();
            let hsm = match (hsm, all.as_slice()) {
                (Some(id), _) => app.hsms.get(id)?,
                (None, [only]) => only.clone(),
                (None, _) => return Err(invalid("say on which HSM the key is to be generated")),
            };
            if hsm.device()?.keys.iter().any(|key| key.label == label) {
                return Err(ActivationError::Conflict(format!(
                    "HSM {} has a key called `{label}` already: choose another label",
                    hsm.id()
                )));
            }
            Ok((vec![hsm], Purpose::GenerateKey { label, key_type }))
        }
    }
}

fn words(hsms: &[Hsm]) -> String {
    let names: Vec<_> = hsms.iter().map(|hsm| hsm.id().as_str()).collect();
    names.join(", ")
}

/// Whether an activation opens what is wanted for the same reason, whatever may be signed under it.
fn has_keys_of(there: &ActivationTerms, wanted: &Purpose, reason: &str) -> bool {
    match (&there.purpose, wanted) {
        (Purpose::Sign { keys, .. }, Purpose::Sign { keys: wanted, .. }) => {
            keys.covers(wanted) && there.reason == reason
        }
        _ => false,
    }
}

fn lease(
    app: &App,
    purpose: &Purpose,
    asked: Option<LeaseLimits>,
) -> Result<LeaseLimits, ActivationError> {
    let seconds = app.config.lease.default_seconds;
    let limits = match (asked, purpose) {
        (_, Purpose::GenerateKey { .. }) => LeaseLimits {
            seconds,
            signatures: 1,
        },
        (Some(limits), _) => limits,
        (
            None,
            Purpose::Sign {
                scope: Scope::Manifest { files },
                ..
            },
        ) => LeaseLimits {
            seconds,
            signatures: u32::try_from(files.distinct()).unwrap_or(u32::MAX),
        },
        (
            None,
            Purpose::Sign {
                scope: Scope::Open, ..
            },
        ) => {
            return Err(HsmError::Invalid(
                "an open scope needs limits: say for how long, and for how many signatures".into(),
            )
            .into());
        }
    };
    app.config
        .lease
        .check(limits)
        .map_err(ActivationError::Invalid)?;
    Ok(limits)
}
