//! An approval from end to end: task, helper, evidence, and again for the next HSM of a pool, or where one wants a fresh
//! challenge.

use countersign_protocol::{
    activation::{ActivationView, ApprovalOutcome, ApprovalTaskView},
    id::ActivationId,
    problem::Problem,
};

use crate::{
    helper::Helper,
    portal::{Portal, activation_path},
    work::problem,
};

/// A card that consumes its challenge with every custodian needs a second signature, and nothing needs many.
const MOST_ROUNDS: usize = 5;

/// Approves with the card at the helper.
///
/// # Errors
/// The server's problem, or what happened at the helper.
pub async fn approve(
    portal: Portal,
    helper: Helper,
    id: &ActivationId,
    hsms: usize,
) -> Result<ActivationView, Problem> {
    let first: ApprovalTaskView = portal.act(&activation_path(id, "/task")).await?;
    let mut task = first.task;
    for round in 0..MOST_ROUNDS * hsms {
        let evidence = match helper.approve(task, round > 0).await {
            Ok(evidence) => evidence,
            // Nothing was opened in the first round; later there is a PIN session to end.
            Err(problem) if round == 0 => return Err(problem),
            Err(problem) => {
                helper.finish().await;
                return Err(problem);
            }
        };
        match portal
            .post(&activation_path(id, "/approvals"), &evidence)
            .await
        {
            Ok(ApprovalOutcome::Counted { activation }) => {
                helper.finish().await;
                return Ok(*activation);
            }
            Ok(ApprovalOutcome::SignAgain { task: again }) => task = again,
            Err(problem) => {
                helper.finish().await;
                return Err(problem);
            }
        }
    }
    helper.finish().await;
    Err(problem(
        "The HSM keeps asking for a fresh challenge",
        "It did not count you. Others may be authenticating at the same moment: try again in a minute.",
    ))
}
