//! Signing acts, and carrying them out after the last signature.

use std::time::Duration;

use countersign_card::SoPin;
use countersign_protocol::{
    Timestamp,
    act::{Act, ActOutcome, ActResult, ActSignature, ActState, NewAct},
    audit::{Actor, AuditEvent},
    digest::Sha256Digest,
    dsse::Envelope,
    hsm::{InitialiseHsm, RegisterCustodian},
    id::ActId,
    remote::AcceptDevice,
    statement::ActStatement,
};
use tracing::Instrument;

use super::{ActError, Acts, Signer, load, signers};
use crate::{
    activation::ActivationError,
    events::Change,
    hsm::so_pin,
    mandate::Mandate,
    store::{self, StoreError, WriteTx, acts::StoredAct},
};

/// The pause after which a result is stored again, if the database failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The result of a signature.
pub type Signed = Result<ActOutcome, ActError>;

/// A signature that was verified.
struct Verified {
    act: StoredAct,
    signer: Signer,
    envelope: Envelope,
    /// SHA-256 over the payload.
    statement: Sha256Digest,
}

impl Verified {
    fn actor(&self) -> Actor {
        Actor::Operator {
            person: self.signer.person.clone(),
        }
    }

    /// Whether no signature is missing after this one.
    fn is_last(&self) -> bool {
        self.act.view.signed_by.len() + 1 >= usize::from(self.act.terms().signatures)
    }
}

/// Work of an HSM, or of the list of HSMs. It takes time, so it is not part of a transaction.
enum Outside {
    Initialise(InitialiseHsm, SoPin),
    Register(RegisterCustodian),
    Accept(AcceptDevice),
}

impl Acts {
    /// Counts a person's signature. If it is the last one, the act is carried out before this returns, even if the caller leaves.
    ///
    /// # Errors
    /// The signature is rejected, or the act could not be carried out. The signature then does not count.
    pub async fn sign(&self, signer: Signer, id: ActId, envelope: Envelope) -> Signed {
        let acts = self.clone();
        let work = async move { acts.sign_to_the_end(signer, &id, envelope).await };
        tokio::spawn(work.in_current_span())
            .await
            .unwrap_or(Err(ActError::Panicked))
    }

    async fn sign_to_the_end(&self, signer: Signer, id: &ActId, envelope: Envelope) -> Signed {
        let mut connection = self.store.read().await?;
        let verified = self.verify(&mut connection, signer, id, envelope).await?;
        if verified.is_last() {
            self.check_facts(&mut connection, &verified.act).await?;
        }
        drop(connection);
        let so_pin = match (&verified.act.proposal, verified.is_last()) {
            (NewAct::InitialiseHsm(initialise), true) => {
                Some(so_pin::obtain(&self.data_dir, &initialise.hsm).await?)
            }
            _ => None,
        };
        // The state may have changed meanwhile, so everything is checked again in the transaction.
        let Verified {
            signer, envelope, ..
        } = verified;
        let mut tx = self.store.write().await?;
        let verified = self.verify(tx.connection(), signer, id, envelope).await?;
        self.count(&mut tx, &verified).await?;
        if !verified.is_last() {
            tx.commit().await?;
            return self.outcome(id, ActResult::Nothing).await;
        }
        self.check_facts(tx.connection(), &verified.act).await?;
        let mandate = Mandate::signed_by(verified.signer.person.clone());
        match (verified.act.proposal.clone(), so_pin) {
            (NewAct::InitialiseHsm(initialise), Some(so_pin)) => {
                let outside = Outside::Initialise(initialise, so_pin);
                self.carry_out(tx, verified, mandate, outside).await
            }
            // It became the last signature only just now.
            (NewAct::InitialiseHsm(_), None) => Err(ActError::Changed("somebody else signed it")),
            (NewAct::RegisterCustodian(register), _) => {
                let outside = Outside::Register(register);
                self.carry_out(tx, verified, mandate, outside).await
            }
            (NewAct::AcceptDevice(accept), _) => {
                let outside = Outside::Accept(accept);
                self.carry_out(tx, verified, mandate, outside).await
            }
            (NewAct::InvitePerson(new), _) => {
                let created = self.services.people.invite(&mut tx, &mandate, new).await?;
                self.conclude(tx, &verified, ActResult::Invitation(created))
                    .await
            }
            (NewAct::ConfirmKey(confirm), _) => {
                let people = &self.services.people;
                people.confirm_key(&mut tx, &mandate, &confirm).await?;
                self.conclude(tx, &verified, ActResult::Nothing).await
            }
            (NewAct::CreateToken(new), _) => {
                let certificate = verified.act.certificate.clone();
                let tokens = &self.services.tokens;
                let created = tokens.create(&mut tx, &mandate, &new, certificate).await?;
                self.conclude(tx, &verified, ActResult::Token(created))
                    .await
            }
            (NewAct::AllowRawRsa(allow), _) => {
                let keys = &self.services.keys;
                keys.allow_raw_rsa(&mut tx, &mandate, &allow.key).await?;
                self.conclude(tx, &verified, ActResult::Nothing).await
            }
        }
    }

    /// Verifies the statement, and that this person can sign the act.
    async fn verify(
        &self,
        connection: &mut sqlx::SqliteConnection,
        signer: Signer,
        id: &ActId,
        envelope: Envelope,
    ) -> Result<Verified, ActError> {
        let act = load(connection, id).await?;
        let operator = signers::check(connection, &act, &signer).await?;
        let signed: ActStatement = envelope
            .verify(&operator.view.key.public_key)
            .map_err(|error| ActError::Statement(error.to_string()))?;
        let identity = self.identity.identity();
        let expected = ActStatement {
            terms: act.terms().clone(),
            origin: identity.origin.clone(),
            server_key: self.identity.fingerprint(),
            key: signer.key,
            at: signed.at,
        };
        if signed != expected {
            return Err(ActError::Statement(
                "it was signed for another act, origin, server or key: reload the page and sign again"
                    .into(),
            ));
        }
        let statement = Sha256Digest::of(envelope.payload.as_bytes());
        if store::acts::is_used(connection, &statement).await? {
            return Err(ActError::Statement(
                "it was presented before: sign again".into(),
            ));
        }
        Ok(Verified {
            act,
            signer,
            envelope,
            statement,
        })
    }

    /// Checks that what was signed is still what would be done.
    async fn check_facts(
        &self,
        connection: &mut sqlx::SqliteConnection,
        act: &StoredAct,
    ) -> Result<(), ActError> {
        let proposer = &act.terms().proposer;
        let certificate = act.certificate.as_ref();
        let now = self.facts(connection, proposer, &act.proposal, certificate);
        if now.await? == act.terms().act {
            return Ok(());
        }
        Err(ActError::Changed(match act.terms().act {
            Act::InitialiseHsm { .. } => "the HSM or its keys changed",
            _ => "what it is about changed",
        }))
    }

    /// Stores the signature in a transaction.
    async fn count(&self, tx: &mut WriteTx, verified: &Verified) -> Result<(), ActError> {
        let id = &verified.act.terms().id;
        let signature = ActSignature {
            person: verified.signer.person.clone(),
            key: verified.signer.key,
            at: Timestamp::now(),
        };
        let statement = &verified.statement;
        store::acts::insert_signature(tx.connection(), id, &signature, statement).await?;
        let event = AuditEvent::ActSigned {
            act: id.clone(),
            key: verified.signer.key,
            statement: verified.envelope.clone(),
        };
        tx.audit(&verified.actor(), event).await?;
        tx.changed(Change::Acts);
        Ok(())
    }

    /// Commits the signature together with what was done in the same transaction.
    async fn conclude(&self, mut tx: WriteTx, verified: &Verified, result: ActResult) -> Signed {
        let id = &verified.act.terms().id;
        end(&mut tx, id, &verified.actor()).await?;
        tx.commit().await?;
        self.outcome(id, result).await
    }

    /// Commits the signature, has the act carried out, and stores the result, as soon as the database can.
    async fn carry_out(
        &self,
        mut tx: WriteTx,
        verified: Verified,
        mandate: Mandate,
        outside: Outside,
    ) -> Signed {
        let id = verified.act.terms().id.clone();
        store::acts::set_state(tx.connection(), &id, &ActState::CarryingOut, None).await?;
        tx.commit().await?;
        let result = self.work(&mandate, outside).await;
        while let Err(error) = self.store_result(&verified, &result).await {
            tracing::error!(act = %id, %error, "the result of an act cannot be stored yet");
            tokio::time::sleep(PAUSE).await;
        }
        result?;
        self.outcome(&id, ActResult::Nothing).await
    }

    async fn work(&self, mandate: &Mandate, outside: Outside) -> Result<(), ActError> {
        let services = &self.services;
        match outside {
            Outside::Initialise(initialise, so_pin) => {
                let activations = &services.activations;
                Ok(activations.initialise(mandate, initialise, so_pin).await?)
            }
            Outside::Register(register) => {
                Ok(services.activations.register(mandate, register).await?)
            }
            Outside::Accept(accept) => Ok(services.devices.accept(mandate, &accept).await?),
        }
    }

    async fn store_result(
        &self,
        verified: &Verified,
        result: &Result<(), ActError>,
    ) -> Result<(), StoreError> {
        let id = &verified.act.terms().id;
        let mut tx = self.store.write().await?;
        match result {
            // The device has done it, and the coordinator stores it as soon as it can.
            Ok(()) | Err(ActError::Activation(ActivationError::NotStored(_))) => {
                end(&mut tx, id, &verified.actor()).await?;
            }
            Err(error) => {
                let why = error.to_string();
                store::acts::void_signature(tx.connection(), &verified.statement).await?;
                let waiting = ActState::AwaitingSignatures;
                store::acts::set_state(tx.connection(), id, &waiting, Some(&why)).await?;
                let event = AuditEvent::ActFailed {
                    act: id.clone(),
                    why,
                };
                tx.audit(&Actor::Server, event).await?;
            }
        }
        tx.changed(Change::Acts);
        tx.commit().await
    }

    async fn outcome(&self, id: &ActId, result: ActResult) -> Signed {
        Ok(ActOutcome {
            act: self.get(id).await?,
            result,
        })
    }
}

/// Marks an act as carried out.
async fn end(tx: &mut WriteTx, id: &ActId, actor: &Actor) -> Result<(), StoreError> {
    store::acts::set_state(tx.connection(), id, &ActState::CarriedOut, None).await?;
    tx.audit(actor, AuditEvent::ActCarriedOut { act: id.clone() })
        .await
}
