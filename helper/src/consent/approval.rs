//! The consent to an approval.

use countersign_card::pka::Challenge;
use countersign_protocol::{
    activation::{ActivationTerms, Pool},
    cvc::{AnchorKind, DeviceId, Fingerprint, VerifiedDevice},
    digest::Sha256Digest,
    helper::HelperError,
    purpose::{Purpose, Scope},
    task::ApproveTask,
    words,
};

use super::{Consent, ConsentSubject, Signer, minutes};
use crate::{
    advice,
    origin::Origin,
    prompt::{ConsentText, text},
    task::Server,
};

/// An approval that needs consent. Its HSM is verified, and its challenge has a valid length.
#[derive(Clone, Debug)]
pub struct ApprovalRequest {
    server: Server,
    terms: ActivationTerms,
    device: VerifiedDevice,
    challenge: Challenge,
    approved_by: Vec<String>,
    signer: Signer,
    elsewhere: Vec<Elsewhere>,
    /// The server says that the HSM is plugged into another machine.
    remote: bool,
}

/// An HSM of the request for which the user has approved under another server. Whoever attaches that HSM to this server could have
/// the approvals for this server open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elsewhere {
    pub hsm: DeviceId,
    pub server: Origin,
}

impl ApprovalRequest {
    /// # Errors
    /// The device is not the one that the terms name, the challenge has an invalid length, or the signer's key is not
    /// the task's.
    pub(crate) fn new(
        server: Server,
        task: ApproveTask,
        device: VerifiedDevice,
        signer: Signer,
    ) -> Result<Self, HelperError> {
        let ApproveTask {
            terms,
            device_certificates: _,
            challenge,
            remote,
            key,
            approved_by,
        } = task;
        if *device.id() != terms.hsm.device {
            return Err(advice::task_refused(format!(
                "The request names HSM {}, but its certificates belong to {}.",
                terms.hsm.device,
                device.id()
            )));
        }
        // A shorter challenge is guessable; a longer one could be other data in disguise.
        let challenge = Challenge::new(challenge.as_bytes()).map_err(|error| {
            advice::task_refused(format!("The HSM's challenge is invalid: {error}."))
        })?;
        if key != signer.key || signer.card == terms.hsm.device {
            return Err(advice::task_refused(
                "The key isn't on one of your own cards.",
            ));
        }
        Ok(Self {
            server,
            terms,
            device,
            challenge,
            approved_by,
            signer,
            elsewhere: Vec::new(),
            remote,
        })
    }

    /// Adds the HSMs that belong to other servers.
    #[must_use]
    pub(crate) fn with_elsewhere(self, elsewhere: Vec<Elsewhere>) -> Self {
        Self { elsewhere, ..self }
    }

    pub fn terms(&self) -> &ActivationTerms {
        &self.terms
    }

    /// The HSM that the approval opens.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// SHA-256 of the HSM's device certificate.
    pub fn device_certificate(&self) -> Sha256Digest {
        Sha256Digest::of(self.device.chain().device.raw())
    }

    /// The HSM's challenge.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    pub fn server_key(&self) -> Fingerprint {
        self.server.key
    }

    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// One line for the PIN prompt.
    pub fn summary(&self) -> String {
        let terms = &self.terms;
        let what = match terms.members().len() {
            1 => terms.hsm.id.to_string(),
            several => format!("{several} HSMs"),
        };
        let (id, who) = (&terms.id, &terms.requester.name);
        format!("Approve {id}: open {what} for {who}")
    }
}

impl Consent<ApprovalRequest> {
    /// Extends the consent to a fresh challenge, or to another HSM of the pool that was shown. Everything else must be
    /// what the user saw.
    pub(crate) fn again(
        &self,
        server: Server,
        task: ApproveTask,
        device: VerifiedDevice,
    ) -> Result<Self, HelperError> {
        let renewed = ApprovalRequest::new(server, task, device, self.0.signer.clone())?;
        let same_device = renewed.terms.hsm != self.0.terms.hsm || renewed.device == self.0.device;
        let same = self.0.terms.is_same_request(&renewed.terms)
            && same_device
            && renewed.server == self.0.server;
        if !same {
            return Err(advice::task_refused(
                "The request changed after you consented.",
            ));
        }
        let elsewhere = self.0.elsewhere.clone();
        Ok(Self(renewed.with_elsewhere(elsewhere)))
    }
}

impl ConsentSubject for ApprovalRequest {
    fn text(&self) -> ConsentText {
        let terms = &self.terms;
        let hsm = format!("{}, serial {}", terms.hsm.id, self.device.id().serial());
        let mut consent = ConsentText::new("Countersign: approve request", "Approve and enter PIN")
            .fact("HSM", &hsm)
            .fact("Genuine", &genuine(&self.device));
        if let Some(pool) = &terms.pool {
            consent = consent.fact("Also opens", &other_hsms(terms, pool));
        }
        consent = consent
            .fact("Purpose", &purpose(&terms.purpose))
            .fact("Requester", &terms.requester.name)
            .fact("Requested", &minutes(terms.requested_at))
            .fact("Approve by", &minutes(terms.expires_at))
            .fact("Reason", &terms.reason)
            .fact("Limits", &limits(terms));
        if let Purpose::Sign {
            scope: Scope::Manifest { files },
            ..
        } = &terms.purpose
        {
            let digest = files.digest();
            let words = words::of_manifest(&digest);
            consent = consent.fact(
                "Manifest",
                &format!("{}, words: {words}", text::grouped(&digest.to_string())),
            );
        }
        consent = consent
            .fact("Quorum", &format!("{} custodians", terms.quorum))
            .fact("Approvals", &approvals(terms, &self.approved_by))
            .fact("Activation", terms.id.as_str())
            .fact("Your card", &self.signer.to_string());
        consent = super::with_server(consent, &self.server);
        if self.remote {
            consent = consent.warning(
                "REMOTE HSM: it is plugged into another machine than the server. Whoever controls that machine can have the open HSM \
                 sign other content. The server notices this and locks the HSM, but only after the signature exists.",
            );
        }
        match &terms.purpose {
            Purpose::Sign {
                keys,
                scope: Scope::Open,
            } => {
                let these = if keys.only().is_some() {
                    "this key"
                } else {
                    "these keys"
                };
                if !terms.raw_rsa.is_empty() {
                    consent = consent.warning(
                        "RAW RSA: nobody can tell afterwards what was signed with a key that allows it.",
                    );
                }
                // The name of the requester is on its own line, because a name such as "nobody" would mislead in this sentence.
                consent.warning(&format!(
                    "NO FILE LIST: until the limits are reached, the requester can have anything signed with {these}."
                ))
            }
            Purpose::Sign {
                scope: Scope::Manifest { files },
                ..
            } => consent.list(
                &format!("Files ({})", files.files().len()),
                &format!("files-{}.txt", terms.digest().short()),
                files
                    .files()
                    .iter()
                    .map(|file| (file.name.as_str(), file.digest.to_string())),
            ),
            Purpose::GenerateKey { .. } => consent,
        }
    }

    fn before(&self) -> Option<ConsentText> {
        if self.elsewhere.is_empty() {
            return None;
        }
        let mut text =
            ConsentText::new("WARNING: HSM of another server", "Continue anyway").must_be_typed();
        for Elsewhere { hsm, server } in &self.elsewhere {
            text = text
                .fact("HSM", &hsm.to_string())
                .fact("Approved under", server.as_str());
        }
        Some(
            text.fact("Now requested by", self.server.origin.as_str())
                .warning(
                    "You have approved requests for this HSM under another server. If you approve here, this server opens the HSM \
                     under its own terms, and the other server's rules and records do not apply.",
                )
                .warning(
                    "Stop here unless your admin has told you that the HSM moves to this server. If it has moved, forget the old \
                     server with `countersign-helper origins forget`.",
                ),
        )
    }

    fn cancelled(&self) -> HelperError {
        advice::approval_cancelled()
    }
}

fn genuine(device: &VerifiedDevice) -> String {
    match device.anchor_kind() {
        AnchorKind::Simulated => "NO: simulated, protects nothing".to_owned(),
        AnchorKind::Production | AnchorKind::Test | AnchorKind::Configured => {
            format!("yes, certified by {}", device.anchor())
        }
    }
}

/// The other HSMs of a pool. The chain of each is verified before anything is signed for it.
fn other_hsms(terms: &ActivationTerms, pool: &Pool) -> String {
    let others = pool.hsms().iter().filter(|hsm| **hsm != terms.hsm);
    let names: Vec<_> = others
        .map(|hsm| format!("{} ({})", hsm.id, hsm.device.serial()))
        .collect();
    format!(
        "{}: same keys; limits apply to all together",
        names.join(", ")
    )
}

fn purpose(purpose: &Purpose) -> String {
    let words = purpose.in_words(|label, fingerprint| match fingerprint {
        Some(key) => format!("\"{label}\" ({})", text::grouped(&key.short())),
        None => format!("\"{label}\""),
    });
    match words.strip_prefix("sign any content") {
        Some(keys) => format!("Sign ANY content{keys}"),
        None => text::capitalised(&words),
    }
}

fn limits(terms: &ActivationTerms) -> String {
    let lease = terms.lease;
    let scope = match &terms.purpose {
        Purpose::Sign {
            scope: Scope::Manifest { files },
            ..
        } => {
            format!(
                "only the {} listed",
                text::count(files.files().len(), "file")
            )
        }
        Purpose::Sign {
            scope: Scope::Open, ..
        } => "ANY content".to_owned(),
        Purpose::GenerateKey { .. } => "1 new key, then the HSM locks".to_owned(),
    };
    format!(
        "up to {}, up to {} after opening, {scope}",
        text::count(lease.signatures, "signature"),
        text::duration(lease.seconds)
    )
}

/// The approvals so far, and what one more does.
fn approvals(terms: &ActivationTerms, approved_by: &[String]) -> String {
    let required = usize::from(terms.quorum.required);
    let names = match approved_by {
        [] => String::new(),
        names => format!(" ({})", names.join(", ")),
    };
    let yours = match approved_by.len() + 1 {
        number if number >= required => "yours opens the HSM at once".to_owned(),
        1 => "yours is the first".to_owned(),
        number => format!("yours is number {number}"),
    };
    format!("{} of {required} so far{names}; {yours}", approved_by.len())
}
