//! The next step when nothing needs attention. It depends on the user's roles and on the progress of the set-up.

use countersign_protocol::{
    hsm::{HsmState, HsmView},
    operator::{KeyStatus, Role},
};
use leptos::prelude::*;

use crate::{portal::Portal, words};

/// The next step, as a sentence with a link.
pub fn next_steps(portal: Portal) -> AnyView {
    let hsms = portal.hsms.get().unwrap_or_default();
    if portal.is(Role::Admin)
        && let Some(step) = setup_step(portal, &hsms)
    {
        return step;
    }
    let can_request = portal.is(Role::Requester) && hsms.iter().any(|hsm| !hsm.keys.is_empty());
    if can_request {
        return say(
            "Nothing needs your attention. To sign files, request an activation or create a token for your build.",
            "/activations",
            "Request activation",
        );
    }
    view! {
        <p>
            "Nothing needs your attention. New requests appear here automatically."
        </p>
    }
    .into_any()
}

fn setup_step(portal: Portal, hsms: &[HsmView]) -> Option<AnyView> {
    let Some(first) = hsms.first() else {
        return Some(
            view! {
                <p>
                    "No HSMs yet. Add one to the server's configuration (" <code>"[[hsm]]"</code>
                    "), then restart the server."
                </p>
            }
            .into_any(),
        );
    };
    let page = format!("/hsms/{}", first.id);
    if hsms.iter().all(|hsm| hsm.state == HsmState::Uninitialised) {
        return Some(say("The HSM has no quorum yet.", &page, "Initialise HSM"));
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
                    "HSM {} needs {}; {confirmed} {} a confirmed key.",
                    hsm.id,
                    words::count(pka.quorum.total, "custodian"),
                    if confirmed == 1 { "has" } else { "have" }
                ),
                "/people",
                "Invite custodians",
            ));
        }
        return Some(say(
            &format!("HSM {}: register the remaining custodians.", hsm.id),
            &format!("/hsms/{}", hsm.id),
            "Register custodians",
        ));
    }
    let without_keys = hsms
        .iter()
        .find(|hsm| hsm.pka.is_some() && hsm.keys.is_empty())?;
    Some(say(
        "All custodians are registered. Request the first key; it needs their approval.",
        &format!("/hsms/{}", without_keys.id),
        "Request new key",
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
