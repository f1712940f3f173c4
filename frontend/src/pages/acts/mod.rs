//! Acts: changes that await signatures, and what became of the others.

mod facts;

use countersign_protocol::{
    act::{ActResult, ActState, ActView},
    id::ActId,
    operator::Role,
};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::{
    acts::{self, Signing, SigningPanel, anchor, can_sign, can_withdraw, missing, result_view},
    api, browser,
    clock::Clock,
    components::{Badge, Empty, Loading, Page, Prose, Rows, When, WorkButton, WorkProblem},
    portal::Portal,
    words,
    work::Work,
};
use facts::facts;

#[component]
pub fn Acts() -> impl IntoView {
    let portal = Portal::here();
    let clock = use_context::<Clock>();
    let all = Memo::new(move |_| {
        let now = clock.map(Clock::now);
        portal.acts.with(|all| {
            let all = all.as_ref()?.iter().map(|act| ActView {
                state: now.map_or_else(|| act.state.clone(), |now| acts::state(act, now)),
                ..act.clone()
            });
            Some(all.collect::<Vec<_>>())
        })
    });
    let select = move |ended: bool| {
        Signal::derive(move || {
            all.with(|all| {
                let all = all.iter().flatten();
                all.filter(|act| act.state.has_ended() == ended)
                    .cloned()
                    .collect::<Vec<_>>()
            })
        })
    };
    let (pending, ended) = (select(false), select(true));
    let loaded = Memo::new(move |_| all.with(Option::is_some));
    let none_pending = Memo::new(move |_| pending.with(Vec::is_empty));
    let none_ended = Memo::new(move |_| ended.with(Vec::is_empty));
    // Kept here, because the row of an act leaves its list as soon as it is carried out.
    let result = RwSignal::new(None::<ActResult>);
    let hash = use_location().hash;
    Effect::new(move |_| {
        if loaded.get() {
            let wanted = hash.get_untracked();
            let wanted = wanted.trim_start_matches('#');
            let exists = all.with_untracked(|all| {
                let mut all = all.iter().flatten();
                all.any(|act| anchor(&act.terms.id) == wanted)
            });
            if exists {
                browser::focus(format!("#{wanted}"));
            }
        }
    });
    let list = move || {
        if !loaded.get() {
            return view! { <Loading /> }.into_any();
        }
        if none_pending.get() {
            return empty(portal);
        }
        view! {
            <ul class="rows">
                <Rows
                    items=pending
                    key=|act| act.terms.id.to_string()
                    row=move |act| pending_row(act, result)
                />
            </ul>
        }
        .into_any()
    };
    view! {
        <Page title="Acts">
            <p class="lead">
                "An act is a change that weakens what protects the signing keys. It is carried out only after the cards of one or two people have signed it."
            </p>
            <div role="status">{move || result.get().map(result_view)}</div>
            {list}
            {move || {
                (!none_ended.get())
                    .then(|| {
                        view! {
                            <section aria-labelledby="ended">
                                <h2 id="ended">"Last 7 days"</h2>
                                <ul class="rows">
                                    <Rows
                                        items=ended
                                        key=|act| act.terms.id.to_string()
                                        row=ended_row
                                    />
                                </ul>
                            </section>
                        }
                    })
            }}
        </Page>
    }
}

fn empty(portal: Portal) -> AnyView {
    let beginning = if portal.is(Role::Admin) {
        view! {
            <p>
                "Acts begin where you make the change: invite or confirm people on the page "
                <a href="/people">"People"</a> "; accept, initialise and register on the page "
                <a href="/hsms">"HSMs"</a> "."
            </p>
        }
        .into_any()
    } else {
        view! {
            <p>"Admins propose acts on the pages People and HSMs, and requesters on the page Tokens."</p>
        }
        .into_any()
    };
    view! {
        <Empty>
            <p>"No act is waiting for a signature."</p>
            {beginning}
        </Empty>
    }
    .into_any()
}

fn pending_row(act: Memo<ActView>, result: RwSignal<Option<ActResult>>) -> AnyView {
    let portal = Portal::here();
    let terms = act.with_untracked(|act| act.terms.clone());
    let (title, consequence, facts) = (
        words::title(&terms.act.in_words()),
        terms.act.consequence(),
        facts(&terms.act),
    );
    let (id, expires_at) = (terms.id, terms.expires_at);
    let (sign_id, withdraw_id) = (id.clone(), id.clone());
    let (signer, withdrawer) = (
        Memo::new(move |_| act.with(|act| can_sign(portal, act))),
        Memo::new(move |_| act.with(|act| can_withdraw(portal, act))),
    );
    view! {
        <li class="row act" id=anchor(&id) tabindex="-1" data-testid=format!("act-{id}")>
            <div class="row-link">
                <span class="row-title">{title}</span>
                <span class="row-text">
                    <Prose text=consequence />
                </span>
                {facts}
                {move || act.with(people)}
                {move || act.with(notice)}
                {move || {
                    signer.get().then(|| view! { <Sign id=sign_id.clone() result=result /> })
                }}
            </div>
            <div class="row-side">
                {move || act.with(badge)}
                <span class="quiet">"expires " <When at=expires_at /></span>
                {move || withdrawer.get().then(|| view! { <Withdraw id=withdraw_id.clone() /> })}
            </div>
        </li>
    }
    .into_any()
}

fn ended_row(act: Memo<ActView>) -> AnyView {
    let (id, title) = act.with_untracked(|act| {
        (
            act.terms.id.clone(),
            words::title(&act.terms.act.in_words()),
        )
    });
    view! {
        <li class="row act" id=anchor(&id) tabindex="-1" data-testid=format!("act-{id}")>
            <div class="row-link">
                <span class="row-title">{title}</span>
                <span class="row-text">{move || act.with(|act| words::act_end(&act.state))}</span>
                {move || act.with(people)}
                {move || act.with(notice)}
            </div>
            <div class="row-side">{move || act.with(badge)}</div>
        </li>
    }
    .into_any()
}

fn badge(act: &ActView) -> AnyView {
    let tone = match act.state {
        ActState::AwaitingSignatures => "wait",
        ActState::CarryingOut => "busy",
        ActState::CarriedOut => "good",
        ActState::Interrupted => "bad",
        ActState::Withdrawn { .. } | ActState::Expired => "plain",
    };
    view! { <Badge tone=tone text=words::act_state_name(&act.state) testid="act-state" /> }
        .into_any()
}

/// Who proposed the act, who signed it, and who still has to.
fn people(act: &ActView) -> AnyView {
    let signed = act.signed_by.iter().map(|by| {
        let name = format!("Signed by {}, ", by.person.name);
        view! { <span class="quiet">{name} <When at=by.at /></span> }
    });
    let waits = act.state == ActState::AwaitingSignatures;
    view! {
        <span class="quiet">
            {format!("Proposed by {}, ", act.terms.proposer.name)} <When at=act.terms.proposed_at />
        </span>
        {signed.collect_view()}
        {waits
            .then(|| {
                view! {
                    <strong class="row-text" data-testid="act-missing">
                        {format!("{}.", missing(act))}
                    </strong>
                }
            })}
    }
    .into_any()
}

fn notice(act: &ActView) -> Option<AnyView> {
    let why = act.notice.clone()?;
    Some(
        view! {
            <p class="notice bad" data-testid="act-notice">
                "The last attempt failed, and its last signature doesn't count. "
                <Prose text=why />
            </p>
        }
        .into_any(),
    )
}

#[component]
fn Sign(id: ActId, result: RwSignal<Option<ActResult>>) -> impl IntoView {
    let signing = Signing::new();
    let sign = Callback::new(move |()| {
        let id = id.clone();
        signing.work.run(async move {
            // `None` if another person has to sign as well. The row says so then.
            if let Some(done) = signing.sign(&id).await? {
                result.try_set(Some(done));
            }
            Ok(())
        });
    });
    view! {
        <div class="act-sign">
            <SigningPanel signing=signing lazy=true />
            <WorkButton
                work=signing.work
                label="Sign with your card"
                testid="act-sign"
                class="primary"
                on_press=sign
            />
        </div>
    }
    .into_any()
}

#[component]
fn Withdraw(id: ActId) -> impl IntoView {
    let portal = Portal::here();
    let work = Work::new();
    let withdraw = Callback::new(move |()| {
        let path = format!("/acts/{}", api::part(id.as_str()));
        work.run(async move {
            portal.delete(&path).await?;
            portal.refresh_acts().await
        });
    });
    view! {
        <WorkButton work=work label="Withdraw act" testid="act-withdraw" on_press=withdraw />
        <WorkProblem work=work />
    }
    .into_any()
}
