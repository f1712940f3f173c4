//! Who can sign an act, and how many have to.

use countersign_protocol::{
    Timestamp,
    act::{Act, ActState},
    operator::{KeyStatus, OperatorView, Role},
};
use jiff::SignedDuration;
use sqlx::SqliteConnection;

use super::{ActError, Signer};
use crate::store::{self, acts::StoredAct, operators::Operator};

/// How long a revoked admin still counts for the rule of two. Otherwise, one of two admins could revoke the other one, for which a
/// session is enough, and then sign alone.
const COUNTED_AFTER_REVOCATION: SignedDuration = SignedDuration::from_hours(24);

/// The number of people who have to sign an act.
///
/// # Errors
/// Two admins have to sign, but the second one was revoked.
pub(super) async fn needed(connection: &mut SqliteConnection, act: &Act) -> Result<u8, ActError> {
    if !act.needs_two() {
        return Ok(1);
    }
    let operators = store::operators::list(connection).await?;
    count(operators.into_iter().map(|operator| operator.view))
}

fn count(people: impl Iterator<Item = OperatorView>) -> Result<u8, ActError> {
    let mut confirmed = 0_usize;
    let mut revoked = None;
    for admin in people.filter(|person| person.roles.contains(&Role::Admin)) {
        match admin.status {
            KeyStatus::Confirmed { .. } => confirmed += 1,
            KeyStatus::Revoked { at, .. } => {
                let until = at + COUNTED_AFTER_REVOCATION;
                if until > Timestamp::now() {
                    revoked = Some((admin.person.name, until));
                }
            }
            KeyStatus::AwaitingConfirmation => {}
        }
    }
    match (confirmed, revoked) {
        (0 | 1, None) => Ok(1),
        (0 | 1, Some((name, until))) => Err(ActError::SecondAdminRevoked { name, until }),
        _ => Ok(2),
    }
}

/// Checks that an act can be signed by this person, whose key it returns.
///
/// # Errors
/// The act has ended or has changed its rules, or the person may not sign it or has done so.
pub(super) async fn check(
    connection: &mut SqliteConnection,
    act: &StoredAct,
    signer: &Signer,
) -> Result<Operator, ActError> {
    match &act.view.state {
        ActState::AwaitingSignatures => {}
        ActState::CarryingOut => return Err(ActError::CarryingOut),
        ActState::CarriedOut => return Err(ActError::Ended("was carried out")),
        ActState::Withdrawn { .. } => return Err(ActError::Ended("was withdrawn")),
        ActState::Expired => return Err(ActError::Ended("has expired")),
        ActState::Interrupted => return Err(ActError::Ended("was interrupted")),
    }
    let operator = confirmed(connection, signer).await?;
    may(&operator, act.terms().act.signer_role())?;
    let proposer = &act.terms().proposer;
    if matches!(act.terms().act, Act::CreateToken { .. }) && proposer.id != signer.person.id {
        return Err(ActError::NotProposer);
    }
    if act
        .view
        .signed_by
        .iter()
        .any(|by| by.person.id == signer.person.id)
    {
        return Err(ActError::AlreadySigned);
    }
    let earlier = act.view.signed_by.iter().map(|by| &by.person);
    for person in earlier.chain([proposer]) {
        let now = store::operators::by_id(connection, &person.id).await?;
        if !now.is_some_and(|now| now.is_confirmed()) {
            return Err(ActError::SignerRevoked(person.name.clone()));
        }
    }
    if needed(connection, &act.terms().act).await? > act.terms().signatures {
        return Err(ActError::Changed(
            "a second admin was confirmed, who has to sign it as well",
        ));
    }
    Ok(operator)
}

/// The person with the key with which they are logged in.
pub(super) async fn confirmed(
    connection: &mut SqliteConnection,
    signer: &Signer,
) -> Result<Operator, ActError> {
    store::operators::by_key(connection, &signer.key)
        .await?
        .filter(|operator| operator.is_confirmed() && operator.view.person.id == signer.person.id)
        .ok_or(ActError::NotConfirmed)
}

/// Checks that a person has a role.
pub(super) fn may(operator: &Operator, role: Role) -> Result<(), ActError> {
    if operator.view.roles.contains(&role) {
        Ok(())
    } else {
        Err(ActError::Role(role))
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::{
        cvc::{Curve, DeviceId, EcSecretKey},
        id::OperatorId,
        operator::{EnrolledKey, Person},
    };

    use super::*;

    fn admin(name: &str, status: KeyStatus) -> OperatorView {
        let key = EcSecretKey::from_bytes(Curve::Secp256r1, &[1; 32]).expect("a key");
        OperatorView {
            person: person(name),
            mail: None,
            roles: vec![Role::Admin],
            key: EnrolledKey {
                fingerprint: key.public_key().fingerprint(),
                words: Vec::new(),
                chr: "UTADM0100001".parse().expect("a name"),
                public_key: key.public_key(),
                device: DeviceId("UTADM0000000".parse().expect("a name")),
                anchor: "test".into(),
            },
            status,
            enrolled_at: Timestamp::now(),
        }
    }

    fn person(name: &str) -> Person {
        Person {
            id: OperatorId::new(name),
            name: name.into(),
        }
    }

    fn confirmed() -> KeyStatus {
        KeyStatus::Confirmed {
            by: None,
            at: Timestamp::now(),
        }
    }

    fn revoked(hours_ago: i64) -> KeyStatus {
        KeyStatus::Revoked {
            by: person("Anna"),
            at: Timestamp::now() - SignedDuration::from_hours(hours_ago),
        }
    }

    #[test]
    fn two_admins_have_to_sign_even_a_day_after_one_was_revoked() {
        let needed = |others: &[KeyStatus]| {
            let others = others.iter().map(|status| admin("Ben", status.clone()));
            count([admin("Anna", confirmed())].into_iter().chain(others)).ok()
        };
        assert_eq!(needed(&[]), Some(1));
        assert_eq!(needed(&[KeyStatus::AwaitingConfirmation]), Some(1));
        assert_eq!(needed(&[confirmed()]), Some(2));
        assert_eq!(needed(&[confirmed(), revoked(1)]), Some(2));
        assert_eq!(needed(&[revoked(23)]), None);
        assert_eq!(needed(&[revoked(25)]), Some(1));
    }
}
