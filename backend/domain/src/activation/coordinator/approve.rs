//! Creates the tasks for custodians, and processes their approvals and declines.

use std::sync::Arc;

use countersign_card::pka::{Challenge, RespondOutcome};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationTerms, Decision, EndReason, SignedApproval},
    audit::{Actor, AuditEvent},
    cvc::EcSignature,
    digest::Sha256Digest,
    dsse::Envelope,
    encoding::Base64,
    hsm::RegisteredCustodian,
    id::MemberId,
    limits,
    task::{ApproveTask, Task},
    text,
};

use sqlx::SqliteConnection;

use super::{
    Coordinator,
    custodian::must_await_approvals,
    overdue::{Overdue, Place},
};
use crate::{
    activation::{
        ActivationError, Lease,
        approval::Expected,
        attested::attested_key,
        command::{Approved, Custodian},
        counted::CountedApproval,
        eligible::willing,
        forget::forget,
        transition,
    },
    hsm::{Device, Responded, Response},
    store::{
        self, StoreError,
        activations::{Activation, StoredDecision},
        hsms::KnownDevice,
        operators::Operator,
    },
};

/// How long an approval task is valid, in seconds. Custodians need time to find the card and the PIN.
const TASK_SECONDS: i64 = 10 * 60;

fn refused(why: impl std::fmt::Display) -> ActivationError {
    ActivationError::Rejected(why.to_string())
}

fn operator_actor(custodian: &Custodian) -> Actor {
    Actor::Operator {
        person: custodian.person.clone(),
    }
}

impl Coordinator {
    /// The values that a valid approval of this activation must contain.
    pub(super) fn expected<'a>(&self, activation: &'a Activation, device: &Device) -> Expected<'a> {
        Expected {
            terms: &activation.terms,
            device_certificate: Sha256Digest::of(device.verified.chain().device.raw()),
            server_key: self.identity.fingerprint(),
        }
    }

    pub(super) async fn task(
        &mut self,
        id: &MemberId,
        custodian: &Custodian,
    ) -> Result<Envelope, ActivationError> {
        let activation = self.load(id).await?;
        must_await_approvals(&activation)?;
        let (_, decision) = self.custodian(&activation, custodian).await?;
        if matches!(decision, Decision::Approved { .. }) {
            return Err(ActivationError::AlreadyApproved);
        }
        self.approve_task(&activation, custodian).await
    }

    async fn approve_task(
        &mut self,
        activation: &Activation,
        custodian: &Custodian,
    ) -> Result<Envelope, ActivationError> {
        let device = self.hsm.device()?;
        let challenge = self.hsm.challenge().await?;
        let mut connection = self.store.read().await?;
        let task = Task::Approve(Box::new(ApproveTask {
            terms: activation.terms.clone(),
            device_certificates: Base64(device.verified.chain().to_ef()),
            challenge: Base64(challenge.as_bytes().to_vec()),
            remote: device.remote,
            key: custodian.key,
            approved_by: approved(&mut connection, &activation.terms).await?,
        }));
        Ok(self.identity.task(task, TASK_SECONDS)?)
    }

    /// Verifies the signed statement before anything is sent to the HSM, then presents the response to the HSM.
    pub(super) async fn approve(
        &mut self,
        id: &MemberId,
        custodian: &Custodian,
        signed: &SignedApproval,
    ) -> Result<(Approved, Option<Arc<Lease>>), ActivationError> {
        let activation = self.load(id).await?;
        must_await_approvals(&activation)?;
        let (operator, decision) = self.custodian(&activation, custodian).await?;
        if matches!(decision, Decision::Approved { .. }) {
            return Err(ActivationError::AlreadyApproved);
        }
        let device = self.hsm.device()?;
        let challenge = Challenge::new(signed.challenge.as_bytes()).map_err(refused)?;
        let (attested, _) =
            attested_key(&operator, &custodian.key, &self.anchors).map_err(refused)?;
        let key = attested.public_key();
        self.expected(&activation, &device)
            .verify(
                &signed.statement,
                key,
                challenge.as_bytes(),
                Timestamp::now(),
            )
            .map_err(refused)?;
        let curve = key
            .curve()
            .ok_or_else(|| refused("the custodian's key must be an EC key"))?;
        let signature =
            EcSignature::from_plain(signed.response.as_bytes(), curve).map_err(refused)?;
        let response = Response {
            name: attested.chr().clone(),
            key: key.clone(),
            challenge,
            signature,
        };
        let responded = self.hsm.respond(response).await?;
        let approval = CountedApproval {
            key: key.clone(),
            statement: signed.statement.clone(),
        };
        let stored = self
            .responded(activation, custodian, approval, &device, responded)
            .await;
        if let Err(ActivationError::Store(error)) = stored {
            // The HSM may count an approval that is not on record, so log it out before anything else.
            tracing::error!(activation = %id, %error, "storing an approval failed, so the HSM is logged out");
            if let Err(error) = self.hsm.lock().await {
                tracing::error!(activation = %id, %error, "the HSM could not be proven locked");
            }
            let why = "an approval could not be stored".into();
            let requeued = self
                .settle_with(Overdue::Requeue {
                    why,
                    place: Place::Same,
                })
                .await;
            self.log(requeued);
            return Err(ActivationError::NotStored(
                "your approval could not be stored, so it does not count: every custodian must approve again".into(),
            ));
        }
        stored
    }

    /// Stores the HSM's answer to a response, and opens the lease if the quorum is complete.
    async fn responded(
        &mut self,
        activation: Activation,
        custodian: &Custodian,
        approval: CountedApproval,
        device: &Device,
        responded: Responded,
    ) -> Result<(Approved, Option<Arc<Lease>>), ActivationError> {
        let id = &activation.terms.id.clone();
        let mut tx = self.store.write().await?;
        let known = KnownDevice {
            device: device.id().clone(),
            behaviour: responded.behaviour,
        };
        store::hsms::remember_device(tx.connection(), self.hsm.id(), &known).await?;
        tx.commit().await?;
        match responded.outcome {
            RespondOutcome::WrongSignature => Err(refused(
                "its response is not a signature of the HSM's challenge by this key; approve again",
            )),
            RespondOutcome::StaleChallenge => {
                let task = self.approve_task(&activation, custodian).await?;
                Ok((Approved::SignAgain { task }, None))
            }
            RespondOutcome::NeedsFreshChallenge {
                others_forgotten,
                status,
            } => {
                self.card_forgot(activation, others_forgotten, status.authenticated)
                    .await?;
                let activation = self.load(id).await?;
                let task = self.approve_task(&activation, custodian).await?;
                Ok((Approved::SignAgain { task }, None))
            }
            RespondOutcome::Counted(status) | RespondOutcome::AlreadyCounted(status) => {
                self.count(activation, custodian, approval, status.authenticated)
                    .await?;
                if status.authenticated < status.required {
                    return Ok((Approved::Counted, None));
                }
                Ok((Approved::Counted, self.open(id).await?))
            }
        }
    }

    async fn card_forgot(
        &mut self,
        mut activation: Activation,
        others: bool,
        authenticated: u8,
    ) -> Result<(), ActivationError> {
        let mut tx = self.store.write().await?;
        if others {
            self.counted.forget();
            let why = "the HSM needed a fresh challenge, which reset its earlier approvals";
            forget(&mut tx, &mut activation, why).await?;
        }
        activation.authenticated = authenticated;
        transition::store(&mut tx, &mut activation).await?;
        Ok(tx.commit().await?)
    }

    async fn count(
        &mut self,
        mut activation: Activation,
        custodian: &Custodian,
        approval: CountedApproval,
        authenticated: u8,
    ) -> Result<(), ActivationError> {
        let id = activation.terms.id.clone();
        let mut tx = self.store.write().await?;
        let event = AuditEvent::Approved {
            activation: id.clone(),
            key: custodian.key,
            statement: Sha256Digest::of(approval.statement.payload.as_bytes()),
            approvals: authenticated,
        };
        let decision = StoredDecision {
            key: custodian.key,
            decision: Decision::Approved {
                at: Timestamp::now(),
            },
            statement: Some(approval.statement.clone()),
        };
        store::activations::put_decision(tx.connection(), &id, &decision).await?;
        tx.audit(&operator_actor(custodian), event).await?;
        activation.authenticated = authenticated;
        transition::store(&mut tx, &mut activation).await?;
        tx.commit().await?;
        self.counted.add(&id, approval);
        self.prolong_turn();
        tracing::info!(activation = %id, person = custodian.person.name, key = %custodian.key, approvals = authenticated, "a custodian approved");
        Ok(())
    }

    pub(super) async fn decline(
        &mut self,
        id: &MemberId,
        custodian: &Custodian,
        reason: String,
    ) -> Result<(), ActivationError> {
        text::check(&reason, limits::REASON)
            .map_err(|why| ActivationError::Invalid(format!("the reason {why}")))?;
        let mut activation = self.load(id).await?;
        if !matches!(activation.state, ActivationState::Queued) {
            must_await_approvals(&activation)?;
        }
        let (_, before): (Operator, _) = self.custodian(&activation, custodian).await?;
        if matches!(before, Decision::Approved { .. }) {
            return Err(ActivationError::ApprovedBeforeDeclining);
        }
        let actor = operator_actor(custodian);
        let mut tx = self.store.write().await?;
        let decision = StoredDecision {
            key: custodian.key,
            decision: Decision::Declined {
                at: Timestamp::now(),
                reason: reason.clone(),
            },
            statement: None,
        };
        store::activations::put_decision(tx.connection(), id, &decision).await?;
        tx.audit(
            &actor,
            AuditEvent::Declined {
                activation: id.clone(),
                reason,
            },
        )
        .await?;
        transition::store(&mut tx, &mut activation).await?;
        let willing = willing(tx.connection(), &activation.terms).await?.count;
        tx.commit().await?;
        if willing < usize::from(activation.terms.quorum.required) {
            return self
                .end(activation, EndReason::Declined, &Actor::Server)
                .await;
        }
        Ok(())
    }
}

/// The names of the custodians who have approved, in the order of their registration.
async fn approved(
    connection: &mut SqliteConnection,
    terms: &ActivationTerms,
) -> Result<Vec<String>, StoreError> {
    let registered = store::hsms::custodians(connection, &terms.hsm.id).await?;
    let decisions = store::activations::decisions(connection, &terms.id).await?;
    let has_approved = |custodian: &RegisteredCustodian| {
        decisions.iter().any(|decision| {
            decision.key == custodian.key && matches!(decision.decision, Decision::Approved { .. })
        })
    };
    let approved = registered.into_iter().filter(has_approved);
    Ok(approved.map(|custodian| custodian.person.name).collect())
}
