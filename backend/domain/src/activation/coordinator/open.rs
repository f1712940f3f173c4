//! Opens the lease when the quorum is complete.

use std::sync::Arc;

use countersign_card::{KeyKind, KeySpec};
use countersign_protocol::{
    Timestamp,
    activation::EndReason,
    audit::{Actor, AuditEvent},
    cvc::{Chr, Curve, PublicKey},
    dsse::Envelope,
    id::MemberId,
    purpose::{KeyName, NewKeyType},
    text,
};

use super::{
    Coordinator,
    overdue::{Done, Overdue},
};
use crate::{
    activation::{
        ActivationError, ApprovedScope, Lease, LeaseKey,
        approval::Allowed,
        attested::attested_key,
        eligible::eligible,
        transition::{self, StateChange},
    },
    hsm::Device,
    random,
    store::{self, StoreError, activations::Activation, operators::Operator},
};

const CHANGED: &str = "a stored approval differs from the one that was counted, so another program changed the database";

impl Coordinator {
    /// Verifies all approvals again and opens the lease. Any problem ends the activation and locks the HSM.
    pub(super) async fn open(
        &mut self,
        id: &MemberId,
    ) -> Result<Option<Arc<Lease>>, ActivationError> {
        let activation = self.load(id).await?;
        let prepared = self.prepare(&activation).await;
        // An opened or failed activation never opens again.
        self.counted.forget();
        match prepared {
            Ok(lease) => {
                let lease = self.begin(activation, lease).await?;
                Ok(Some(lease))
            }
            Err(reason) => {
                self.end(activation, reason, &Actor::Server).await?;
                Ok(None)
            }
        }
    }

    /// Creates the lease.
    ///
    /// # Errors
    /// The reason why the activation ends without a lease.
    async fn prepare(&mut self, activation: &Activation) -> Result<Lease, EndReason> {
        let failed = |why: String| EndReason::Failed { why };
        let device = self.hsm.device();
        let device = device.map_err(|error| failed(error.to_string()))?;
        let approvals = self.approvals(activation).await;
        let approvals = approvals.map_err(failed)?;
        let allowed = self.expected(activation, &device).allowed(&approvals);
        let Allowed { scope, keys, lease } = allowed.map_err(failed)?;
        if let ApprovedScope::GenerateKey { label, .. } = &scope
            && device
                .keys
                .iter()
                .any(|key| text::looks_like(&key.label, label))
        {
            // Another activation has generated a key with this label since this one was requested.
            let taken = ActivationError::KeyLabelTaken {
                hsm: self.hsm.id().clone(),
                label: label.clone(),
            };
            return Err(failed(taken.to_string()));
        }
        let terms = activation.terms.clone();
        let pool = self.leases.pool_for(&terms, &scope, lease, &self.clock);
        if !pool.is(&scope, lease) {
            return Err(failed(
                "the custodians approved a different scope or lease for another HSM of the pool"
                    .into(),
            ));
        }
        // If the HSM that was opened first was lost, no thread has ended the lease at its deadline.
        if pool.is_expired() {
            return Err(EndReason::LeaseExpired);
        }
        let names = keys.iter().flatten();
        let keys = names
            .map(|name| {
                find(&device, name).ok_or_else(|| {
                    failed(format!("the key `{}` is no longer on the HSM", name.label))
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Lease::new(pool, terms, self.hsm.clone(), keys))
    }

    /// The approvals that the HSM counts, each with the custodian's key, attested again.
    ///
    /// # Errors
    /// The database no longer agrees with what was verified and counted; the text says why.
    async fn approvals(
        &self,
        activation: &Activation,
    ) -> Result<Vec<(Envelope, PublicKey)>, String> {
        let text = |error: StoreError| error.to_string();
        let mut connection = self.store.read().await.map_err(text)?;
        let terms = &activation.terms;
        let registered = store::hsms::custodians(&mut connection, self.hsm.id())
            .await
            .map_err(text)?;
        let decisions = store::activations::decisions(&mut connection, &terms.id)
            .await
            .map_err(text)?;
        let counted = self.counted.of(&terms.id);
        let stored = decisions.iter().filter(|decision| decision.is_approved());
        if stored.count() != counted.len() {
            return Err(CHANGED.into());
        }
        let mut approvals = Vec::new();
        for approval in counted {
            let key = approval.fingerprint();
            let is_stored = decisions.iter().any(|decision| {
                decision.key == key
                    && decision.is_approved()
                    && decision.statement.as_ref() == Some(&approval.statement)
            });
            if !is_stored {
                return Err(CHANGED.into());
            }
            let operator = store::operators::by_key(&mut connection, &key)
                .await
                .map_err(text)?
                .filter(Operator::is_confirmed)
                .ok_or("the key of a custodian who had approved was revoked")?;
            let person = &operator.view.person.id;
            let may = eligible(&registered, &terms.requester.id)
                .any(|custodian| custodian.key == key && custodian.person.id == *person);
            if !may {
                return Err(
                    "a person who approved is not, or no longer, a custodian who may approve this request".into(),
                );
            }
            let (attested, _) = attested_key(&operator, &key, &self.anchors)?;
            if *attested.public_key() != approval.key {
                return Err(CHANGED.into());
            }
            approvals.push((approval.statement.clone(), approval.key.clone()));
        }
        Ok(approvals)
    }

    async fn begin(
        &mut self,
        mut activation: Activation,
        lease: Lease,
    ) -> Result<Arc<Lease>, ActivationError> {
        let deadline = lease.pool.until();
        let until = deadline.wall();
        if let Err(error) = self.hsm.open_lease(&lease.handle, deadline).await {
            // The lease never opened, so its time must not run.
            if lease.pool.is_unused() {
                self.leases.remove(&activation.terms.id.activation());
            }
            // The device may count a complete quorum, so it must not stay as it is.
            let requeued = self
                .await_approvals_again("the HSM could not begin the lease".into())
                .await;
            self.log(requeued);
            return Err(error.into());
        }
        let lease = Arc::new(lease);
        // Publish the lease before the event, but hold it until the opening is committed, so that nothing is signed unrecorded.
        let id = activation.terms.id.clone();
        let held = lease.hold().await;
        lease.pool.add(lease.clone());
        let recorded = self.record_opening(&mut activation, until).await;
        if recorded.is_err() {
            lease.revoke();
            lease.pool.remove(&id);
            lease.close(EndReason::Failed {
                why: "the opening could not be stored".into(),
            });
        }
        drop(held);
        match recorded {
            Ok(()) => {
                self.coordinators.wake_others(&lease.terms);
                tracing::info!(activation = %id, %until, "lease opened");
                Ok(lease)
            }
            Err(error) => {
                // A lease that is not on record must not stay open on the HSM.
                let requeued = self
                    .await_approvals_again("the opening could not be stored".into())
                    .await;
                self.log(requeued);
                Err(error)
            }
        }
    }

    async fn record_opening(
        &mut self,
        activation: &mut Activation,
        until: Timestamp,
    ) -> Result<(), ActivationError> {
        let mut tx = self.store.write().await?;
        let change = StateChange::Open { until };
        transition::apply(&mut tx, activation, change, &Actor::Server).await?;
        Ok(tx.commit().await?)
    }

    /// Generates the key, if the activation is for that.
    pub(super) async fn after_opening(
        &mut self,
        lease: &Arc<Lease>,
    ) -> Result<(), ActivationError> {
        let ApprovedScope::GenerateKey { label, key_type } = lease.pool.scope() else {
            return Ok(());
        };
        let reason = match self.generate(lease, label, *key_type).await {
            Ok(()) => EndReason::Completed,
            Err(error) => EndReason::Failed {
                why: error.to_string(),
            },
        };
        let activation = self.load(&lease.terms.id).await?;
        if !activation.state.is_ended() {
            self.end(activation, reason, &Actor::Server).await?;
        }
        self.advance().await
    }

    async fn generate(
        &mut self,
        lease: &Lease,
        label: &str,
        key_type: NewKeyType,
    ) -> Result<(), ActivationError> {
        let name = format!("UTSK{}00001", random::random(7)?);
        let spec = KeySpec {
            kind: kind(key_type),
            label: label.to_owned(),
            chr: Chr::parse_new(&name)
                .map_err(|error| ActivationError::Invalid(error.to_string()))?,
            algorithms: None,
            use_counter: None,
        };
        let request = self.hsm.generate_key(&lease.handle, spec).await?;
        let event = AuditEvent::KeyGenerated {
            activation: lease.terms.id.clone(),
            hsm: self.hsm.id().clone(),
            label: label.to_owned(),
            key: request.public_key().fingerprint(),
        };
        // The key exists even if its audit entry cannot be stored yet.
        let stored = self
            .settle_with(Overdue::Done(Done::KeyGenerated(event)))
            .await;
        self.log(stored);
        Ok(())
    }
}

fn find(device: &Device, name: &KeyName) -> Option<LeaseKey> {
    device.keys.iter().find_map(|key| {
        let public_key = key.public_key.as_ref()?;
        (public_key.fingerprint() == name.fingerprint).then(|| LeaseKey {
            reference: key.reference,
            public_key: public_key.clone(),
            fingerprint: name.fingerprint,
            label: key.label.clone(),
        })
    })
}

fn kind(key_type: NewKeyType) -> KeyKind {
    match key_type {
        NewKeyType::EcSecp256r1 => KeyKind::Ec(Curve::Secp256r1),
        NewKeyType::EcBrainpoolP256r1 => KeyKind::Ec(Curve::BrainpoolP256r1),
        NewKeyType::EcSecp384r1 => KeyKind::Ec(Curve::Secp384r1),
        NewKeyType::Rsa2048 => KeyKind::Rsa(2048),
        NewKeyType::Rsa3072 => KeyKind::Rsa(3072),
        NewKeyType::Rsa4096 => KeyKind::Rsa(4096),
    }
}
