//! Limits for everything in a task that people read or that this computer stores. A server that keeps its own rules never exceeds
//! them, so a task that does is from a compromised server, and could fill the consent with text that looks like the helper's.

use std::time::Duration;

use countersign_protocol::{
    Timestamp,
    act::Act,
    activation::{ActivationTerms, Quorum},
    limits::{
        HSM_NAME, IDENTIFIER, KEY_REFERENCE, MAX_TOKEN_KEYS, PERSON_NAME, REASON, SERVER_NAME,
        SIGNING_KEY_LABEL, TASK_SECONDS, TOKEN_LABEL,
    },
    operator::{Person, Role},
    purpose::{Purpose, Scope},
    task::{ActTask, ApproveTask, ServerTask, Task},
    text::{self, Longest, UnreadableText},
};

/// Difference between the clocks of server and helper that is tolerated.
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(5 * 60);
/// The most people who have to sign an act.
const MOST_SIGNATURES: u8 = 2;
/// The most keys of an HSM, whose references have one byte.
const MOST_KEYS_OF_AN_HSM: usize = 255;
/// Longest file with the device certificates of an HSM, in bytes.
const DEVICE_CERTIFICATES: usize = 8192;

/// A rule that the task breaks. The message continues the sentence "In this request, ...".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TaskLimitError {
    #[error("{0} {1}")]
    Text(&'static str, UnreadableText),
    #[error("{what} has {count} entries, but the limit is {most}")]
    Count {
        what: &'static str,
        count: usize,
        most: usize,
    },
    #[error("{signed} of {needed} signatures are reported, but one has to be missing of 1 or 2")]
    Signatures { signed: usize, needed: u8 },
    #[error("the quorum of {0} is impossible")]
    Quorum(countersign_protocol::activation::Quorum),
    #[error("the time until it expires is longer than {} min", TASK_SECONDS / 60)]
    Life,
    #[error(transparent)]
    FileName(#[from] countersign_protocol::manifest::ManifestError),
}

/// Checks every length and number in a task. Reading the task has already checked the numbers of files, keys and HSMs.
pub(crate) fn check(signed: &ServerTask) -> Result<(), TaskLimitError> {
    length("the server's name", &signed.server.name, SERVER_NAME)?;
    let longest = Duration::from_secs(TASK_SECONDS.unsigned_abs()) + CLOCK_DIFFERENCE;
    let life = signed.expires_at.duration_since(Timestamp::now());
    if life.is_positive() && life.unsigned_abs() > longest {
        return Err(TaskLimitError::Life);
    }
    match &signed.task {
        Task::LogIn { nonce } => length("the nonce", nonce, IDENTIFIER),
        Task::Enrol {
            invitation,
            person,
            roles,
            nonce,
        } => {
            length("the nonce", nonce, IDENTIFIER)?;
            length("the invitation's id", invitation.as_str(), IDENTIFIER)?;
            length("the person's name", person, PERSON_NAME)?;
            count("the list of roles", roles.len(), Role::ALL.len())
        }
        Task::Approve(approve) => check_approval(approve),
        Task::SignAct(act) => check_act(act),
    }
}

fn check_approval(approve: &ApproveTask) -> Result<(), TaskLimitError> {
    let ApproveTask {
        terms,
        device_certificates,
        // Its exact length is checked when it becomes a challenge.
        challenge: _,
        remote: _,
        key: _,
        approved_by,
    } = approve;
    check_terms(terms)?;
    let total = usize::from(terms.quorum.total);
    count("the list of approvals", approved_by.len(), total)?;
    for name in approved_by {
        length("a custodian's name", name, PERSON_NAME)?;
    }
    let certificates = device_certificates.as_bytes().len();
    count(
        "the file with the HSM's certificates",
        certificates,
        DEVICE_CERTIFICATES,
    )
}

fn check_act(task: &ActTask) -> Result<(), TaskLimitError> {
    let ActTask {
        terms,
        key: _,
        signed_by,
    } = task;
    let needed = terms.signatures;
    if needed > MOST_SIGNATURES || signed_by.len() >= usize::from(needed) {
        return Err(TaskLimitError::Signatures {
            signed: signed_by.len(),
            needed,
        });
    }
    for name in signed_by {
        length("a person's name", name, PERSON_NAME)?;
    }
    length("the act's id", terms.id.as_str(), IDENTIFIER)?;
    person(&terms.proposer)?;
    match &terms.act {
        Act::InvitePerson { name, roles } => {
            length("the person's name", name, PERSON_NAME)?;
            count("the list of roles", roles.len(), Role::ALL.len())
        }
        Act::ConfirmKey {
            person: owner,
            roles,
            ..
        } => {
            person(owner)?;
            count("the list of roles", roles.len(), Role::ALL.len())
        }
        Act::RegisterCustodian {
            hsm,
            quorum,
            person: custodian,
            ..
        } => {
            length("the HSM's name", hsm.id.as_str(), HSM_NAME)?;
            check_quorum(*quorum)?;
            person(custodian)
        }
        Act::InitialiseHsm {
            hsm,
            quorum,
            destroys,
            ..
        } => {
            length("the HSM's name", hsm.id.as_str(), HSM_NAME)?;
            check_quorum(*quorum)?;
            count("the list of keys", destroys.len(), MOST_KEYS_OF_AN_HSM)?;
            destroys
                .iter()
                .try_for_each(|key| length("a key's label", &key.label, SIGNING_KEY_LABEL))
        }
        Act::AcceptDevice { hsm, .. } => length("the HSM's name", hsm.as_str(), HSM_NAME),
        Act::CreateToken {
            label, owner, keys, ..
        } => {
            length("the token's label", label, TOKEN_LABEL)?;
            person(owner)?;
            count("the list of keys", keys.len(), MAX_TOKEN_KEYS)?;
            keys.iter()
                .try_for_each(|key| length("the name of a key", key, KEY_REFERENCE))
        }
        Act::AllowRawRsa { key } => length("a key's label", &key.label, SIGNING_KEY_LABEL),
    }
}

fn person(person: &Person) -> Result<(), TaskLimitError> {
    length("a person's name", &person.name, PERSON_NAME)?;
    length("a person's id", person.id.as_str(), IDENTIFIER)
}

fn check_quorum(quorum: Quorum) -> Result<(), TaskLimitError> {
    if quorum.required == 0 || quorum.required > quorum.total {
        return Err(TaskLimitError::Quorum(quorum));
    }
    Ok(())
}

fn check_terms(terms: &ActivationTerms) -> Result<(), TaskLimitError> {
    check_quorum(terms.quorum)?;
    length("the activation's id", terms.id.as_str(), IDENTIFIER)?;
    length("the reason", &terms.reason, REASON)?;
    length("the requester's name", &terms.requester.name, PERSON_NAME)?;
    length(
        "the requester's id",
        terms.requester.id.as_str(),
        IDENTIFIER,
    )?;
    length("the HSM's name", terms.hsm.id.as_str(), HSM_NAME)?;
    for (_, hsm) in terms.members() {
        length("an HSM's name", hsm.id.as_str(), HSM_NAME)?;
    }
    match &terms.purpose {
        Purpose::Sign { keys, scope } => {
            for key in keys.iter() {
                length("a key's label", &key.label, SIGNING_KEY_LABEL)?;
            }
            match scope {
                // Reading the task does not check the names.
                Scope::Manifest { files } => Ok(files.check_new()?),
                Scope::Open => Ok(()),
            }
        }
        Purpose::GenerateKey { label, .. } => length("the key's label", label, SIGNING_KEY_LABEL),
    }
}

fn length(what: &'static str, value: &str, longest: Longest) -> Result<(), TaskLimitError> {
    text::check_length(value, longest).map_err(|why| TaskLimitError::Text(what, why))
}

fn count(what: &'static str, count: usize, most: usize) -> Result<(), TaskLimitError> {
    if count > most {
        return Err(TaskLimitError::Count { what, count, most });
    }
    Ok(())
}
