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

    /// Who has signed, and what this signature does.
    fn signatures(&self) -> String {
        let names = match self.signed_by.as_slice() {
            [] => String::new(),
            names => format!(" ({})", names.join(", ")),
        };
        let (done, needed) = (self.signed_by.len(), usize::from(self.terms.signatures));
        let yours = if done + 1 >= needed {
            "yours carries it out at once"
        } else {
            "another admin signs after you"
        };
        format!("{done} of {needed} so far{names}; {yours}")
    }
}

impl ConsentSubject for ActRequest {
    fn text(&self) -> ConsentText {
        let terms = &self.terms;
        let text = ConsentText::new("Countersign: sign act", "Sign and enter PIN")
            .fact("Act", &terms.act.in_words());
        let text = facts(text, &terms.act)
            .fact("Proposed by", &terms.proposer.name)
            .fact("Proposed", &minutes(terms.proposed_at))
            .fact("Sign by", &minutes(terms.expires_at))
            .fact("Signatures", &self.signatures())
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
            .fact("HSM", &format!("{}, device {}", hsm.id, hsm.device))
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
            .fact("HSM", &format!("{}, device {}", hsm.id, hsm.device))
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
            let keys = if keys.is_empty() {
                "EVERY key".to_owned()
            } else {
                keys.join(", ")
            };
            let text = text
                .fact("Token", label)
                .fact("Acts for", &owner.name)
                .fact("Person ID", owner.id.as_str())
                .fact("Keys", &keys)
                .fact("Lifetime", &text::count(*days, "day"));
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

/// What becomes possible or is lost, which does not repeat a text of the server.
fn consequence(act: &Act) -> String {
    match act {
        Act::InitialiseHsm { quorum, .. } if quorum.required == 1 => {
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
