//! The consent to an act.

use countersign_protocol::{
    act::{Act, ActTerms, HeldKey},
    cvc::Fingerprint,
    helper::HelperError,
    operator::Role,
    task::ActTask,
};

use super::{ConsentSubject, Signer, minutes, with_server};
use crate::{
    advice,
    prompt::{ConsentText, text},
    task::Server,
};

/// An act that needs consent.
#[derive(Clone, Debug)]
pub struct ActRequest {
    server: Server,
    terms: ActTerms,
    signed_by: Vec<String>,
    signer: Signer,
}

impl ActRequest {
    /// # Errors
    /// The signer's key is not the task's, or is on the HSM that the act is about.
    pub(crate) fn new(server: Server, task: ActTask, signer: Signer) -> Result<Self, HelperError> {
        let ActTask {
            terms,
            key,
            signed_by,
        } = task;
        let device = match &terms.act {
            Act::RegisterCustodian { hsm, .. } | Act::InitialiseHsm { hsm, .. } => {
                Some(&hsm.device)
            }
            Act::AcceptDevice { device, .. } => Some(device),
            Act::InvitePerson { .. }
            | Act::ConfirmKey { .. }
            | Act::CreateToken { .. }
            | Act::AllowRawRsa { .. } => None,
        };
        if key != signer.key || device == Some(&signer.card) {
            return Err(advice::task_refused(
                "The key isn't on one of your own cards.",
            ));
        }
        Ok(Self {
            server,
            terms,
            signed_by,
            signer,
        })
    }

    pub fn terms(&self) -> &ActTerms {
        &self.terms
    }

    pub fn server(&self) -> &Server {
        &self.server
    }

    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// One line for the PIN prompt.
    pub fn summary(&self) -> String {
        format!("Sign: {}", self.terms.act.in_words())
    }

    /// How many people have signed, and what this signature does.
    fn signatures(&self) -> String {
        let (done, needed) = (self.signed_by.len(), usize::from(self.terms.signatures));
        let yours = if done + 1 >= needed {
            "yours carries it out at once"
        } else {
            "another admin signs after you"
        };
        format!("{done} of {needed} so far; {yours}")
    }
}

impl ConsentSubject for ActRequest {
    fn text(&self) -> ConsentText {
        let terms = &self.terms;
        let text = ConsentText::new("Countersign: sign act", "Sign and enter PIN")
            .fact("Act", &terms.act.in_words());
        let text = facts(text, &terms.act)
            .fact("Proposed by", &terms.proposer.name)
            .fact("Proposer ID", terms.proposer.id.as_str())
            .fact("Proposed", &minutes(terms.proposed_at))
            .fact("Sign by", &minutes(terms.expires_at))
            .fact("Signatures", &self.signatures());
        // Each name has a line of its own, so that one name cannot pass for two.
        let signed_by = self.signed_by.iter();
        let text = signed_by
            .fold(text, |text, name| text.fact("Signed by", name))
            .fact("Act ID", terms.id.as_str())
            .fact("Your card", &self.signer.to_string());
        let text = with_server(text, &self.server).warning(&consequence(&terms.act));
        match &terms.act {
            Act::InitialiseHsm { hsm, destroys, .. } if !destroys.is_empty() => text
                .list(
                    &format!("Keys that are destroyed ({})", destroys.len()),
                    &format!("keys-{}.txt", hsm.id),
                    destroys.iter().map(|key| (key.label.as_str(), held(key))),
                )
                .must_be_typed(),
            _ => text,
        }
    }
}

/// The facts of an act, each on a line of its own.
fn facts(text: ConsentText, act: &Act) -> ConsentText {
    match act {
        Act::InvitePerson { name, roles } => text.fact("Person", name).fact("Roles", &named(roles)),
        Act::ConfirmKey {
            person,
            roles,
            key,
            device,
        } => text
            .fact("Person", &person.name)
            .fact("Person ID", person.id.as_str())
            .fact("Roles", &named(roles))
            .fact("Key", &words(key))
            .fact("On card", &device.to_string()),
        Act::RegisterCustodian {
            hsm,
            quorum,
            person,
            key,
        } => text
            .fact("HSM", hsm.id.as_str())
            .fact("Device", &hsm.device.to_string())
            .fact("Quorum", &format!("{quorum} custodians"))
            .fact("Custodian", &person.name)
            .fact("Person ID", person.id.as_str())
            .fact("Key", &words(key)),
        Act::InitialiseHsm {
            hsm,
            quorum,
            allow_replace,
            destroys,
        } => text
            .fact("HSM", hsm.id.as_str())
            .fact("Device", &hsm.device.to_string())
            .fact("New quorum", &format!("{quorum} custodians"))
            .fact(
                "Custodians' keys",
                if *allow_replace {
                    "can be replaced later"
                } else {
                    "stay until the HSM is erased"
                },
            )
            .fact("Destroys", &text::count(destroys.len(), "key")),
        Act::AcceptDevice { device, hsm } => text
            .fact("Device", &device.to_string())
            .fact("HSM", hsm.as_str()),
        Act::CreateToken {
            label,
            owner,
            keys,
            days,
            certificate,
        } => {
            let text = text
                .fact("Token", label)
                .fact("Acts for", &owner.name)
                .fact("Person ID", owner.id.as_str())
                .fact("Lifetime", &text::count(*days, "day"));
            let text = if keys.is_empty() {
                text.fact("Keys", "EVERY key")
            } else {
                // Each key has a line of its own, so that one name cannot pass for two.
                keys.iter().fold(text, |text, key| text.fact("Key", key))
            };
            match certificate {
                Some(digest) => text.fact("Certificate", &text::grouped(&digest.to_string())),
                None => text,
            }
        }
        Act::AllowRawRsa { key } => text
            .fact("Signing key", &key.label)
            .fact("Fingerprint", &text::grouped(&key.fingerprint.to_hex())),
    }
}

/// What becomes possible or is lost.
fn consequence(act: &Act) -> String {
    match act {
        Act::InitialiseHsm { quorum, .. } | Act::RegisterCustodian { quorum, .. }
            if quorum.required == 1 =>
        {
            format!(
                "ANY ONE custodian opens the HSM alone. {}",
                act.consequence()
            )
        }
        _ => act.consequence(),
    }
}

fn named(roles: &[Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    names.join(", ")
}

fn words(key: &Fingerprint) -> String {
    format!(
        "{}, fingerprint {}",
        key.words().join(" "),
        text::grouped(&key.to_hex())
    )
}

fn held(key: &HeldKey) -> String {
    key.fingerprint
        .as_ref()
        .map_or_else(|| "unknown public key".to_owned(), Fingerprint::to_hex)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use countersign_protocol::{
        Timestamp,
        activation::{HsmName, Quorum},
        cvc::DeviceId,
        id::{ActId, HsmId, OperatorId},
        operator::Person,
    };

    use super::*;

    #[test]
    fn erasing_an_hsm_with_keys_must_be_typed() {
        let device = |name: &str| DeviceId(name.parse().unwrap());
        let held = HeldKey {
            label: "fit-2026".to_owned(),
            fingerprint: None,
        };
        for destroys in [Vec::new(), vec![held]] {
            let key = Fingerprint([1; 32]);
            let act = Act::InitialiseHsm {
                hsm: HsmName {
                    id: HsmId::new("release"),
                    device: device("DEHSM90000100001"),
                },
                quorum: Quorum {
                    required: 2,
                    total: 3,
                },
                allow_replace: false,
                destroys: destroys.clone(),
            };
            let terms = ActTerms {
                id: ActId::new("act-7"),
                act,
                proposer: Person {
                    id: OperatorId::new("op-anna"),
                    name: "Anna Admin".to_owned(),
                },
                signatures: 1,
                proposed_at: Timestamp::UNIX_EPOCH,
                expires_at: Timestamp::UNIX_EPOCH,
            };
            let task = ActTask {
                terms,
                key,
                signed_by: Vec::new(),
            };
            let server = Server {
                name: "Example signing".to_owned(),
                origin: "https://sign.example.org".parse().unwrap(),
                key: Fingerprint([2; 32]),
                first_contact: false,
            };
            let signer = Signer {
                card: device("DECAR00000100001"),
                label: "Card".to_owned(),
                key,
                chr: None,
            };
            let text = ActRequest::new(server, task, signer).unwrap().text();
            assert_eq!(text.needs_typing(), !destroys.is_empty());
            let listed = text.files().map_or(0, |list| list.lines.len());
            assert_eq!(listed, destroys.len());
        }
    }
}
