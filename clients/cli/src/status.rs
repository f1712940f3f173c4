//! Where an activation stands, in words, and what comes next.

use std::{
    thread,
    time::{Duration, Instant},
};

pub use countersign_client::words::{line, purpose, time};
use countersign_client::{Client, ClientError, LONGEST_WAIT};
use countersign_protocol::{
    activation::{ActivationView, Answer, HsmName},
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

/// Each HSM with its device; with its state, if there are several.
fn hsms(view: &ActivationView) -> String {
    let name = |hsm: &HsmName| format!("{} ({})", hsm.id, hsm.device);
    if view.members.is_empty() {
        return name(&view.terms.hsm);
    }
    let members = view.members.iter().map(|member| {
        format!(
            "{}: {}, {} of {}",
            name(&member.hsm),
            member.state.as_str(),
            member.authenticated,
            member.quorum.required
        )
    });
    members.collect::<Vec<_>>().join("\n            ")
}

/// Everything about one activation.
pub fn details(view: &ActivationView) -> String {
    let terms = &view.terms;
    let mut out = format!(
        "Activation  {}\nState       {}\nPurpose     {}\nHSM         {}\nRequester   {}\nReason      {}\n\
         Lease       {} seconds, {}\nQuorum      {}\nSignatures  {}\nExpires     {}\nPage        {}\n",
        terms.id,
        line(view),
        purpose(&terms.purpose),
        hsms(view),
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
            .map(|file| vec![file.digest.to_string(), printable(&file.name)])
            .collect();
        out.push_str(&format!("\nManifest {}\n", files.digest()));
        out.push_str(&table(&["DIGEST", "FILE"], &rows));
    }
    out
}
