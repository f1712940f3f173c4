//! The facts that the signers of an act have to know. They are looked up when the act is proposed, and must still be true when it
//! is carried out.

use countersign_card::PkaOptions;
use countersign_protocol::{
    act::{Act, HeldKey, NewAct},
    activation::HsmName,
    hsm::{InitialiseHsm, RegisterCustodian},
    operator::{ConfirmKey, NewInvitation, Person},
    token::TokenCertificate,
};
use sqlx::SqliteConnection;

use super::{ActError, Acts};
use crate::{
    activation::ActivationError,
    hsm::{Device, HsmError},
    people,
    store::{self, operators::Operator},
    tokens,
};

impl Acts {
    /// Looks up what a proposal means now.
    ///
    /// # Errors
    /// It is invalid, or not possible now.
    pub(super) async fn facts(
        &self,
        connection: &mut SqliteConnection,
        proposer: &Person,
        proposal: &NewAct,
        certificate: Option<&TokenCertificate>,
    ) -> Result<Act, ActError> {
        match proposal {
            NewAct::InvitePerson(new) => {
                let NewInvitation { name, roles, .. } = people::invitation::checked(new.clone())?;
                Ok(Act::InvitePerson { name, roles })
            }
            NewAct::ConfirmKey(confirm) => confirmation(connection, proposer, confirm).await,
            NewAct::RegisterCustodian(register) => self.registration(connection, register).await,
            NewAct::InitialiseHsm(initialise) => self.initialisation(initialise),
            NewAct::AcceptDevice(accept) => {
                self.services.devices.check(connection, accept).await?;
                Ok(Act::AcceptDevice {
                    device: accept.device.clone(),
                    hsm: accept.hsm.clone(),
                })
            }
            NewAct::CreateToken(new) => {
                tokens::check(new)?;
                Ok(Act::CreateToken {
                    label: new.label.clone(),
                    owner: proposer.clone(),
                    keys: new.keys.clone(),
                    days: new.days,
                    certificate: certificate.map(|certificate| certificate.fingerprint),
                })
            }
            NewAct::AllowRawRsa(allow) => Ok(Act::AllowRawRsa {
                key: self.services.keys.rsa_key(&allow.key)?,
            }),
        }
    }

    async fn registration(
        &self,
        connection: &mut SqliteConnection,
        RegisterCustodian { hsm, key }: &RegisterCustodian,
    ) -> Result<Act, ActError> {
        let device = self.services.hsms.get(hsm)?.device()?;
        let quorum = device
            .quorum()
            .ok_or_else(|| ActivationError::HasNoQuorum(hsm.clone()))?;
        let operator = store::operators::by_key(connection, key)
            .await?
            .filter(Operator::is_confirmed)
            .ok_or(ActivationError::UnknownKey)?;
        Ok(Act::RegisterCustodian {
            hsm: HsmName {
                id: hsm.clone(),
                device: device.id().clone(),
            },
            quorum,
            person: operator.view.person,
            key: *key,
        })
    }

    fn initialisation(&self, initialise: &InitialiseHsm) -> Result<Act, ActError> {
        let InitialiseHsm {
            hsm,
            quorum,
            allow_replace,
            erase,
        } = initialise;
        let device = self.services.hsms.get(hsm)?.device()?;
        if erase != hsm {
            return Err(HsmError::EraseNotConfirmed(hsm.clone()).into());
        }
        PkaOptions::new(quorum.required, quorum.total, *allow_replace).map_err(HsmError::from)?;
        Ok(Act::InitialiseHsm {
            hsm: HsmName {
                id: hsm.clone(),
                device: device.id().clone(),
            },
            quorum: *quorum,
            allow_replace: *allow_replace,
            destroys: held_keys(&device),
        })
    }
}

async fn confirmation(
    connection: &mut SqliteConnection,
    proposer: &Person,
    confirm: &ConfirmKey,
) -> Result<Act, ActError> {
    let view = people::operator::to_confirm(connection, proposer, confirm).await?;
    Ok(Act::ConfirmKey {
        person: view.person,
        roles: view.roles,
        key: view.key.fingerprint,
        device: view.key.device,
    })
}

fn held_keys(device: &Device) -> Vec<HeldKey> {
    let keys = device.keys.iter().map(|key| HeldKey {
        label: key.label.clone(),
        fingerprint: key.public_key.as_ref().map(|key| key.fingerprint()),
    });
    keys.collect()
}
