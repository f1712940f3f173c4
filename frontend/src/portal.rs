//! What the server told this page: one store that every page reads, kept current by `live`.

use std::collections::HashMap;

use countersign_protocol::{
    about::About,
    activation::ActivationView,
    hsm::HsmView,
    id::{ActivationId, HsmId},
    operator::{OperatorView, Role},
    problem::{Problem, ProblemCode},
    session::SessionView,
};
use leptos::prelude::*;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    api::{self, Answer},
    turns::Turns,
};

/// Who uses this page.
#[derive(Clone, PartialEq, Eq)]
pub enum Session {
    /// Not asked yet.
    Unknown,
    /// Nobody.
    Out,
    /// Somebody.
    In(SessionView),
}

/// The connection for live events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// First try.
    Connecting,
    /// Events come in.
    Live,
    /// Lost; being tried again.
    Lost,
}

/// The store.
#[derive(Clone, Copy)]
pub struct Portal {
    /// The server.
    pub about: RwSignal<Option<About>>,
    /// Who uses this page.
    pub session: RwSignal<Session>,
    /// Live events.
    pub connection: RwSignal<Connection>,
    /// Activations, newest first: the active ones, and every other that a page has asked for.
    pub activations: RwSignal<Vec<ActivationView>>,
    /// Signing HSMs; `None` until they were fetched.
    pub hsms: RwSignal<Option<Vec<HsmView>>>,
    /// How many events there were of each HSM.
    hsm_events: StoredValue<HashMap<HsmId, u32>>,
    /// Operators; `None` until they were fetched.
    pub operators: RwSignal<Option<Vec<OperatorView>>>,
    operator_turns: Turns,
    /// Grows when invitations or tokens have changed.
    pub people_changed: RwSignal<u32>,
    /// Grows when devices that wait to be accepted have changed.
    pub devices_changed: RwSignal<u32>,
    /// Entries in the audit log, as far as we heard.
    pub audit_total: RwSignal<u64>,
    /// Why the last refresh failed.
    pub problem: RwSignal<Option<Problem>>,
}

impl Portal {
    /// An empty store.
    pub fn new() -> Self {
        Self {
            about: RwSignal::new(None),
            session: RwSignal::new(Session::Unknown),
            connection: RwSignal::new(Connection::Connecting),
            activations: RwSignal::new(Vec::new()),
            hsms: RwSignal::new(None),
            hsm_events: StoredValue::default(),
            operators: RwSignal::new(None),
            operator_turns: Turns::new(),
            people_changed: RwSignal::new(0),
            devices_changed: RwSignal::new(0),
            audit_total: RwSignal::new(0),
            problem: RwSignal::new(None),
        }
    }

    /// The store of this page.
    pub fn here() -> Self {
        use_context().unwrap_or_else(Self::new)
    }

    /// Who uses this page, if somebody does.
    pub fn me(self) -> Option<SessionView> {
        match self.session.get() {
            Session::In(view) => Some(view),
            Session::Unknown | Session::Out => None,
        }
    }

    /// Whether the user has this role.
    pub fn is(self, role: Role) -> bool {
        self.session
            .with(|session| matches!(session, Session::In(view) if view.roles.contains(&role)))
    }

    /// An activation, if it is here.
    pub fn activation(self, id: &ActivationId) -> Option<ActivationView> {
        self.activations
            .with(|all| all.iter().find(|view| view.terms.id == *id).cloned())
    }

    /// An HSM, if it is here.
    pub fn hsm(self, id: &HsmId) -> Option<HsmView> {
        self.hsms.with(|all| find(all, id))
    }

    /// Takes over an activation, unless a newer state of it is here.
    pub fn put_activation(self, view: ActivationView) {
        self.put_activations(vec![view]);
    }

    fn put_activations(self, views: Vec<ActivationView>) {
        self.activations.update(|all| {
            for view in views {
                match all.iter_mut().find(|old| old.terms.id == view.terms.id) {
                    Some(old) if old.revision > view.revision => {}
                    Some(old) => *old = view,
                    None => all.push(view),
                }
            }
            all.sort_by_key(|view| std::cmp::Reverse(view.terms.requested_at));
        });
    }

    /// Takes over an HSM of which an event told.
    pub fn tell_hsm(self, view: HsmView) {
        self.hsm_events.update_value(|events| {
            *events.entry(view.id.clone()).or_default() += 1;
        });
        self.put_hsm(view);
    }

    /// Asks for an HSM, or for something that answers with it, and takes it over.
    pub async fn ask_hsm(self, ask: impl Future<Output = Answer<HsmView>>) -> Answer<()> {
        let told_since = self.watch_hsms();
        let view = ask.await?;
        if !told_since(&view.id) {
            self.put_hsm(view);
        }
        Ok(())
    }

    /// Tells later of which HSMs events have come since now: they are newer than what was asked for before.
    fn watch_hsms(self) -> impl Fn(&HsmId) -> bool {
        let before = self.hsm_events.get_value();
        move |id| {
            self.hsm_events
                .with_value(|now| now.get(id) != before.get(id))
        }
    }

    fn put_hsm(self, view: HsmView) {
        self.hsms.update(|all| {
            let all = all.get_or_insert_default();
            match all.iter_mut().find(|old| old.id == view.id) {
                Some(old) => *old = view,
                None => {
                    all.push(view);
                    all.sort_by(|one, other| one.id.cmp(&other.id));
                }
            }
        });
    }

    /// Takes over an operator.
    pub fn put_operator(self, view: OperatorView) {
        self.operators.update(|all| {
            let all = all.get_or_insert_default();
            match all.iter_mut().find(|old| old.person.id == view.person.id) {
                Some(old) => *old = view,
                None => all.push(view),
            }
        });
    }

    /// Forgets everything of the person who used this page.
    pub fn forget(self) {
        self.session.set(Session::Out);
        self.activations.set(Vec::new());
        self.hsms.set(None);
        self.operators.set(None);
        self.problem.set(None);
    }

    /// Asks who uses this page.
    pub async fn load_session(self) {
        match api::get::<About>("/about").await {
            Ok(about) => self.about.set(Some(about)),
            Err(problem) => self.problem.set(Some(problem)),
        }
        match api::get("/session").await {
            Ok(view) => self.session.set(Session::In(view)),
            Err(_) => self.session.set(Session::Out),
        }
    }

    /// Asks for everything that several pages show; what can't be had leaves the rest untouched.
    pub async fn refresh(self) {
        let activations = self.refresh_activations("active").await;
        let hsms = self.refresh_hsms().await;
        let operators = self.refresh_operators().await;
        match activations.and(hsms).and(operators) {
            Ok(()) => self.problem.set(None),
            Err(problem) => self.failed(problem),
        }
    }

    /// Shows why a refresh failed; not to somebody whose session has ended meanwhile, who sees the log-in.
    pub fn failed(self, problem: Problem) {
        if self.session.get_untracked() != Session::Out {
            self.problem.set(Some(problem));
        }
    }

    async fn refresh_hsms(self) -> Answer<()> {
        let told_since = self.watch_hsms();
        let mut hsms: Vec<HsmView> = self.get("/hsms").await?;
        for view in &mut hsms {
            if told_since(&view.id)
                && let Some(told) = self.hsms.with_untracked(|all| find(all, &view.id))
            {
                *view = told;
            }
        }
        self.hsms.set(Some(hsms));
        Ok(())
    }

    /// Asks for activations: `active`, `ended` or `all`.
    pub async fn refresh_activations(self, which: &str) -> Answer<()> {
        let views: Vec<ActivationView> = self.get(&format!("/activations?state={which}")).await?;
        // What ended while nobody listened is in no list of active ones.
        let gone: Vec<_> = self.activations.with_untracked(|all| {
            all.iter()
                .filter(|old| !old.state.is_ended())
                .map(|old| old.terms.id.clone())
                .filter(|id| !views.iter().any(|view| view.terms.id == *id))
                .collect()
        });
        self.put_activations(views);
        for id in gone {
            self.put_activation(self.get(&activation_path(&id, "")).await?);
        }
        Ok(())
    }

    /// Asks for operators.
    pub async fn refresh_operators(self) -> Answer<()> {
        let turn = self.operator_turns.next();
        let operators: Vec<OperatorView> = self.get("/operators").await?;
        // News may have come meanwhile, and have been asked for.
        if self.operator_turns.is_last(turn) {
            self.operators.set(Some(operators));
        }
        Ok(())
    }

    /// `GET`; an ended session is noticed.
    pub async fn get<T: DeserializeOwned>(self, path: &str) -> Answer<T> {
        self.noticed(api::get(path).await)
    }

    /// `POST` with a body; an ended session is noticed.
    pub async fn post<T: DeserializeOwned>(self, path: &str, body: &impl Serialize) -> Answer<T> {
        self.noticed(api::post(path, body).await)
    }

    /// `POST` without a body; an ended session is noticed.
    pub async fn act<T: DeserializeOwned>(self, path: &str) -> Answer<T> {
        self.noticed(api::act(path).await)
    }

    /// `PUT`; an ended session is noticed.
    pub async fn put(self, path: &str, body: &impl Serialize) -> Answer<()> {
        self.noticed(api::put(path, body).await)
    }

    /// `DELETE`; an ended session is noticed.
    pub async fn delete(self, path: &str) -> Answer<()> {
        self.noticed(api::delete(path).await)
    }

    fn noticed<T>(self, answer: Answer<T>) -> Answer<T> {
        if let Err(problem) = &answer
            && problem.code() == Some(ProblemCode::NotAuthenticated)
        {
            self.forget();
        }
        answer
    }
}

fn find(hsms: &Option<Vec<HsmView>>, id: &HsmId) -> Option<HsmView> {
    hsms.iter().flatten().find(|view| view.id == *id).cloned()
}

/// Address of an activation in the API, or of something below it.
pub fn activation_path(id: &ActivationId, below: &str) -> String {
    format!("/activations/{}{below}", api::part(id.as_str()))
}
