//! Initialises HSMs and registers custodians.

use countersign_card::{CardError, PkaOptions, SoPin};
use countersign_protocol::{
    activation::Quorum,
    audit::{Actor, AuditEvent},
    cvc::Fingerprint,
    hsm::InitialiseHsm,
    operator::{Person, Role},
    text::count,
};

use super::{
    Coordinator,
    overdue::{Done, Overdue},
};
use crate::{
    activation::{ActivationError, attested::attested_key},
    hsm::HsmError,
    store::{self, operators::Operator},
};

impl Coordinator {
    pub(super) async fn initialise(
        &mut self,
        actor: &Actor,
        quorum: PkaOptions,
        request: &InitialiseHsm,
        so_pin: SoPin,
    ) -> Result<(), ActivationError> {
        self.must_be_unused().await?;
        let device = self.hsm.device()?.id().clone();
        self.hsm.initialise(quorum, so_pin).await.map_err(|error| match error {
            HsmError::Card(CardError::WrongPin { tries_left }) => HsmError::SoPin(format!(
                "the SO-PIN on the server is wrong, and nothing was erased ({} left): correct the SO-PIN before you try again, \
                 because the device can never be initialised again once no tries are left",
                count(tries_left, "try")
            )),
            HsmError::Card(CardError::PinBlocked) => {
                HsmError::SoPin("the SO-PIN is blocked, so this device can never be initialised again: replace it".into())
            }
            other => other,
        })?;
        let Quorum { required, total } = request.quorum;
        let event = AuditEvent::HsmInitialised {
            hsm: self.hsm.id().clone(),
            device,
            quorum: Quorum { required, total },
            allow_replace: request.allow_replace,
        };
        self.settle_with(Overdue::Done(Done::Initialised {
            admin: actor.clone(),
            event,
        }))
        .await
    }

    pub(super) async fn register(
        &mut self,
        actor: &Actor,
        admin: &Person,
        key: &Fingerprint,
    ) -> Result<(), ActivationError> {
        self.must_be_unused().await?;
        let device = self.hsm.device()?;
        let pka = device
            .pka
            .ok_or(HsmError::Card(CardError::PkaNotConfigured))?;
        if pka.missing == 0 {
            return Err(ActivationError::AllRegistered);
        }
        let mut connection = self.store.read().await?;
        let operator = store::operators::by_key(&mut connection, key)
            .await?
            .filter(Operator::is_confirmed)
            .ok_or_else(|| ActivationError::UnknownKey)?;
        let person = operator.view.person.clone();
        if !operator.view.roles.contains(&Role::Custodian) {
            return Err(ActivationError::NotACustodian(person.name));
        }
        let registered = store::hsms::custodians(&mut connection, self.hsm.id()).await?;
        if registered.iter().any(|registered| registered.key == *key) {
            return Err(ActivationError::RegisteredAlready(person.name));
        }
        drop(connection);
        let (_, file) =
            attested_key(&operator, key, &self.anchors).map_err(ActivationError::Rejected)?;
        self.hsm.register(file).await?;
        let event = AuditEvent::CustodianRegistered {
            hsm: self.hsm.id().clone(),
            person,
            key: *key,
        };
        self.settle_with(Overdue::Done(Done::Registered {
            admin: actor.clone(),
            by: admin.id.clone(),
            key: *key,
            event,
        }))
        .await
    }

    async fn must_be_unused(&self) -> Result<(), ActivationError> {
        if self.active().await?.is_empty() {
            Ok(())
        } else {
            Err(ActivationError::HsmBusy)
        }
    }
}
