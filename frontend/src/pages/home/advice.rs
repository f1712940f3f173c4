//! Nothing waits: what to do next, by role and by how far the server is set up.

use countersign_protocol::{
    hsm::{HsmState, HsmView},
    operator::{KeyStatus, Role},
};
use leptos::prelude::*;

use crate::portal::Portal;

/// The next step as a sentence with a link.
pub fn next_steps(portal: Portal) -> AnyView {
    let hsms = portal.hsms.get().unwrap_or_default();
    if portal.is(Role::Admin)
        && let Some(step) = setup_step(portal, &hsms)
    {
        return step;
    }
    let can_ask = portal.is(Role::Requester) && hsms.iter().any(|hsm| !hsm.keys.is_empty());
    if can_ask {
        return say(
            "Nothing waits for you. To sign, ask the custodians, or connect your build with a token.",
            "/activations",
            "Request an activation",
        );
    }
    view! {
        <p>
            "Nothing waits for you. When somebody asks for a signature, it appears here by itself."
        </p>
    }
    .into_any()
}

fn setup_step(portal: Portal, hsms: &[HsmView]) -> Option<AnyView> {
    let Some(first) = hsms.first() else {
        return Some(
            view! {
                <p>
                    "No HSM yet. Add one to the server's configuration (" <code>"[[hsm]]"</code>
                    "), and start the server again."
                </p>
            }
            .into_any(),
        );
    };
    let page = format!("/hsms/{}", first.id);
    if hsms.iter().all(|hsm| hsm.state == HsmState::Uninitialised) {
        return Some(say(
            "The HSM has no quorum yet.",
            &page,
            "Initialise the HSM",
        ));
    }
    let confirmed = portal.operators.with(|all| {
        let custodians = all.iter().flatten().filter(|operator| {
            operator.roles.contains(&Role::Custodian)
                && matches!(operator.status, KeyStatus::Confirmed { .. })
        });
        custodians.count()
    });
    let incomplete = hsms
        .iter()
        .find_map(|hsm| hsm.pka.filter(|pka| pka.missing > 0).map(|pka| (hsm, pka)));
    if let Some((hsm, pka)) = incomplete {
        if confirmed < usize::from(pka.quorum.total) {
            return Some(say(
                &format!(
                    "HSM {} wants {} custodians; {confirmed} have a confirmed key so far.",
                    hsm.id, pka.quorum.total
                ),
                "/people",
                "Invite custodians",
            ));
        }
        return Some(say(
            &format!("HSM {} still lacks registered custodians.", hsm.id),
            &format!("/hsms/{}", hsm.id),
            "Register custodians",
        ));
    }
    let without_keys = hsms
        .iter()
        .find(|hsm| hsm.pka.is_some() && hsm.keys.is_empty())?;
    Some(say(
        "The quorum is complete. The first key asks the custodians for the first time.",
        &format!("/hsms/{}", without_keys.id),
        "Generate a key",
    ))
}

fn say(text: &str, href: &str, link: &str) -> AnyView {
    view! {
        <p>{text.to_owned()}</p>
        <p>
            <a class="button primary" href=href.to_owned() data-testid="next-step">{link.to_owned()}</a>
        </p>
    }
    .into_any()
}
