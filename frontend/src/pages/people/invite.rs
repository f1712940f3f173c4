//! Creates an invitation. Its link is shown only once.

use countersign_protocol::{
    act::{ActResult, NewAct},
    operator::{NewInvitation, Role},
};
use leptos::prelude::*;

use crate::{
    acts::{Signing, SigningPanel, result_view},
    components::{CheckField, TextField, WorkButton},
    portal::Portal,
    words,
    work::problem,
};

/// The form, and afterwards the link.
#[component]
pub fn InviteForm() -> impl IntoView {
    let portal = Portal::here();
    let signing = Signing::new();
    let work = signing.work;
    let name = RwSignal::new(String::new());
    let mail = RwSignal::new(String::new());
    let roles = Role::ALL.map(|role| (role, RwSignal::new(role == Role::Custodian)));
    let created = RwSignal::new(None::<ActResult>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        work.run(async move {
            let chosen = roles.iter().filter(|(_, chosen)| chosen.get_untracked());
            let roles: Vec<Role> = chosen.map(|(role, _)| *role).collect();
            if roles.is_empty() {
                return Err(problem("No role chosen", "Choose at least one role."));
            }
            let mail = mail.get_untracked().trim().to_owned();
            let body = NewInvitation {
                name: name.get_untracked().trim().to_owned(),
                mail: (!mail.is_empty()).then_some(mail),
                roles,
            };
            let result = signing.propose(NewAct::InvitePerson(body)).await?;
            if result.is_some() {
                name.try_set(String::new());
            }
            created.try_set(result);
            portal.people_changed.update(|count| *count += 1);
            Ok(())
        });
    };
    view! {
        <form class="form" on:submit=submit>
            <TextField label="Name" value=name testid="invite-name" />
            <TextField
                label="Email"
                value=mail
                testid="invite-mail"
                kind="email"
                required=false
                hint="For your records only; Countersign sends no email."
            />
            <fieldset>
                <legend>"Roles"</legend>
                {roles
                    .into_iter()
                    .map(|(role, chosen)| {
                        view! {
                            <CheckField
                                label=words::role_name(role)
                                value=chosen
                                testid=format!("invite-role-{role}")
                                hint=meaning(role)
                            />
                        }
                    })
                    .collect_view()}
            </fieldset>
            <SigningPanel signing=signing />
            <WorkButton work=work label="Create invitation link" testid="invite-submit" class="primary" />
        </form>
        <div role="status">{move || created.get().map(result_view)}</div>
    }
    .into_any()
}

fn meaning(role: Role) -> &'static str {
    match role {
        Role::Admin => "Invites people, confirms and registers keys, manages HSMs.",
        Role::Custodian => "Holds one of the keys that open an HSM.",
        Role::Requester => "Requests activations and signs under them.",
        Role::Auditor => "Reads everything, changes nothing.",
    }
}
