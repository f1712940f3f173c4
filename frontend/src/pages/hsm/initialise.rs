//! Initialises an HSM: erases the device and sets its quorum.

use countersign_protocol::{
    act::NewAct,
    activation::Quorum,
    hsm::{HsmState, HsmView, InitialiseHsm},
    id::HsmId,
    operator::Role,
    problem::Problem,
};
use leptos::prelude::*;

use super::path;
use crate::{
    acts::{Signing, SigningPanel},
    components::{CheckField, Disclosure, TextField, WorkButton},
    portal::Portal,
    words,
    work::problem,
};

/// The card with the form, for admins only.
#[component]
pub fn Initialise(id: HsmId, view: Memo<Option<HsmView>>) -> impl IntoView {
    let portal = Portal::here();
    let open = RwSignal::new(false);
    let possible = Memo::new(move |_| {
        portal.is(Role::Admin)
            && view.with(|view| {
                view.as_ref().is_some_and(|view| {
                    matches!(
                        view.state,
                        HsmState::Uninitialised | HsmState::Registering | HsmState::Locked
                    )
                })
            })
    });
    let keys =
        Memo::new(move |_| view.with(|view| view.as_ref().map_or(0, |view| view.keys.len())));
    let id = StoredValue::new(id);
    view! {
        {move || {
            possible
                .get()
                .then(|| {
                    view! {
                        <section class="card" aria-labelledby="initialise">
                            <h2 id="initialise">"Initialise"</h2>
                            <p class="hint">
                                "Erases everything on the device and sets the quorum. No user PIN is set, so only the quorum can open the device."
                            </p>
                            <Disclosure open=open label="Erase and initialise HSM…" testid="hsm-initialise">
                                <Form id=id.get_value() keys=keys open=open />
                            </Disclosure>
                        </section>
                    }
                })
        }}
    }
    .into_any()
}

#[component]
fn Form(id: HsmId, keys: Memo<usize>, open: RwSignal<bool>) -> impl IntoView {
    let portal = Portal::here();
    let signing = Signing::new();
    let work = signing.work;
    let required = RwSignal::new("2".to_owned());
    let total = RwSignal::new("3".to_owned());
    let replace = RwSignal::new(false);
    let typed = RwSignal::new(String::new());
    let name = id.to_string();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let id = id.clone();
        work.run(async move {
            let quorum = quorum(&required.get_untracked(), &total.get_untracked())?;
            if typed.get_untracked().trim() != id.as_str() {
                return Err(problem(
                    "Not confirmed",
                    format!("This permanently erases the HSM. Type “{id}” to confirm."),
                ));
            }
            let initialise = InitialiseHsm {
                hsm: id.clone(),
                quorum,
                allow_replace: replace.get_untracked(),
                erase: id.clone(),
            };
            let done = signing.propose(NewAct::InitialiseHsm(initialise)).await?;
            if done.is_some() {
                portal.store_hsm(portal.get(&path(&id, ""))).await?;
                open.try_set(false);
            }
            Ok(())
        });
    };
    let warning = move || {
        let keys = keys.get();
        (keys > 0).then(|| view! { <p class="notice bad">{loss(keys)}</p> })
    };
    view! {
        <form class="form" on:submit=submit>
            <QuorumFields required=required total=total />
            <CheckField
                label="Registered keys may be replaced later"
                value=replace
                testid="init-replace"
                hint="Lets you replace the key of a lost card (not yet in this portal). Otherwise, registered keys stay until the HSM is erased."
            />
            {warning}
            <TextField
                label=format!("Type {name} to confirm")
                value=typed
                testid="init-label"
            />
            <p class="hint">
                "The HSM's SO-PIN is entered on the server's machine, never here. Before the last person signs, run there: "
                <code>{format!("sudo countersign-server so-pin {name}")}</code>
                ". It is kept for one use within 15 minutes."
            </p>
            <SigningPanel signing=signing />
            <WorkButton work=work label="Erase and initialise HSM" testid="init-submit" class="danger" />
        </form>
    }
    .into_any()
}

#[component]
fn QuorumFields(required: RwSignal<String>, total: RwSignal<String>) -> impl IntoView {
    let advice = move || advice(&required.get(), &total.get());
    view! {
        <div class="pair">
            <TextField
                label="Approvals required"
                value=required
                testid="init-required"
                kind="number"
                min="1"
                max="90"
            />
            <TextField
                label="Number of custodians"
                value=total
                testid="init-total"
                kind="number"
                min="1"
                max="90"
            />
        </div>
        <p class="hint" role="status">{advice}</p>
    }
    .into_any()
}

fn loss(keys: usize) -> String {
    let them = if keys == 1 { "it" } else { "them" };
    let keys = words::count(keys as u64, "key");
    format!("This HSM holds {keys}. Initialising it destroys {them} permanently.")
}

fn quorum(required: &str, total: &str) -> Result<Quorum, Problem> {
    match (required.trim().parse(), total.trim().parse()) {
        (Ok(required), Ok(total)) if 1 <= required && required <= total => {
            Ok(Quorum { required, total })
        }
        _ => Err(problem(
            "Quorum not possible",
            "Require at least 1 approval, and not more approvals than there are custodians.",
        )),
    }
}

/// The consequences of the quorum.
fn advice(required: &str, total: &str) -> String {
    let Ok(quorum) = quorum(required, total) else {
        return String::new();
    };
    let lost = match quorum.total - quorum.required {
        0 => "if one card is lost, the keys are lost.".to_owned(),
        spare => format!(
            "you can lose {} and still open the HSM.",
            words::count(spare, "card")
        ),
    };
    let together = match quorum.required {
        1 => "Any custodian can open it alone.".to_owned(),
        2 => "No custodian can open it alone.".to_owned(),
        required => format!("{} custodians together can't open it.", required - 1),
    };
    format!("{quorum}: {lost} {together}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_names_both_dangers() {
        assert_eq!(
            advice("2", "3"),
            "2 of 3: you can lose 1 card and still open the HSM. No custodian can open it alone."
        );
        assert_eq!(
            advice("3", "5"),
            "3 of 5: you can lose 2 cards and still open the HSM. 2 custodians together can't open it."
        );
        assert_eq!(
            advice("1", "1"),
            "1 of 1: if one card is lost, the keys are lost. Any custodian can open it alone."
        );
        assert_eq!(advice("4", "3"), "");
    }
}
