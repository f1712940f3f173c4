//! The REST interface of CardContact's SmartCard-HSM Cloud Service at `/se/api`, so that its clients work unchanged with keys that
//! are open to them. Paths and JSON follow its OpenAPI document and its responses; `docs/cloud-service.md` lists the differences.

mod algorithm;
mod client;
mod inventory;
mod resource;
mod signhash;

use axum::{
    Json, Router,
    extract::{FromRef, State},
    middleware,
    routing::{get, post},
};
use countersign_protocol::problem::ProblemCode;
use serde::Deserialize;

use self::{
    client::Program,
    inventory::Inventory,
    resource::{HsmResource, KeyDomainResource, KeyResource},
};
use super::{
    body::Bodies,
    extract::{Path, Query},
    problem::ApiError,
};
use crate::{
    activation::OpenLeases,
    hsm::Hsms,
    http::{self, security},
    signing::Signing,
    views::Views,
};

/// Longest body of a request, in bytes: large enough for a hash and the name of an algorithm.
const BODY_LIMIT: usize = 16 * 1024;

/// All routes below `/se/api`. The caller wraps them in the session layer.
pub fn routes(state: &http::State, strangers: &Bodies) -> Router<http::State> {
    // The caller is identified later, when the body has been read.
    let bodies = strangers.up_to(BODY_LIMIT);
    Router::new()
        .route("/hsms", get(hsms))
        .route("/hsms/{hsm}", get(hsm))
        .route("/hsms/{hsm}/keys", get(keys_of_hsm))
        .route("/hsms/{hsm}/keys/{key}", get(key_of_hsm))
        .route(
            "/hsms/{hsm}/keys/{key}/signhash",
            post(signhash::by_key_of_hsm),
        )
        .route("/keydomains", get(key_domains))
        .route("/keydomains/{domain}", get(key_domain))
        .route("/keydomains/{domain}/keys", get(keys_of_domain))
        .route("/keydomains/{domain}/keys/{key}", get(key_of_domain))
        .route(
            "/keydomains/{domain}/keys/{key}/signhash",
            post(signhash::by_key_of_domain),
        )
        .route("/keys", get(keys))
        .route("/keys/{key}", get(key))
        .route("/keys/{key}/signhash", post(signhash::by_key))
        .fallback(|| async {
            ApiError::new(
                ProblemCode::NotFound,
                "this address does not exist in the cloud service's interface",
            )
        })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                ProblemCode::MethodNotAllowed,
                "this address does not support this method: read lists, HSMs, keys and key domains with GET, and request `signhash` with POST",
            )
        })
        .layer(middleware::from_fn(move |request, next| {
            let bodies = bodies.clone();
            async move { bodies.run(request, next).await }
        }))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            security::not_from_a_page,
        ))
}

/// The services that these routes use.
#[derive(Clone)]
struct Cloud {
    hsms: Hsms,
    leases: OpenLeases,
    signing: Signing,
    views: Views,
}

impl FromRef<http::State> for Cloud {
    fn from_ref(state: &http::State) -> Self {
        Self {
            hsms: state.hsms.clone(),
            leases: state.activations.leases().clone(),
            signing: state.signing.clone(),
            views: state.views.clone(),
        }
    }
}

/// Which HSMs and keys a response lists.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum StateFilter {
    /// Only those that are open to the caller, as in the cloud service.
    #[default]
    Open,
    /// Locked ones as well, with a field that states if each is open.
    All,
}

#[derive(Deserialize)]
struct Filter {
    #[serde(default)]
    state: StateFilter,
}

async fn read(cloud: &Cloud, program: &Program, filter: &Filter) -> Result<Inventory, ApiError> {
    let inventory = program.inventory(&cloud.hsms, &cloud.leases)?;
    let inventory = match filter.state {
        StateFilter::Open => inventory.only_open(),
        StateFilter::All => inventory.marked(),
    };
    inventory.with_certificates(&cloud.views).await
}

fn not_found(what: &str, id: &str) -> ApiError {
    ApiError::new(
        ProblemCode::NotFound,
        format!(
            "no {what} `{id}` is open to you. Add `?state=all` to list locked ones as well; request an activation to open them"
        ),
    )
}

/// The one key with this id.
fn only(mut keys: Vec<KeyResource>, id: &str) -> Result<Json<KeyResource>, ApiError> {
    keys.retain(|key| key.id.eq_ignore_ascii_case(id));
    if keys.windows(2).any(|pair| pair[0].key != pair[1].key) {
        return Err(ambiguous(id));
    }
    let first = keys.into_iter().next();
    first.map(Json).ok_or_else(|| not_found("key", id))
}

fn ambiguous(id: &str) -> ApiError {
    ApiError::new(
        ProblemCode::Conflict,
        format!(
            "several different keys have the id `{id}`: name the HSM too, as in /se/api/hsms/HSM/keys/{id}, or use a token \
             for one of them"
        ),
    )
}

async fn hsms(
    State(cloud): State<Cloud>,
    program: Program,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<HsmResource>>, ApiError> {
    Ok(Json(read(&cloud, &program, &filter).await?.hsms()))
}

async fn one_hsm(
    cloud: &Cloud,
    program: &Program,
    filter: &Filter,
    id: &str,
) -> Result<HsmResource, ApiError> {
    let mut all = read(cloud, program, filter).await?.hsms().into_iter();
    all.find(|hsm| hsm.id == id)
        .ok_or_else(|| not_found("HSM", id))
}

async fn hsm(
    State(cloud): State<Cloud>,
    program: Program,
    Path(id): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<Json<HsmResource>, ApiError> {
    Ok(Json(one_hsm(&cloud, &program, &filter, &id).await?))
}

async fn keys_of_hsm(
    State(cloud): State<Cloud>,
    program: Program,
    Path(id): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<KeyResource>>, ApiError> {
    Ok(Json(one_hsm(&cloud, &program, &filter, &id).await?.keys))
}

async fn key_of_hsm(
    State(cloud): State<Cloud>,
    program: Program,
    Path((hsm, key)): Path<(String, String)>,
    Query(filter): Query<Filter>,
) -> Result<Json<KeyResource>, ApiError> {
    only(one_hsm(&cloud, &program, &filter, &hsm).await?.keys, &key)
}

async fn key_domains(
    State(cloud): State<Cloud>,
    program: Program,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<KeyDomainResource>>, ApiError> {
    Ok(Json(read(&cloud, &program, &filter).await?.key_domains()))
}

async fn one_domain(
    cloud: &Cloud,
    program: &Program,
    filter: &Filter,
    id: &str,
) -> Result<KeyDomainResource, ApiError> {
    let mut all = read(cloud, program, filter)
        .await?
        .key_domains()
        .into_iter();
    all.find(|domain| domain.id.eq_ignore_ascii_case(id))
        .ok_or_else(|| not_found("key domain", id))
}

async fn key_domain(
    State(cloud): State<Cloud>,
    program: Program,
    Path(id): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<Json<KeyDomainResource>, ApiError> {
    Ok(Json(one_domain(&cloud, &program, &filter, &id).await?))
}

async fn keys_of_domain(
    State(cloud): State<Cloud>,
    program: Program,
    Path(id): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<KeyResource>>, ApiError> {
    Ok(Json(one_domain(&cloud, &program, &filter, &id).await?.keys))
}

async fn key_of_domain(
    State(cloud): State<Cloud>,
    program: Program,
    Path((domain, key)): Path<(String, String)>,
    Query(filter): Query<Filter>,
) -> Result<Json<KeyResource>, ApiError> {
    only(
        one_domain(&cloud, &program, &filter, &domain).await?.keys,
        &key,
    )
}

async fn keys(
    State(cloud): State<Cloud>,
    program: Program,
    Query(filter): Query<Filter>,
) -> Result<Json<Vec<KeyResource>>, ApiError> {
    Ok(Json(read(&cloud, &program, &filter).await?.keys()))
}

async fn key(
    State(cloud): State<Cloud>,
    program: Program,
    Path(id): Path<String>,
    Query(filter): Query<Filter>,
) -> Result<Json<KeyResource>, ApiError> {
    only(read(&cloud, &program, &filter).await?.keys(), &id)
}
