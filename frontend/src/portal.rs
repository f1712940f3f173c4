//! The store that every page reads. `live` keeps it up to date.

use std::collections::HashMap;

use countersign_protocol::{
    about::About,
    act::ActView,
    activation::ActivationView,
    hsm::HsmView,
    id::{ActivationId, HsmId},
    operator::{OperatorView, Role},
    problem::{Problem, ProblemCode},
    session::SessionView,
};
use leptos::{prelude::*, task::spawn_local};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    api::{self, Answer},
    latest::LatestOnly,
};

#[derive(Clone, PartialEq, Eq)]
pub enum Session {
    /// The server has not answered yet.
    Unknown,
    Out,
    In(SessionView),
}

/// The connection for live events.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// The first attempt is running.
    Connecting,
    /// Events arrive.
    Live,
    /// The connection is lost and retried.
    Lost,
}

/// The store; a cheap handle.
#[derive(Clone, Copy)]
pub struct Portal {
    /// Facts about the server; `None` until they are fetched.
    pub about: RwSignal<Option<About>>,
    pub session: RwSignal<Session>,
    /// Whether the server ended the session while a page was open.
    pub session_ended: RwSignal<bool>,
    pub connection: RwSignal<Connection>,
    /// Activations, newest first: all active ones, and ended ones that a page has fetched.
    pub activations: RwSignal<Vec<ActivationView>>,
    /// Signing HSMs; `None` until they are fetched.
    pub hsms: RwSignal<Option<Vec<HsmView>>>,
    /// Number of events for each HSM.
    hsm_events: StoredValue<HashMap<HsmId, u32>>,
    /// Operators; `None` until they are fetched.
    pub operators: RwSignal<Option<Vec<OperatorView>>>,
    operator_requests: LatestOnly,
    /// Acts: those that await signatures first; `None` until they are fetched.
    pub acts: RwSignal<Option<Vec<ActView>>>,
    act_requests: LatestOnly,
    /// Grows when invitations or tokens change.
    pub people_changed: RwSignal<u32>,
    /// Grows when the list of devices awaiting acceptance changes.
    pub devices_changed: RwSignal<u32>,
    /// Number of entries in the audit log, from the last event.
    pub audit_total: RwSignal<u64>,
    /// The problem of the last refresh.
    pub problem: RwSignal<Option<Problem>>,
}

impl Portal {
    pub fn new() -> Self {
        Self {
            about: RwSignal::new(None),
            session: RwSignal::new(Session::Unknown),
            session_ended: RwSignal::new(false),
            connection: RwSignal::new(Connection::Connecting),
            activations: RwSignal::new(Vec::new()),
            hsms: RwSignal::new(None),
            hsm_events: StoredValue::default(),
            operators: RwSignal::new(None),
            operator_requests: LatestOnly::new(),
            acts: RwSignal::new(None),
            act_requests: LatestOnly::new(),
            people_changed: RwSignal::new(0),
            devices_changed: RwSignal::new(0),
            audit_total: RwSignal::new(0),
            problem: RwSignal::new(None),
        }
    }

    /// The store that the app provides.
    pub fn here() -> Self {
        use_context().unwrap_or_else(Self::new)
    }

    /// The session of the user, if one is logged in.
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

    /// An activation, if the store has it.
    pub fn activation(self, id: &ActivationId) -> Option<ActivationView> {
        self.activations
            .with(|all| all.iter().find(|view| view.id() == *id).cloned())
    }

    /// An HSM, if the store has it.
    pub fn hsm(self, id: &HsmId) -> Option<HsmView> {
        self.hsms.with(|all| find(all, id))
    }

    /// Stores an activation, unless the store has a newer revision.
    pub fn put_activation(self, view: ActivationView) {
        self.put_activations(vec![view]);
    }

    fn put_activations(self, views: Vec<ActivationView>) {
        self.activations.update(|all| {
            for view in views {
                match all.iter_mut().find(|old| old.id() == view.id()) {
                    Some(old) => replace(old, view),
                    None => all.push(view),
                }
            }
            all.sort_by_key(|view| std::cmp::Reverse(view.terms.requested_at));
        });
    }

    /// Stores the HSM of an event.
    pub fn apply_hsm_event(self, view: HsmView) {
        self.hsm_events.update_value(|events| {
            *events.entry(view.id.clone()).or_default() += 1;
        });
        self.put_hsm(view);
    }

    /// Waits for a response that contains an HSM and stores it, unless an event has brought a newer state in the meantime.
    pub async fn store_hsm(self, response: impl Future<Output = Answer<HsmView>>) -> Answer<()> {
        let changed_since = self.watch_hsms();
        let view = response.await?;
        if !changed_since(&view.id) {
            self.put_hsm(view);
        }
        Ok(())
    }

    /// Returns a function that reports whether an event for an HSM has arrived since this call. Such an event is newer than
    /// the response to a request that was sent before it.
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

    pub fn put_operator(self, view: OperatorView) {
        self.operators.update(|all| {
            let all = all.get_or_insert_default();
            match all.iter_mut().find(|old| old.person.id == view.person.id) {
                Some(old) => *old = view,
                None => all.push(view),
            }
        });
    }

    /// Drops everything that belongs to the session, which has ended.
    pub fn forget(self) {
        if matches!(self.session.get_untracked(), Session::In(_)) {
            self.session_ended.set(true);
        }
        self.session.set(Session::Out);
        self.activations.set(Vec::new());
        self.hsms.set(None);
        self.operators.set(None);
        self.acts.set(None);
        self.problem.set(None);
    }

    /// Fetches the facts about the server and the session.
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

    /// Fetches everything that several pages show. A request that fails does not stop the others.
    pub async fn refresh(self) {
        let activations = self.refresh_activations("active").await;
        let hsms = self.refresh_hsms().await;
        let operators = self.refresh_operators().await;
        let acts = self.refresh_acts().await;
        match activations.and(hsms).and(operators).and(acts) {
            Ok(()) => self.problem.set(None),
            Err(problem) => self.report(problem),
        }
    }

    /// Shows the problem of a refresh, unless the session has ended: then the log-in is shown instead.
    pub fn report(self, problem: Problem) {
        if self.session.get_untracked() != Session::Out {
            self.problem.set(Some(problem));
        }
    }

    async fn refresh_hsms(self) -> Answer<()> {
        let changed_since = self.watch_hsms();
        let mut hsms: Vec<HsmView> = self.get("/hsms").await?;
        for view in &mut hsms {
            if changed_since(&view.id)
                && let Some(newer) = self.hsms.with_untracked(|all| find(all, &view.id))
            {
                *view = newer;
            }
        }
        self.hsms.set(Some(hsms));
        Ok(())
    }

    /// Fetches activations: `active`, `ended` or `all`.
    pub async fn refresh_activations(self, which: &str) -> Answer<()> {
        let views: Vec<ActivationView> = self.get(&format!("/activations?state={which}")).await?;
        // An activation that ended while the connection was lost is missing in the list of active ones.
        let missing: Vec<_> = self.activations.with_untracked(|all| {
            all.iter()
                .filter(|old| !old.state.is_ended())
                .map(|old| old.id())
                .filter(|id| !views.iter().any(|view| view.id() == *id))
                .collect()
        });
        self.put_activations(views);
        for id in missing {
            self.put_activation(self.get(&activation_path(&id, "")).await?);
        }
        Ok(())
    }

    pub async fn refresh_operators(self) -> Answer<()> {
        let request = self.operator_requests.next();
        let operators: Vec<OperatorView> = self.get("/operators").await?;
        // An event may have caused a newer request in the meantime.
        if self.operator_requests.is_latest(request) {
            self.operators.set(Some(operators));
        }
        Ok(())
    }

    pub async fn refresh_acts(self) -> Answer<()> {
        let request = self.act_requests.next();
        let acts: Vec<ActView> = self.get("/acts").await?;
        // An event or a signature may have brought something newer in the meantime.
        if self.act_requests.is_latest(request) {
            self.acts.set(Some(acts));
        }
        Ok(())
    }

    /// Stores the act of a response, and fetches the list once more, because a request for it may be on its way.
    pub fn put_act(self, act: ActView) {
        self.acts.update(|all| {
            let all = all.get_or_insert_default();
            match all.iter_mut().find(|old| old.terms.id == act.terms.id) {
                Some(old) => *old = act,
                None => all.push(act),
            }
            all.sort_by_key(|act| act.state.has_ended());
        });
        spawn_local(async move {
            if let Err(problem) = self.refresh_acts().await {
                self.report(problem);
            }
        });
    }

    /// Calls [`api::get`] and logs out if the session has ended.
    pub async fn get<T: DeserializeOwned>(self, path: &str) -> Answer<T> {
        self.check_session(api::get(path).await)
    }

    /// Calls [`api::post`] and logs out if the session has ended.
    pub async fn post<T: DeserializeOwned>(self, path: &str, body: &impl Serialize) -> Answer<T> {
        self.check_session(api::post(path, body).await)
    }

    /// Calls [`api::act`] and logs out if the session has ended.
    pub async fn act<T: DeserializeOwned>(self, path: &str) -> Answer<T> {
        self.check_session(api::act(path).await)
    }

    /// Calls [`api::put`] and logs out if the session has ended.
    pub async fn put(self, path: &str, body: &impl Serialize) -> Answer<()> {
        self.check_session(api::put(path, body).await)
    }

    /// Calls [`api::delete`] and logs out if the session has ended.
    pub async fn delete(self, path: &str) -> Answer<()> {
        self.check_session(api::delete(path).await)
    }

    fn check_session<T>(self, answer: Answer<T>) -> Answer<T> {
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

/// Path of an activation in the API, or of a resource below it.
pub fn activation_path(id: &ActivationId, below: &str) -> String {
    format!("/activations/{}{below}", api::part(id.as_str()))
}

/// Replaces an activation by a newer one. Lists and events leave files out, so the files that are known are kept.
fn replace(old: &mut ActivationView, mut new: ActivationView) {
    if new.omitted_files < old.omitted_files {
        old.terms.clone_from(&new.terms);
        old.omitted_files = new.omitted_files;
    }
    if old.revision > new.revision {
        return;
    }
    if old.omitted_files < new.omitted_files {
        std::mem::swap(&mut new.terms, &mut old.terms);
        new.omitted_files = old.omitted_files;
    }
    *old = new;
}
