//! Acts: changes that the user's card signs. Every form that makes one uses [`Signing`].

mod panel;
mod result;
mod signing;

pub use panel::SigningPanel;
pub use result::result_view;
pub use signing::Signing;

use countersign_protocol::{
    Timestamp,
    act::{Act, ActState, ActTerms, ActView},
    id::{ActId, OperatorId},
    operator::Role,
};

use crate::{api, portal::Portal, words};

/// Path of an act in the API, or of a resource below it.
fn path(id: &ActId, below: &str) -> String {
    format!("/acts/{}{below}", api::part(id.as_str()))
}

/// The id of the act's element on the page of acts, with which other pages link to it.
pub fn anchor(id: &ActId) -> String {
    format!("act-{id}")
}

/// The state at this time. The server notices only later that an act has expired.
pub fn state(act: &ActView, now: Timestamp) -> ActState {
    match act.state {
        ActState::AwaitingSignatures if act.terms.expires_at <= now => ActState::Expired,
        ref state => state.clone(),
    }
}

/// Whether the act awaits the signature of the user.
pub fn can_sign(portal: Portal, act: &ActView) -> bool {
    let Some(me) = portal.me() else {
        return false;
    };
    act.state == ActState::AwaitingSignatures && awaits(act, &me.person.id, &me.roles)
}

fn awaits(act: &ActView, person: &OperatorId, roles: &[Role]) -> bool {
    let may = match act.terms.act {
        Act::CreateToken { .. } => act.terms.proposer.id == *person,
        _ => true,
    };
    may && roles.contains(&act.terms.act.signer_role())
        && act.signed_by.iter().all(|by| by.person.id != *person)
}

/// Whether the user can withdraw the act.
pub fn can_withdraw(portal: Portal, act: &ActView) -> bool {
    let mine = portal
        .me()
        .is_some_and(|me| me.person.id == act.terms.proposer.id);
    act.state == ActState::AwaitingSignatures && (mine || portal.is(Role::Admin))
}

/// Who still has to sign, such as "One more admin has to sign".
pub fn missing(act: &ActView) -> String {
    let ActTerms {
        act: change,
        proposer,
        signatures,
        ..
    } = &act.terms;
    if matches!(change, Act::CreateToken { .. }) {
        return format!("{} has to sign", proposer.name);
    }
    let signed = act.signed_by.len();
    match (usize::from(*signatures).saturating_sub(signed), signed) {
        (1, 0) => "An admin has to sign".to_owned(),
        (1, _) => "One more admin has to sign".to_owned(),
        (left, 0) => format!("{} have to sign", words::count(left as u64, "admin")),
        (left, _) => format!("{} more admins have to sign", words::number(left as u64)),
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::{act::ActSignature, cvc::Fingerprint, operator::Person};

    use super::*;

    fn person(name: &str) -> Person {
        Person {
            id: OperatorId::new(name.to_lowercase()),
            name: name.to_owned(),
        }
    }

    fn act(change: Act, signatures: u8, signed_by: &[&str]) -> ActView {
        let now = Timestamp::UNIX_EPOCH;
        ActView {
            terms: ActTerms {
                id: ActId::new("1"),
                act: change,
                proposer: person("Anna"),
                signatures,
                proposed_at: now,
                expires_at: now,
            },
            signed_by: signed_by
                .iter()
                .map(|name| ActSignature {
                    person: person(name),
                    key: Fingerprint([0; 32]),
                    at: now,
                })
                .collect(),
            state: ActState::AwaitingSignatures,
            notice: None,
        }
    }

    fn invitation() -> Act {
        Act::InvitePerson {
            name: "Ben".to_owned(),
            roles: vec![Role::Custodian],
        }
    }

    fn token() -> Act {
        Act::CreateToken {
            label: "pipeline".to_owned(),
            owner: person("Anna"),
            keys: vec![],
            days: 90,
            certificate: None,
        }
    }

    #[test]
    fn only_people_who_have_not_signed_and_may_sign_are_asked() {
        let [anna, ben] = ["anna", "ben"].map(OperatorId::new);
        let open = act(invitation(), 2, &["Anna"]);
        assert!(!awaits(&open, &anna, &[Role::Admin]), "she has signed");
        assert!(awaits(&open, &ben, &[Role::Admin, Role::Custodian]));
        assert!(!awaits(&open, &ben, &[Role::Custodian, Role::Requester]));
        let token = act(token(), 1, &[]);
        assert!(awaits(&token, &anna, &[Role::Requester]));
        assert!(!awaits(&token, &ben, &[Role::Requester, Role::Admin]));
    }

    #[test]
    fn missing_signatures_are_counted() {
        assert_eq!(missing(&act(invitation(), 1, &[])), "An admin has to sign");
        assert_eq!(missing(&act(invitation(), 2, &[])), "2 admins have to sign");
        assert_eq!(
            missing(&act(invitation(), 2, &["Anna"])),
            "One more admin has to sign"
        );
        assert_eq!(missing(&act(token(), 1, &[])), "Anna has to sign");
    }

    #[test]
    fn an_act_expires_before_the_server_says_so() {
        let waiting = act(invitation(), 1, &[]);
        let later = waiting.terms.expires_at + std::time::Duration::from_secs(1);
        let earlier = waiting.terms.expires_at - std::time::Duration::from_secs(1);
        assert_eq!(state(&waiting, later), ActState::Expired);
        assert_eq!(state(&waiting, earlier), ActState::AwaitingSignatures);
    }
}
