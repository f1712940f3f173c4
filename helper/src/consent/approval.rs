//! Approving an activation.

use countersign_card::pka::Challenge;
use countersign_protocol::{
    activation::{ActivationTerms, Pool},
    cvc::{Fingerprint, VerifiedDevice},
    digest::Sha256Digest,
    helper::HelperError,
    purpose::{Purpose, Scope},
    task::ApproveTask,
};

use super::{Consent, Explained, Signer};
use crate::{
    advice,
    prompt::{ConsentText, text},
    task::Server,
};

/// An approval to be consented to: the HSM is verified, the challenge has a sound length.
#[derive(Clone, Debug)]
pub struct ApprovalRequest {
    server: Server,
    terms: ActivationTerms,
    device: VerifiedDevice,
    challenge: Challenge,
    authenticated: Vec<String>,
    signer: Signer,
}

impl ApprovalRequest {
    /// Puts together what was verified.
    ///
    /// # Errors
    /// The device is not the one that the terms name, the challenge is out of bounds, or the key is not the task's.
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
            key,
            authenticated,
        } = task;
        if *device.id() != terms.hsm.device {
            return Err(advice::task_refused(format!(
                "The certificates are of {}, but {} is to be opened.",
                device.id(),
                terms.hsm.device
            )));
        }
        // A shorter challenge can be guessed; a longer one could be the content of something else.
        let challenge = Challenge::new(challenge.as_bytes()).map_err(|error| {
            advice::task_refused(format!("The HSM's challenge is invalid: {error}."))
        })?;
        if key != signer.key || signer.card == terms.hsm.device {
            return Err(advice::task_refused("The key isn't one of your own cards."));
        }
        Ok(Self {
            server,
            terms,
            device,
            challenge,
            authenticated,
            signer,
        })
    }

    /// The terms.
    pub fn terms(&self) -> &ActivationTerms {
        &self.terms
    }

    /// The HSM that is opened.
    pub fn device(&self) -> &VerifiedDevice {
        &self.device
    }

    /// SHA-256 over the HSM's device certificate.
    pub fn device_certificate(&self) -> Sha256Digest {
        Sha256Digest::of(self.device.chain().device.raw())
    }

    /// The HSM's challenge.
    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Identity key of the server.
    pub fn server_key(&self) -> Fingerprint {
        self.server.key
    }

    /// Card and key that sign.
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// One line for the PIN prompt.
    pub fn purpose(&self) -> String {
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
    /// The same consent for a fresh challenge, or for another HSM of the pool that was shown: everything else must be what
    /// the user saw.
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
            return Err(advice::task_refused("This isn't what you consented to."));
        }
        Ok(Self(renewed))
    }
}

impl Explained for ApprovalRequest {
    fn text(&self) -> ConsentText {
        let terms = &self.terms;
        let hsm = format!(
            "{} ({}, genuine: {})",
            terms.hsm.id,
            self.device.id().serial(),
            self.device.anchor()
        );
        let mut consent =
            ConsentText::new("Countersign: approve?", "Approve and enter PIN").fact("Open", &hsm);
        if let Some(pool) = &terms.pool {
            consent = consent.fact("And", &others(terms, pool));
        }
        consent = consent
            .fact("For", &purpose(&terms.purpose))
            .fact(
                "Asked by",
                &format!("{}, {}", terms.requester.name, minutes(terms.requested_at)),
            )
            .fact("Reason", &terms.reason)
            .fact("Limits", &limits(terms));
        if let Purpose::Sign {
            scope: Scope::Manifest { files },
            ..
        } = &terms.purpose
        {
            let digest = files.digest();
            let words = Fingerprint(digest.0).words().join(" ");
            consent = consent.fact(
                "Manifest",
                &format!("{}, words: {words}", text::grouped(&digest.to_string())),
            );
        }
        consent = consent
            .fact("Quorum", &quorum(terms, &self.authenticated))
            .fact("Activation", terms.id.as_str())
            .fact("Signing as", &self.signer.to_string());
        consent = super::with_server(consent, &self.server);
        match &terms.purpose {
            Purpose::Sign { scope: Scope::Open, .. } => consent.warning(
                "OPEN SCOPE: there is no list of files. Until the limits are reached, the requester can have \
                 anything signed.",
            ),
            Purpose::Sign { scope: Scope::Manifest { files }, .. } => consent.list(
                &format!("The {}", text::count(files.files().len(), "file")),
                &format!("files-{}.txt", terms.digest().short()),
                files.files().iter().map(|file| (file.name.as_str(), file.digest.to_string())),
            ),
            Purpose::GenerateKey { .. } => consent,
        }
    }
}

/// The other HSMs of a pool. Each one's chain is verified before anything is signed for it.
fn others(terms: &ActivationTerms, pool: &Pool) -> String {
    let others = pool.hsms().iter().filter(|hsm| **hsm != terms.hsm);
    let names: Vec<_> = others
        .map(|hsm| format!("{} ({})", hsm.id, hsm.device.serial()))
        .collect();
    format!(
        "{}: they have the same keys; the limits are those of all together",
        names.join(", ")
    )
}

fn purpose(purpose: &Purpose) -> String {
    let words = purpose.in_words(|label, fingerprint| match fingerprint {
        Some(key) => format!("\"{label}\" ({})", text::grouped(&key.short())),
        None => format!("\"{label}\""),
    });
    text::capitalised(&words.replacen("sign any content", "sign ANY content", 1))
}

fn limits(terms: &ActivationTerms) -> String {
    let lease = terms.lease;
    let scope = match &terms.purpose {
        Purpose::Sign {
            scope: Scope::Manifest { files },
            ..
        } => {
            format!("only these {}", text::count(files.files().len(), "digest"))
        }
        Purpose::Sign {
            scope: Scope::Open, ..
        } => "any digest".to_owned(),
        Purpose::GenerateKey { .. } => "one key, then locked".to_owned(),
    };
    format!(
        "{}, {}, {scope}",
        text::count(lease.signatures, "signature"),
        text::duration(lease.seconds)
    )
}

fn quorum(terms: &ActivationTerms, authenticated: &[String]) -> String {
    let so_far = match authenticated {
        [] => "nobody yet".to_owned(),
        names => names.join(", "),
    };
    format!(
        "{} needed; authenticated: {so_far}; you would be number {}",
        terms.quorum,
        authenticated.len() + 1
    )
}

fn minutes(at: countersign_protocol::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
