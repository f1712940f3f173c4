//! Where an activation stands, in words, and what comes next.

use std::{
    thread,
    time::{Duration, Instant},
};

use countersign_client::{Client, ClientError, LONGEST_WAIT};
use countersign_protocol::{
    Timestamp,
    activation::{ActivationState, ActivationView, Answer},
    id::ActivationId,
    purpose::{Purpose, Scope},
};

use crate::output::{count, printable, table};

/// A server that answers a long poll at once without news is asked once in this time.
const CALM: Duration = Duration::from_millis(500);

/// The activation after its next change, or when the server would not wait longer.
pub fn next(
    client: &Client,
    id: &ActivationId,
    revision: u64,
) -> Result<ActivationView, ClientError> {
    let start = Instant::now();
    let view = client.activation_after(id, revision, LONGEST_WAIT)?;
    if view.revision <= revision {
        thread::sleep(CALM.saturating_sub(start.elapsed()));
    }
    Ok(view)
}

/// To the second, UTC.
pub fn time(at: &Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// One line: state and who is missing.
pub fn line(view: &ActivationView) -> String {
    let mut line = match &view.state {
        ActivationState::Queued => {
            format!(
                "Waiting for the HSM {}: it is absent or used by another activation",
                view.terms.hsm.id
            )
        }
        ActivationState::Collecting => {
            let mut line = format!(
                "{} of {} authenticated",
                view.authenticated, view.terms.quorum.required
            );
            let mut list = |what: &str, wanted: fn(&Answer) -> bool| {
                let names = people(view, wanted);
                if !names.is_empty() {
                    line.push_str(&format!("; {what} {}", names.join(", ")));
                }
            };
            list("present:", |answer| {
                matches!(answer, Answer::Authenticated { .. })
            });
            list("missing:", |answer| matches!(answer, Answer::Missing));
            list("again needed:", |answer| {
                matches!(answer, Answer::Forgotten { .. })
            });
            list("declined:", |answer| {
                matches!(answer, Answer::Declined { .. })
            });
            line
        }
        ActivationState::Open { until, left, .. } => {
            format!(
                "Open until {}, {} left",
                time(until),
                count(*left as usize, "signature")
            )
        }
        ActivationState::Ended { reason, at } => {
            format!(
                "Over since {}: {}",
                time(at),
                printable(&reason.to_string())
            )
        }
    };
    if let Some(notice) = &view.notice {
        line.push_str(&format!(". {}", printable(notice)));
    }
    line
}

fn people(view: &ActivationView, wanted: fn(&Answer) -> bool) -> Vec<String> {
    view.custodians
        .iter()
        .filter(|custodian| wanted(&custodian.answer))
        .map(|custodian| printable(&custodian.person.name))
        .collect()
}

/// What it is for.
pub fn purpose(purpose: &Purpose) -> String {
    match purpose {
        Purpose::Sign {
            keys,
            scope: Scope::Manifest { files },
        } => {
            format!(
                "sign {} with {}",
                count(files.files().len(), "file"),
                printable(&keys.to_string())
            )
        }
        Purpose::Sign {
            keys,
            scope: Scope::Open,
        } => {
            format!("sign anything with {}", printable(&keys.to_string()))
        }
        Purpose::GenerateKey { label, key_type } => {
            format!("generate the key {} ({key_type})", printable(label))
        }
    }
}

/// Everything about one activation.
pub fn details(view: &ActivationView) -> String {
    let terms = &view.terms;
    let mut out = format!(
        "Activation  {}\nState       {}\nPurpose     {}\nHSM         {} ({})\nRequester   {}\nReason      {}\n\
         Lease       {} seconds, {}\nQuorum      {}\nSignatures  {}\nExpires     {}\nPage        {}\n",
        terms.id,
        line(view),
        purpose(&terms.purpose),
        terms.hsm.id,
        terms.hsm.device,
        printable(&terms.requester.name),
        printable(&terms.reason),
        terms.lease.seconds,
        count(terms.lease.signatures as usize, "signature"),
        terms.quorum,
        view.signatures,
        time(&terms.expires_at),
        printable(&view.url),
    );
    let rows: Vec<Vec<String>> = view
        .custodians
        .iter()
        .map(|custodian| {
            let answer = match &custodian.answer {
                Answer::Missing => "missing".to_owned(),
                Answer::Authenticated { at } => format!("authenticated {}", time(at)),
                Answer::Forgotten { why } => format!("must authenticate again: {}", printable(why)),
                Answer::Declined { at, reason } => {
                    format!("declined {}: {}", time(at), printable(reason))
                }
            };
            vec![printable(&custodian.person.name), answer]
        })
        .collect();
    out.push('\n');
    out.push_str(&table(&["CUSTODIAN", "ANSWER"], &rows));
    if let Purpose::Sign {
        scope: Scope::Manifest { files },
        ..
    } = &terms.purpose
    {
        let rows: Vec<Vec<String>> = files
            .files()
            .iter()
            .map(|file| vec![file.sha256.to_string(), printable(&file.name)])
            .collect();
        out.push_str(&format!("\nManifest {}\n", files.digest()));
        out.push_str(&table(&["SHA-256", "FILE"], &rows));
    }
    out
}
