//! Requests of activations.

use std::time::Duration;

use countersign_protocol::{
    Timestamp,
    activation::{
        ActivationState, ActivationTerms, HsmName, Join, NewActivation, NewPurpose, Pool, Quorum,
    },
    audit::AuditEvent,
    dsse::canonical_digest,
    id::{ActivationId, HsmId, OperatorId},
    lease::LeaseLimits,
    limits::{self, MAX_POOL},
    purpose::{KeyName, KeySet, Purpose, Scope},
    statement::ApprovedPurpose,
    text,
};
use jiff::SignedDuration;
use sqlx::SqliteConnection;

use super::{
    ActivationError, Activations, Requester, attendance::longer, eligible::eligible, transition,
};
use crate::{
    hsm::Hsm,
    random,
    store::{self, activations::Activation},
};

fn invalid(why: impl Into<String>) -> ActivationError {
    ActivationError::Invalid(why.into())
}

impl Activations {
    /// Writes a new activation, or finds the one that it joins; the flag says whether it is new.
    ///
    /// # Errors
    /// [`ActivationError`].
    pub async fn create(
        &self,
        requester: &Requester<'_>,
        new: NewActivation,
    ) -> Result<(ActivationId, bool), ActivationError> {
        text::check(&new.reason, limits::REASON).map_err(|why| {
            invalid(format!(
                "the reason {why}; custodians read it when they decide"
            ))
        })?;
        let (hsms, purpose) = self.purpose(requester, new.hsm.as_ref(), new.purpose)?;
        let mut members = members(&hsms)?;
        // Custodians are shown one quorum: the strictest, and no HSM with a lesser one.
        let required = members.iter().map(|(_, quorum)| quorum.required).max();
        members.retain(|(_, quorum)| Some(quorum.required) == required);
        members.truncate(MAX_POOL);
        let lease = self.lease(&purpose, new.lease)?;
        let most = self.limits.max_collect_seconds;
        let collect = new.collect_seconds.unwrap_or(self.limits.collect_seconds);
        if !(1..=most).contains(&collect) {
            return Err(invalid(format!(
                "custodians can be given 1 to {most} seconds on this server"
            )));
        }
        let abandoned_after = new.abandoned_after_seconds;
        if abandoned_after == Some(0) {
            return Err(invalid("`abandonedAfterSeconds` must be at least 1"));
        }
        let scope = canonical_digest(&(&purpose, &new.reason));

        let mut tx = self.store.write().await?;
        let mut active = Vec::new();
        for hsm in &hsms {
            active.extend(store::activations::active_of(tx.connection(), hsm.id()).await?);
        }
        let joined = active
            .into_iter()
            .filter(|there| there.terms.requester.id == requester.person.id)
            .filter(|there| requester.may_use_all_of(&there.terms.purpose))
            // An explicit HSM restricts the match to single-HSM activations.
            .filter(|there| new.hsm.is_none() || there.terms.pool.is_none())
            .filter(|there| match new.join {
                Join::SamePurpose => there.scope == scope,
                Join::SameKeys => has_keys_of(&there.terms, &purpose, &new.reason),
            })
            // Prefer an activation that is already open: it needs no further approvals.
            .min_by_key(|there| !matches!(there.state, ActivationState::Open { .. }));
        if let Some(activation) = joined {
            let id = activation.terms.id.activation();
            self.attendance.asks(&id, Duration::ZERO);
            let after = longer(activation.abandoned_after, abandoned_after);
            if after != activation.abandoned_after {
                store::activations::set_abandoned_after(tx.connection(), &id, after).await?;
            }
            tx.commit().await?;
            return Ok((id, false));
        }
        let members =
            with_usable_custodians(tx.connection(), members, &requester.person.id).await?;
        let now = Timestamp::now();
        let id = ActivationId::new(random::random_grouped(8)?);
        let names = members.iter().map(|(name, _)| name.clone()).collect();
        // Several HSMs are a pool.
        let pool = Pool::new(names).ok();
        let mut activations = Vec::new();
        for (place, (hsm, quorum)) in members.into_iter().enumerate() {
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
            transition::store(&mut tx, activation).await?;
        }
        self.attendance.asks(&id, Duration::ZERO);
        tx.commit().await?;
        for activation in &activations {
            // An HSM that was removed meanwhile has no coordinator.
            if let Err(error) = self.coordinators.begin(&activation.terms.hsm.id).await {
                tracing::warn!(activation = %activation.terms.id, %error, "the HSM's coordinator could not be woken");
            }
        }
        Ok((id, true))
    }

    fn purpose(
        &self,
        requester: &Requester<'_>,
        hsm: Option<&HsmId>,
        purpose: NewPurpose,
    ) -> Result<(Vec<Hsm>, Purpose), ActivationError> {
        match purpose {
            NewPurpose::Sign { keys, scope } => {
                if !requester.may_sign {
                    return Err(ActivationError::NotARequester);
                }
                if let Scope::Manifest { files } = &scope {
                    // Reading the request does not check the names.
                    files
                        .check_names()
                        .map_err(|error| invalid(error.to_string()))?;
                }
                let mut names = Vec::new();
                let mut on: Option<Vec<Hsm>> = None;
                for key in &keys {
                    let places = self.hsms.find_key(hsm, key)?;
                    let there: Vec<_> = places.iter().map(|place| place.hsm.clone()).collect();
                    let Some(place) = places.into_iter().next() else {
                        continue;
                    };
                    let fingerprint = place.public_key.fingerprint();
                    if !requester.may_use(&place.label, &fingerprint.to_hex()) {
                        return Err(ActivationError::NotForThisKey(place.label));
                    }
                    let before = on.unwrap_or_else(|| there.clone());
                    let has = |hsm: &Hsm| there.iter().any(|other| other.id() == hsm.id());
                    let both: Vec<_> = before.iter().filter(|hsm| has(hsm)).cloned().collect();
                    if both.is_empty() {
                        return Err(invalid(format!(
                            "no HSM holds all of these keys: `{}` is on {}, the others are on {}; request each HSM separately",
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
                    return Err(ActivationError::NotAnAdmin);
                }
                text::check(&label, limits::KEY_LABEL)
                    .map_err(|why| invalid(format!("the key's label {why}")))?;
                let all = self.hsms.all();
                let hsm = match (hsm, all.as_slice()) {
                    (Some(id), _) => self.hsms.get(id)?,
                    (None, [only]) => only.clone(),
                    (None, _) => {
                        return Err(invalid("say on which HSM the key is to be generated"));
                    }
                };
                if hsm.device()?.keys.iter().any(|key| key.label == label) {
                    return Err(ActivationError::KeyLabelTaken {
                        hsm: hsm.id().clone(),
                        label,
                    });
                }
                Ok((vec![hsm], Purpose::GenerateKey { label, key_type }))
            }
        }
    }

    fn lease(
        &self,
        purpose: &Purpose,
        asked: Option<LeaseLimits>,
    ) -> Result<LeaseLimits, ActivationError> {
        let seconds = self.limits.default_seconds;
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
                return Err(ActivationError::NeedsLimits);
            }
        };
        self.limits
            .check(limits)
            .map_err(ActivationError::Invalid)?;
        Ok(limits)
    }
}

/// Those HSMs whose quorum can still be met for this requester. Without any, why not.
async fn with_usable_custodians(
    connection: &mut SqliteConnection,
    members: Vec<(HsmName, Quorum)>,
    requester: &OperatorId,
) -> Result<Vec<(HsmName, Quorum)>, ActivationError> {
    let mut refused = None;
    let mut met = Vec::new();
    for (hsm, quorum) in members {
        let registered = store::hsms::custodians(connection, &hsm.id).await?;
        let count = eligible(&registered, requester).count();
        if count >= usize::from(quorum.required) {
            met.push((hsm, quorum));
            continue;
        }
        let revoked = registered
            .iter()
            .filter(|custodian| custodian.revoked)
            .count();
        refused.get_or_insert(ActivationError::TooFewCustodians {
            hsm: hsm.id,
            required: quorum.required,
            usable: count,
            registered: registered.len(),
            revoked,
        });
    }
    match refused {
        Some(error) if met.is_empty() => Err(error),
        _ => Ok(met),
    }
}

/// The HSMs that can be opened, and by which quorum. Without any, why not.
fn members(hsms: &[Hsm]) -> Result<Vec<(HsmName, Quorum)>, ActivationError> {
    let mut refused = None;
    let mut members = Vec::new();
    for hsm in hsms {
        match member(hsm) {
            Ok(member) => members.push(member),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    match refused {
        Some(error) if members.is_empty() => Err(error),
        _ => Ok(members),
    }
}

fn member(hsm: &Hsm) -> Result<(HsmName, Quorum), ActivationError> {
    let device = hsm.device()?;
    let quorum = device
        .quorum()
        .ok_or_else(|| ActivationError::HasNoQuorum(hsm.id().clone()))?;
    if device.pka.is_some_and(|pka| pka.missing > 0) {
        return Err(ActivationError::LacksCustodians(hsm.id().clone()));
    }
    let name = HsmName {
        id: hsm.id().clone(),
        device: device.id().clone(),
    };
    Ok((name, quorum))
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
