//! What only the last signer of an act receives: an invitation's link, or a token's secret.

use countersign_protocol::{act::ActResult, operator::CreatedInvitation};
use leptos::prelude::*;

use crate::{
    components::{CopyButton, When},
    words,
};

/// The link or the secret, with the warning that it is shown only once.
pub fn result_view(result: ActResult) -> AnyView {
    match result {
        ActResult::Nothing => ().into_any(),
        ActResult::Invitation(created) => link(created),
        ActResult::Token(created) => secret(created.secret),
    }
}

fn link(created: CreatedInvitation) -> AnyView {
    let invitation = created.invitation;
    let warning = format!(
        "Send it over a channel you trust: anyone with the link can enrol a key as {}.",
        invitation.name
    );
    view! {
        <div class="secret">
            <p>
                {format!(
                    "Link for {} ({}). It is shown only now and works once. It expires ",
                    invitation.name,
                    words::roles(&invitation.roles),
                )} <When at=invitation.expires_at /> "."
            </p>
            <p class="secret-text">
                <code data-testid="invite-link">{created.link.clone()}</code>
                <CopyButton text=created.link label="Copy link" />
            </p>
            <p class="hint">{warning}</p>
        </div>
    }
    .into_any()
}

fn secret(secret: String) -> AnyView {
    view! {
        <div class="secret">
            <p>"Copy the token now. It won't be shown again; the server stores only its hash."</p>
            <p class="secret-text">
                <code data-testid="token-secret">{secret.clone()}</code>
                <CopyButton text=secret label="Copy token" />
            </p>
        </div>
    }
    .into_any()
}
