//! First start: the one-time code creates the invitation of the first admin.

use countersign_protocol::operator::{Bootstrap, CreatedInvitation};
use leptos::prelude::*;
use leptos_router::hooks::use_navigate;

use crate::{
    api,
    components::{Page, TextField, WorkButton, WorkProblem},
    portal::Portal,
    work::Work,
};

#[component]
pub fn Setup() -> impl IntoView {
    let portal = Portal::here();
    let done = move || {
        portal
            .about
            .with(|about| about.as_ref().is_some_and(|about| !about.needs_bootstrap))
    };
    view! {
        <Page title="Set up Countersign">
            {move || {
                if done() {
                    view! {
                        <p>
                            "This server already has an admin. "
                            <a href="/">"Log in"</a> ", or ask an admin for an invitation."
                        </p>
                    }
                        .into_any()
                } else {
                    view! { <Form /> }.into_any()
                }
            }}
        </Page>
    }
}

#[component]
fn Form() -> impl IntoView {
    let (code, name) = (RwSignal::new(String::new()), RwSignal::new(String::new()));
    let work = Work::new();
    let navigate = use_navigate();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let navigate = navigate.clone();
        work.run(async move {
            let body = Bootstrap {
                code: code.get_untracked().trim().to_owned(),
                name: name.get_untracked().trim().to_owned(),
                mail: None,
            };
            let created: CreatedInvitation = api::post("/bootstrap", &body).await?;
            let secret = created.link.split_once('#').map_or("", |(_, code)| code);
            navigate(&format!("/join#{secret}"), Default::default());
            Ok(())
        });
    };
    view! {
        <p class="lead">
            "You become the first admin. The next page enrols your card. Countersign uses no passwords."
        </p>
        <form class="card form" on:submit=submit>
            <TextField
                label="One-time code"
                value=code
                testid="setup-code"
                hint="The server printed it when it first started; with systemd, it is in the journal."
            />
            <TextField label="Your name" value=name testid="setup-name" hint="Shown to your colleagues." />
            <WorkProblem work=work />
            <WorkButton work=work label="Continue" testid="setup-submit" class="primary" />
        </form>
    }
    .into_any()
}
