//! Selects the HSMs that become members of a new activation.

use countersign_protocol::{
    activation::{HsmName, Quorum},
    id::OperatorId,
    limits::MAX_POOL,
};
use sqlx::SqliteConnection;

use super::{ActivationError, eligible::eligible};
use crate::{hsm::Hsm, store};

/// The HSMs that can be opened, with their quorums.
///
/// # Errors
/// No HSM can be opened; the error is that of the first HSM.
pub(super) fn members(hsms: &[Hsm]) -> Result<Vec<(HsmName, Quorum)>, ActivationError> {
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

/// The members with the strictest quorum. One consent covers all members, so they must all have the quorum that custodians are
/// shown, and no HSM may open with fewer approvals than that.
pub(super) fn with_strictest_quorum(mut members: Vec<(HsmName, Quorum)>) -> Vec<(HsmName, Quorum)> {
    let required = members.iter().map(|(_, quorum)| quorum.required).max();
    members.retain(|(_, quorum)| Some(quorum.required) == required);
    members.truncate(MAX_POOL);
    members
}

/// The members whose quorum can be met for this requester.
///
/// # Errors
/// No member's quorum can be met; the error is that of the first member.
pub(super) async fn with_usable_custodians(
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

pub(super) fn ids(hsms: &[Hsm]) -> String {
    let ids: Vec<_> = hsms.iter().map(|hsm| hsm.id().as_str()).collect();
    ids.join(", ")
}
