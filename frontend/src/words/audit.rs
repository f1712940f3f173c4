//! Audit entries in words.

use std::collections::HashMap;

use countersign_protocol::{
    audit::{Actor, AuditEntry, AuditEvent, DroppedAct, Refusal},
    cvc::Fingerprint,
    hsm::KeySettings,
    id::ActId,
    lease::LeaseLimits,
    session::SessionEnd,
    statement::ApprovedPurpose,
};

use super::{activation::quoted, clause, count, end_sentence, mechanism_name, number, roles};
use crate::clock;

/// The person, program or server that caused the entry.
pub fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Server => "Server".to_owned(),
        Actor::Stranger { network } => format!("A stranger at {network}"),
        Actor::Invited { name } => format!("{name} (invited)"),
        Actor::Operator { person } => person.name.clone(),
        Actor::Token { person, .. } => format!("{} (by token)", person.name),
    }
}

/// The wire's name of the event, such as `hsm-attached`. Tests look for it; people never see it.
pub fn event_name(event: &AuditEvent) -> String {
    serde_json::to_value(event)
        .ok()
        .and_then(|value| value.get("type")?.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Names of invited people, labels of tokens and what acts do, by the ids with which later entries refer to them.
pub fn audit_names(entries: &[AuditEntry]) -> HashMap<String, String> {
    let names = entries.iter().filter_map(|entry| match &entry.event {
        AuditEvent::Invited {
            invitation, name, ..
        } => Some((invitation.to_string(), name.clone())),
        AuditEvent::ActProposed { terms } => Some((terms.id.to_string(), terms.act.in_words())),
        AuditEvent::TokenCreated { token, label, .. } => Some((token.to_string(), label.clone())),
        _ => None,
    });
    names.collect()
}

/// The rest of a sentence that begins with the [`actor`]. `names` are those of [`audit_names`].
pub fn event_words(event: &AuditEvent, names: &HashMap<String, String>) -> String {
    clause(&predicate(event, names))
}

fn predicate(event: &AuditEvent, names: &HashMap<String, String>) -> String {
    use AuditEvent as Event;
    match event {
        Event::ServerStarted { version } => {
            format!("started with version {version} and locks every HSM first")
        }
        Event::Bootstrapped { name } => {
            format!("used the one-time code: {name} is invited as the first admin")
        }
        Event::ActProposed { terms } => format!("proposed: {}", terms.act.in_words()),
        Event::ActSigned { act, .. } => format!("signed{}", named(act, names)),
        Event::ActFailed { act, why } => {
            format!("could not carry out{}. Reason: {why}", named(act, names))
        }
        Event::ActCarriedOut { act } => format!("carried out{}", named(act, names)),
        Event::ActDropped { act, why } => {
            let act = named(act, names);
            match why {
                DroppedAct::Withdrawn => format!("withdrew{act}"),
                DroppedAct::Expired => {
                    format!("ended an act whose signatures were not complete in time{act}")
                }
                DroppedAct::Interrupted => format!(
                    "ended an act that it was carrying out when it stopped, so nobody knows whether it was done{act}"
                ),
            }
        }
        Event::Invited {
            name,
            roles: offered,
            ..
        } => format!("invited {name} as {}", roles(offered)),
        Event::InvitationRevoked { invitation } => match names.get(invitation.as_str()) {
            Some(name) => format!("revoked the invitation for {name}"),
            None => format!("revoked invitation {invitation}"),
        },
        Event::KeyEnrolled {
            person,
            chr,
            device,
            anchor,
            ..
        } => {
            let (chr, name) = (chr.as_str(), &person.name);
            format!("enrolled key {chr} of {name} on card {device}, certified by {anchor}")
        }
        Event::EnrolmentRejected { why, .. } => {
            format!("tried to enrol a key, which the server rejected: {why}")
        }
        Event::KeyConfirmed { person, .. } => format!(
            "compared the fingerprint and confirmed the key of {}",
            person.name
        ),
        Event::KeyRevoked { person, .. } => format!("revoked the key of {}", person.name),
        Event::LoggedIn { .. } => "logged in".to_owned(),
        Event::LoggedOut => "logged out".to_owned(),
        Event::SessionEnded { person, why, .. } => {
            let name = &person.name;
            match why {
                SessionEnd::EndedByPerson => "ended a session".to_owned(),
                SessionEnd::Replaced => "replaced an earlier session by a log-in".to_owned(),
                SessionEnd::Expired => format!("ended an expired session of {name}"),
                SessionEnd::SecretReused => format!(
                    "ended a session of {name}, because somebody used one of its earlier secrets: the session may have been stolen"
                ),
            }
        }
        Event::TokenCreated {
            label,
            certificate: None,
            ..
        } => format!("created token “{label}”"),
        Event::TokenCreated {
            label,
            certificate: Some(certificate),
            ..
        } => {
            let digest = certificate.short();
            format!(
                "created token “{label}”, bound to the client certificate with SHA-256 {digest}…"
            )
        }
        Event::TokenRevoked { token } => match names.get(token.as_str()) {
            Some(label) => format!("revoked token “{label}”"),
            None => format!("revoked token {token}"),
        },
        Event::RestoredFromBackup => {
            "started with a restored database, and revoked all API tokens, open invitations, one-time codes and log-ins in it"
                .to_owned()
        }
        Event::Unreadable { why } => format!("this entry can't be read: {why}"),
        Event::HsmAttached { hsm, device } => {
            format!("attached HSM {hsm} (device {device}), verified and locked")
        }
        Event::HsmLost { hsm, why } => format!("lost HSM {hsm}: {why}"),
        Event::RemoteHsmAccepted { hsm, device } => {
            format!("accepted the remote device {device} as HSM {hsm}")
        }
        Event::RemoteDeviceDeclined { device } => format!("declined the remote device {device}"),
        Event::RemoteHsmRemoved { hsm, device } => {
            format!("removed HSM {hsm} (device {device}) from this server")
        }
        Event::HsmRejected { hsm, why } => format!("rejected HSM {hsm}: {why}"),
        Event::HsmQuarantined { hsm, device, why } => {
            format!("put device {device} of HSM {hsm} into quarantine: {why}")
        }
        Event::HsmQuarantineEnded { hsm, device } => {
            format!("ended the quarantine of device {device} of HSM {hsm}")
        }
        Event::HsmInitialised {
            hsm,
            quorum,
            allow_replace,
            ..
        } => {
            let replace = if *allow_replace { "can" } else { "can't" };
            format!(
                "initialised HSM {hsm} with a quorum of {quorum}. Everything on it was erased, and registered keys \
                 {replace} be replaced later"
            )
        }
        Event::CustodianRegistered { hsm, person, .. } => {
            format!("registered the key of {} in HSM {hsm}", person.name)
        }
        Event::ActivationRequested {
            activation,
            hsm,
            purpose,
            reason,
            lease,
            ..
        } => {
            let purpose = requested(purpose, *lease);
            format!("requested activation {activation} on HSM {hsm}: {purpose}. Reason: “{reason}”")
        }
        Event::Approved {
            activation,
            approvals,
            ..
        } => {
            let approvals = count(*approvals, "approval");
            format!("approved activation {activation}, which now has {approvals}")
        }
        Event::Declined { activation, reason } => {
            format!("declined activation {activation}. Reason: “{reason}”")
        }
        Event::ApprovalsLost { activation, why } => {
            format!("reset the approvals for activation {activation}: {why}")
        }
        Event::LeaseOpened { activation } => {
            format!("opened activation {activation} because the quorum was reached")
        }
        Event::KeyGenerated {
            hsm,
            label,
            activation,
            ..
        } => format!("generated key “{label}” on HSM {hsm} under activation {activation}"),
        Event::Signed {
            mechanism,
            digest,
            activation,
            ..
        } => {
            let digest = digest.get(..16).unwrap_or(digest);
            let mechanism = mechanism_name(*mechanism);
            format!("signed digest {digest}… with {mechanism} under activation {activation}")
        }
        Event::CertificateStored { key, .. } => {
            format!("stored a certificate for key {}", key.short())
        }
        Event::CertificateRemoved { key, .. } => {
            format!("removed the certificate of key {}", key.short())
        }
        Event::KeySettingsChanged { key, settings } => settings_changed(key, *settings),
        Event::Refused { refusal, why, .. } => {
            let what = refused_thing(*refusal);
            format!("had {what} refused: {why}")
        }
        Event::RefusalsCounted {
            refusal,
            count,
            since,
        } => {
            let (more, since) = (number(*count), clock::absolute(*since));
            let what = refused_thing(*refusal);
            format!("had {what} refused {more} more times since {since}")
        }
        Event::ActivationEnded {
            activation,
            reason,
            signatures,
        } => {
            let signatures = count(*signatures, "signature");
            let end = end_sentence(reason, None);
            format!("ended activation {activation} after {signatures}. {end}")
        }
        Event::HsmLocked { hsm, proof } => {
            format!("locked HSM {hsm} and verified the lock: {proof}")
        }
    }
}

/// What an act does, or its id if that is not known, as the end of a sentence.
fn named(act: &ActId, names: &HashMap<String, String>) -> String {
    match names.get(act.as_str()) {
        Some(words) => format!(": {words}"),
        None => format!(": act {act}"),
    }
}

fn refused_thing(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::LogIn => "a log-in",
        Refusal::Code => "a one-time code",
        Refusal::Credential => "an API token or client certificate",
        Refusal::Approval => "a custodian’s request",
        Refusal::Permission => "a request without permission",
        Refusal::Device => "a remote device",
    }
}

fn settings_changed(key: &Fingerprint, settings: KeySettings) -> String {
    let verb = if settings.raw_rsa {
        "allowed"
    } else {
        "disallowed"
    };
    format!("{verb} raw RSA for key {}", key.short())
}

fn requested(purpose: &ApprovedPurpose, lease: LeaseLimits) -> String {
    let limits = format!(
        "up to {} in {}",
        count(lease.signatures, "signature"),
        clock::length(lease.seconds)
    );
    let words = purpose.in_words(|label, _| quoted(label));
    match purpose {
        ApprovedPurpose::GenerateKey { .. } => words,
        _ => format!("{words}, {limits}"),
    }
}

#[cfg(test)]
mod tests {
    use countersign_protocol::{
        act::{Act, ActTerms},
        id::{OperatorId, TokenId},
        operator::{Person, Role},
    };

    use super::*;

    #[test]
    fn a_revoked_token_is_named_by_its_label_where_that_is_known() {
        let token = TokenId::new("7f3a");
        let entry = AuditEntry {
            index: 0,
            at: Default::default(),
            actor: Actor::Server,
            event: AuditEvent::TokenCreated {
                token: token.clone(),
                label: "pipeline".to_owned(),
                certificate: None,
            },
        };
        let revoked = AuditEvent::TokenRevoked { token };
        let names = audit_names(&[entry]);
        assert_eq!(event_words(&revoked, &names), "revoked token “pipeline”.");
        let unknown = HashMap::new();
        assert_eq!(event_words(&revoked, &unknown), "revoked token 7f3a.");
    }

    #[test]
    fn later_entries_of_an_act_say_what_it_does() {
        let act = ActId::new("9c1e");
        let proposed = AuditEvent::ActProposed {
            terms: ActTerms {
                id: act.clone(),
                act: Act::InvitePerson {
                    name: "Ben".to_owned(),
                    roles: vec![Role::Custodian],
                },
                proposer: Person {
                    id: OperatorId::new("anna"),
                    name: "Anna".to_owned(),
                },
                signatures: 1,
                proposed_at: Default::default(),
                expires_at: Default::default(),
            },
        };
        let entry = AuditEntry {
            index: 0,
            at: Default::default(),
            actor: Actor::Server,
            event: proposed,
        };
        let done = AuditEvent::ActCarriedOut { act };
        let words = event_words(&done, &audit_names(&[entry]));
        assert!(words.contains("Invite Ben as custodian"), "{words}");
        let unknown = event_words(&done, &HashMap::new());
        assert!(unknown.contains("9c1e"), "{unknown}");
    }
}
