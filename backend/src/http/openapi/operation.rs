//! What an operation has beside its body: callers, parameters of the path, problems and examples.

use axum::http::Method;
use serde_json::{Value, json};

use super::example;
use crate::http::routes::Access;

/// Completes the documentation of an operation.
pub fn complete(method: &str, path: &str, operation: &mut Value) {
    let access = method
        .parse::<Method>()
        .ok()
        .and_then(|method| Access::of(&method, path));
    if let Some(access) = access {
        callers(access, operation);
    }
    let group = path.split('/').nth(1).unwrap_or_default();
    operation["tags"] = json!([group.trim_end_matches(".json")]);
    add_path_parameters(path, operation);
    let has_input = !operation["requestBody"].is_null() || !operation["parameters"].is_null();
    if has_input {
        operation["responses"]["400"] = problem("InvalidRequest");
    }
    if path.contains('{') {
        operation["responses"]["404"] = problem("NotFound");
    }
    operation["responses"]["default"] = problem("Problem");
    add_example(&mut operation["requestBody"]);
    let responses = operation["responses"].as_object_mut();
    responses
        .into_iter()
        .flat_map(|responses| responses.values_mut())
        .for_each(|response| {
            add_example(response);
            if response["$ref"].is_null() {
                response["headers"] = request_id();
            }
        });
    if operation["requestBody"].is_null()
        && let Some(operation) = operation.as_object_mut()
    {
        operation.remove("requestBody");
    }
}

/// The header that every response has.
pub fn request_id() -> Value {
    json!({
        "X-Request-Id": {
            "description": "Id of the request, which the server's log has too.",
            "schema": { "type": "string" },
        },
    })
}

fn problem(name: &str) -> Value {
    json!({ "$ref": format!("#/components/responses/{name}") })
}

/// Names the callers in the description, the security requirements and `x-roles`.
fn callers(access: Access, operation: &mut Value) {
    let (roles, security) = match access {
        Access::Anyone => {
            operation["security"] = json!([]);
            return;
        }
        Access::Callers(roles) => (
            roles,
            json!([{ "token": [] }, { "session": [] }, { "clientCertificate": [] }]),
        ),
        Access::People(roles) => (roles, json!([{ "session": [] }])),
    };
    operation["security"] = security;
    operation["x-roles"] = json!(roles);
    operation["description"] = json!(format!("Callers: {}.", access.in_words()));
    operation["responses"]["401"] = problem("NotAuthenticated");
    operation["responses"]["403"] = problem("NotAllowed");
}

fn add_path_parameters(path: &str, operation: &mut Value) {
    let names = path.split('/').filter_map(|segment| {
        let name = segment.strip_prefix('{')?;
        name.strip_suffix('}')
    });
    let group = path.split('/').nth(1).unwrap_or_default();
    for name in names {
        let (schema, description) = match (group, name) {
            ("operators", _) => ("OperatorId", "The person."),
            ("invitations", _) => ("InvitationId", "The invitation."),
            ("acts", _) => ("ActId", "The act."),
            ("sessions", _) => ("SessionId", "The session."),
            ("tokens", _) => ("TokenId", "The token."),
            ("hsms", _) => ("HsmId", "The HSM."),
            ("activations", _) => ("ActivationId", "The activation."),
            (_, "device") => ("DeviceId", "The device."),
            (_, "fingerprint") => ("Fingerprint", "The key."),
            _ => continue,
        };
        let parameter = json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": description,
            "schema": { "$ref": format!("#/components/schemas/{schema}") },
        });
        match operation["parameters"].as_array_mut() {
            Some(parameters) => parameters.insert(0, parameter),
            None => operation["parameters"] = json!([parameter]),
        }
    }
}

/// Adds the example of a body of one type, or of a list of that type.
fn add_example(with_body: &mut Value) {
    let Some(content) = with_body.pointer_mut("/content/application~1json") else {
        return;
    };
    let name = |schema: &Value| {
        let reference = schema["$ref"].as_str()?;
        reference.rsplit('/').next().map(str::to_owned)
    };
    let schema = &content["schema"];
    let found = match (name(schema), name(&schema["items"])) {
        (Some(one), _) => example(&one).cloned(),
        (None, Some(item)) => example(&item).map(|item| json!([item])),
        (None, None) => None,
    };
    if let Some(found) = found {
        content["example"] = found;
    }
}
