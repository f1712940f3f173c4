//! Which card, which key.

use countersign_protocol::{
    cvc::{Chr, DeviceId, Fingerprint},
    helper::{CardKeyView, CardView, EnrolKey},
    operator::{Enrolment, OpenInvitation, OpenedInvitation, OperatorView},
    problem::Problem,
};
use leptos::prelude::*;

use crate::{
    api, browser,
    components::{HelperPanel, HelperProgress, TextField, WorkButton, WorkProblem},
    helper::Helper,
    work::{Work, problem},
};

/// Choice of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// Nothing chosen yet: the first suitable key, or a new one where there is none.
    Default,
    Existing(Fingerprint),
    New,
}

/// The form.
#[component]
pub fn Form(
    /// The invitation's code.
    code: String,
    /// The invited person.
    name: String,
    /// Where the result goes.
    enrolled: RwSignal<Option<OperatorView>>,
) -> impl IntoView {
    let helper = Helper::here();
    let work = Work::new();
    let device = RwSignal::new(None::<DeviceId>);
    let choice = RwSignal::new(Choice::Default);
    let label = RwSignal::new(format!("Countersign {name}"));
    let chr = RwSignal::new(proposed_name(&name, browser::country().as_deref()));
    let cards = Memo::new(move |_| helper.cards());
    let card = Memo::new(move |_| {
        let device = device.get();
        cards.with(|cards| {
            let chosen = cards
                .iter()
                .find(|card| Some(&card.device) == device.as_ref());
            chosen
                .or_else(|| cards.first().filter(|_| cards.len() == 1))
                .cloned()
        })
    });
    let key = Memo::new(move |_| {
        let suitable = card.with(|card| {
            card.as_ref()
                .and_then(|card| suitable(card).next().map(|key| key.fingerprint))
        });
        match (choice.get(), suitable) {
            (Choice::Default, Some(key)) => Choice::Existing(key),
            (Choice::Default, None) => Choice::New,
            (chosen, _) => chosen,
        }
    });
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let code = code.clone();
        work.run(async move {
            let card = card
                .get_untracked()
                .ok_or_else(|| problem("No card is chosen", "Insert your card, then choose it."))?;
            let key = match key.get_untracked() {
                Choice::Existing(fingerprint) => EnrolKey::Existing { fingerprint },
                Choice::New | Choice::Default => {
                    new_key(&label.get_untracked(), &chr.get_untracked())?
                }
            };
            // A helper answers each task once, so every try needs a task of its own.
            let opened: OpenedInvitation =
                api::post("/enrolment/open", &OpenInvitation { code: code.clone() }).await?;
            let (pka, statement) = helper.enrol(opened.task, card.device, key).await?;
            let statement = Some(statement);
            let operator = api::post(
                "/enrolment",
                &Enrolment {
                    code,
                    pka,
                    statement,
                },
            )
            .await?;
            enrolled.set(Some(operator));
            Ok(())
        });
    };
    view! {
        <form class="card form" on:submit=submit>
            <HelperPanel />
            {move || {
                let cards = cards.get();
                (!cards.is_empty())
                    .then(|| {
                        view! {
                            <fieldset>
                                <legend>"Card"</legend>
                                {cards
                                    .into_iter()
                                    .map(|view| {
                                        let id = view.device.clone();
                                        let is_chosen = Signal::derive(move || {
                                            card.with(|card| card.as_ref().is_some_and(|card| card.device == id))
                                        });
                                        card_choice(&view, is_chosen, device, choice)
                                    })
                                    .collect_view()}
                            </fieldset>
                        }
                    })
            }}
            {move || card.get().map(|card| view! { <Keys card=card key=key choice=choice /> })}
            {move || {
                (card.with(Option::is_some) && key.get() == Choice::New)
                    .then(|| view! { <NewKey label=label chr=chr /> })
            }}
            <HelperProgress busy=work.busy />
            <WorkProblem work=work />
            <WorkButton
                work=work
                label="Enrol this key"
                testid="join-submit"
                class="primary"
                disabled=Signal::derive(move || card.with(Option::is_none))
            />
        </form>
    }
    .into_any()
}

fn suitable(card: &CardView) -> impl Iterator<Item = &CardKeyView> {
    card.keys.iter().filter(|key| key.unsuitable.is_none())
}

fn card_choice(
    card: &CardView,
    is_chosen: Signal<bool>,
    device: RwSignal<Option<DeviceId>>,
    choice: RwSignal<Choice>,
) -> AnyView {
    let id = card.device.clone();
    let version = card
        .version
        .as_ref()
        .map_or(String::new(), |version| format!(" · firmware {version}"));
    view! {
        <label class="choice">
            <input
                type="radio"
                name="join-card"
                data-testid=format!("join-card-{id}")
                prop:checked=move || is_chosen.get()
                on:change=move |_| {
                    device.set(Some(id.clone()));
                    // Keys belong to their card.
                    choice.set(Choice::Default);
                }
            />
            <span>
                {if card.label.is_empty() { "SmartCard-HSM".to_owned() } else { card.label.clone() }}
                <span class="hint">
                    {format!("{} · vouched for by {}{version}", card.device, card.anchor)}
                </span>
            </span>
        </label>
    }
    .into_any()
}

#[component]
fn Keys(card: CardView, key: Memo<Choice>, choice: RwSignal<Choice>) -> impl IntoView {
    let existing = card.keys.into_iter().map(|view| {
        let this = Choice::Existing(view.fingerprint);
        let unsuitable = view.unsuitable;
        view! {
            <label class="choice">
                <input
                    type="radio"
                    name="join-key"
                    data-testid=format!("join-key-{}", view.fingerprint.to_hex())
                    disabled=unsuitable.is_some()
                    prop:checked=move || key.get() == this
                    on:change=move |_| choice.set(this)
                />
                <span>
                    {format!("“{}”, {}", view.label, view.kind)} <span class="hint">{unsuitable}</span>
                </span>
            </label>
        }
    });
    view! {
        <fieldset>
            <legend>"Key"</legend>
            {existing.collect_view()}
            <label class="choice">
                <input
                    type="radio"
                    name="join-key"
                    data-testid="join-generate"
                    prop:checked=move || key.get() == Choice::New
                    on:change=move |_| choice.set(Choice::New)
                />
                <span>
                    "A new key" <span class="hint">"The card makes it; it can't leave the card."</span>
                </span>
            </label>
        </fieldset>
    }
    .into_any()
}

#[component]
fn NewKey(label: RwSignal<String>, chr: RwSignal<String>) -> impl IntoView {
    // The rules are checked while one types; the same code decides on the card's side.
    let hint = Signal::derive(move || {
        match Chr::parse_new(&chr.get()) {
        Ok(_) => "Unique among all custodians. 2 letters country, 1 to 9 letters or digits, 5 for the number.".to_owned(),
        Err(error) => error.to_string(),
    }
    });
    view! {
        <TextField label="Label on the card" value=label testid="join-label" />
        <TextField label="Name of the key" value=chr testid="join-chr" hint=hint />
    }
    .into_any()
}

fn new_key(label: &str, chr: &str) -> Result<EnrolKey, Problem> {
    let chr = Chr::parse_new(chr)
        .map_err(|error| problem("The key's name can't be used", error.to_string()))?;
    Ok(EnrolKey::Generate {
        label: label.trim().to_owned(),
        chr,
    })
}

/// Country, the person's letters, number 1. Where the browser tells no country, `UT` as other software for these cards
/// has it.
fn proposed_name(name: &str, country: Option<&str>) -> String {
    let letters: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(9)
        .collect::<String>()
        .to_ascii_uppercase();
    let letters = if letters.is_empty() {
        "CUSTODIAN"
    } else {
        &letters
    };
    format!("{}{letters}00001", country.unwrap_or("UT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposed_names_obey_the_rules() {
        for name in ["Anna Smith", "Ö", "李", "Maximilian-Alexander"] {
            for country in [None, Some("DE")] {
                Chr::parse_new(&proposed_name(name, country)).unwrap();
            }
        }
        assert_eq!(proposed_name("Anna Smith", Some("DE")), "DEANNASMITH00001");
    }
}
