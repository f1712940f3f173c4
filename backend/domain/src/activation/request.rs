//! Creates activations, or joins active ones.

use std::time::Duration;

use countersign_card::KeyInfo;
use countersign_protocol::{
    activation::{NewActivation, NewPurpose},
    cvc::{Fingerprint, PublicKey},
    dsse::canonical_digest,
    id::{ActivationId, HsmId},
    lease::LeaseLimits,
    limits,
    mechanism::{Hash, Mechanism},
    purpose::{KeyName, KeySet, Purpose, Scope},
    text,
};
use jiff::SignedDuration;

use super::{
    ActivationError, Activations, Requester,
    attendance::longer,
    members::{ids, members, with_strictest_quorum, with_usable_custodians},
    new_activation::{Request, insert},
    quota, transition,
};
use crate::{
    hsm::Hsm,
    random,
    store::{self, WriteTx, activations::Activation},
};

fn invalid(why: impl Into<String>) -> ActivationError {
    ActivationError::Invalid(why.into())
}

impl Activations {
    /// Creates an activation, or joins a matching active one. The flag says whether it is new.
    ///
    /// # Errors
    /// The request is invalid or not permitted, no HSM can carry it out, or the database fails.
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
        let members = with_strictest_quorum(members(&hsms)?);
        let lease = self.lease(&purpose, new.lease)?;
        let approval_time = self.approval_time(new.approval_seconds)?;
        let abandoned_after = new.abandoned_after_seconds;
        if abandoned_after == Some(0) {
            return Err(invalid("`abandonedAfterSeconds` must be at least 1"));
        }
        let mut tx = self.store.write().await?;
        let request = Request {
            raw_rsa: raw_rsa(&mut tx, &purpose).await?,
            scope: canonical_digest(&(&purpose, &new.reason)),
            purpose,
            reason: new.reason,
            lease,
            approval_time,
            abandoned_after,
            on_explicit_hsm: new.hsm.is_some(),
            join: new.join,
        };
        if let Some(activation) = request.joinable(&mut tx, requester, &hsms).await? {
            let id = self.join(tx, &activation, abandoned_after).await?;
            return Ok((id, false));
        }
        let members =
            with_usable_custodians(tx.connection(), members, &requester.person.id).await?;
        let id = ActivationId::new(random::random_grouped(8)?);
        let mut activations = request.into_activations(&id, requester, members, self.clock.now());
        if let Some(first) = activations.first() {
            quota::check(&mut tx, requester, first, &self.limits).await?;
        }
        for activation in &activations {
            insert(&mut tx, requester, activation).await?;
        }
        for activation in &mut activations {
            transition::store(&mut tx, activation).await?;
        }
        self.attendance.note_poll(&id, Duration::ZERO);
        tx.commit().await?;
        for activation in &activations {
            // An HSM that was removed in the meantime has no coordinator.
            if let Err(error) = self.coordinators.begin(&activation.terms.hsm.id).await {
                tracing::warn!(activation = %activation.terms.id, %error, "waking the HSM's coordinator failed");
            }
        }
        Ok((id, true))
    }

    /// How long custodians can approve the request.
    fn approval_time(&self, requested: Option<u32>) -> Result<SignedDuration, ActivationError> {
        let longest = self.limits.max_approval_seconds;
        let seconds = requested.unwrap_or(self.limits.approval_seconds);
        if !(1..=longest).contains(&seconds) {
            return Err(invalid(format!(
                "the time for approvals is {seconds} s: choose 1 to {longest} s"
            )));
        }
        Ok(SignedDuration::from_secs(i64::from(seconds)))
    }

    /// Joins an active activation. Of the two limits for abandoned requests, the longer one applies.
    async fn join(
        &self,
        mut tx: WriteTx,
        activation: &Activation,
        abandoned_after: Option<u32>,
    ) -> Result<ActivationId, ActivationError> {
        let id = activation.terms.id.activation();
        self.attendance.note_poll(&id, Duration::ZERO);
        let after = longer(activation.abandoned_after, abandoned_after);
        if after != activation.abandoned_after {
            store::activations::set_abandoned_after(tx.connection(), &id, after).await?;
        }
        tx.commit().await?;
        Ok(id)
    }

    /// Resolves the requested keys, and checks the requester's permissions. Returns the HSMs that can carry out the purpose.
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
                    // Reading the request checks neither the names nor the size.
                    files
                        .check_new()
                        .map_err(|error| invalid(error.to_string()))?;
                }
                let (hsms, keys) = self.signing_keys(requester, hsm, &keys, &scope)?;
                Ok((hsms, Purpose::Sign { keys, scope }))
            }
            NewPurpose::GenerateKey { label, key_type } => {
                if !requester.may_generate {
                    return Err(ActivationError::NotAnAdmin);
                }
                text::check_name(&label, limits::KEY_LABEL)
                    .map_err(|why| invalid(format!("the key's label {why}")))?;
                let all = self.hsms.all();
                let hsm = match (hsm, all.as_slice()) {
                    (Some(id), _) => self.hsms.get(id)?,
                    (None, [only]) => only.clone(),
                    (None, _) => {
                        return Err(invalid("name the HSM on which to generate the key"));
                    }
                };
                let looks_alike = |key: &KeyInfo| text::looks_like(&key.label, &label);
                if hsm.device()?.keys.iter().any(looks_alike) {
                    return Err(ActivationError::KeyLabelTaken {
                        hsm: hsm.id().clone(),
                        label,
                    });
                }
                Ok((vec![hsm], Purpose::GenerateKey { label, key_type }))
            }
        }
    }

    /// The requested keys, and the HSMs that hold all of them.
    fn signing_keys(
        &self,
        requester: &Requester<'_>,
        hsm: Option<&HsmId>,
        keys: &[String],
        scope: &Scope,
    ) -> Result<(Vec<Hsm>, KeySet), ActivationError> {
        let mut names = Vec::new();
        let mut public_keys = Vec::new();
        let mut common: Option<Vec<Hsm>> = None;
        for key in keys {
            let places = self.hsms.find_key(hsm, key)?;
            let holders: Vec<_> = places.iter().map(|place| place.hsm.clone()).collect();
            let Some(place) = places.into_iter().next() else {
                continue;
            };
            let fingerprint = place.public_key.fingerprint();
            if !requester.may_use(&place.label, &fingerprint.to_hex()) {
                return Err(ActivationError::NotForThisKey(place.label));
            }
            let before = common.unwrap_or_else(|| holders.clone());
            let holds = |hsm: &Hsm| holders.iter().any(|holder| holder.id() == hsm.id());
            let both: Vec<_> = before.iter().filter(|hsm| holds(hsm)).cloned().collect();
            if both.is_empty() {
                return Err(invalid(format!(
                    "no HSM holds all of these keys: `{}` is on {}, the others are on {}; request the keys of each HSM \
                     separately",
                    place.label,
                    ids(&holders),
                    ids(&before)
                )));
            }
            common = Some(both);
            public_keys.push(place.public_key);
            names.push(KeyName {
                label: place.label,
                fingerprint,
            });
        }
        check_hashes(scope, &public_keys)?;
        let keys = KeySet::new(names).map_err(|error| invalid(error.to_string()))?;
        let hsms = common.ok_or_else(|| invalid("the request names no key: name at least one"))?;
        Ok((hsms, keys))
    }

    fn lease(
        &self,
        purpose: &Purpose,
        requested: Option<LeaseLimits>,
    ) -> Result<LeaseLimits, ActivationError> {
        let seconds = self.limits.default_seconds;
        let limits = match (requested, purpose) {
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

/// Checks that one of the keys can sign each file by the hash function of its digest.
fn check_hashes(scope: &Scope, keys: &[PublicKey]) -> Result<(), ActivationError> {
    let Scope::Manifest { files } = scope else {
        return Ok(());
    };
    let possible: Vec<_> = keys.iter().flat_map(Mechanism::of_key).collect();
    let can = |hash: Hash| {
        possible
            .iter()
            .any(|mechanism| mechanism.hash() == Some(hash))
    };
    match files.files().iter().find(|file| !can(file.digest.hash())) {
        None => Ok(()),
        Some(file) => Err(invalid(format!(
            "no requested key can sign the {} digest of the file \"{}\": list digests for {}",
            file.digest.hash_name(),
            text::printable(&file.name),
            text::any_of(&possible.iter().map(ToString::to_string).collect::<Vec<_>>())
        ))),
    }
}

/// The keys with which raw RSA is allowed now. Custodians read and sign this, so a later change of the setting has no effect on
/// the activation.
async fn raw_rsa(tx: &mut WriteTx, purpose: &Purpose) -> Result<Vec<Fingerprint>, ActivationError> {
    let Purpose::Sign {
        keys,
        scope: Scope::Open,
    } = purpose
    else {
        return Ok(Vec::new());
    };
    let mut allowed = Vec::new();
    for key in keys.iter() {
        let record = store::keys::load(tx.connection(), &key.fingerprint).await?;
        if record.settings.raw_rsa {
            allowed.push(key.fingerprint);
        }
    }
    Ok(allowed)
}
