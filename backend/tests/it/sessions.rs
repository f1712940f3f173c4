//! Sessions of the portal: their lifetime, their secrets, and the list of a person's own sessions.

use std::time::Duration;

use axum::{
    Router,
    body::Body,
    http::{Response, StatusCode, header},
};
use countersign_protocol::{
    audit::AuditEvent,
    event::Event,
    problem::ProblemCode,
    session::{OpenSession, SessionEnd},
};
use countersign_server::events::Change;
use countersign_simulator::Profile;

use crate::{
    events::EventSocket,
    http::{code, json, log_in, log_in_from, send, set_cookie},
    test_server::{ANNA, CARLA, DOUG, ORIGIN, TestServer, listen, operator, router},
    tls::server::token_for,
};

const MINUTE: i64 = 60;

/// Runs a statement on the database, as if time had passed or something had failed.
async fn sql(test: &TestServer, statement: &str) {
    sqlx::query(statement)
        .execute(test.server.store.pool())
        .await
        .expect("executed");
}

async fn number(test: &TestServer, query: &str) -> Option<i64> {
    sqlx::query_scalar(query)
        .fetch_optional(test.server.store.pool())
        .await
        .expect("read")
}

/// The last stored use of the only session, if there is one.
async fn used_at(test: &TestServer) -> Option<i64> {
    number(test, "SELECT used_at FROM sessions").await
}

/// Moves the last use of every session into the past.
async fn idle_for(test: &TestServer, seconds: i64) {
    sql(
        test,
        &format!("UPDATE sessions SET used_at = used_at - {seconds}"),
    )
    .await;
}

/// Lets time pass for the secrets of all sessions.
async fn age_secrets(test: &TestServer, seconds: i64) {
    let change = format!(
        "UPDATE session_secrets SET made_at = made_at - {seconds}, replaced_at = replaced_at - {seconds}"
    );
    sql(test, &change).await;
}

/// Waits until the changes that were begun before have been stored. They are made one after the other.
async fn writes_are_done(test: &TestServer) {
    // A background task may not have asked for the connection yet.
    for _ in 0..20 {
        tokio::task::yield_now().await;
        let later = test.server.store.write().await.expect("a change");
        later.commit().await.expect("committed");
    }
}

async fn get(router: &Router, cookie: &str) -> Response<Body> {
    send(router, "GET", "/session", &[("cookie", cookie)], None).await
}

async fn change(router: &Router, method: &str, path: &str, cookie: &str) -> StatusCode {
    let headers = [("cookie", cookie), ("origin", ORIGIN)];
    send(router, method, path, &headers, None).await.status()
}

async fn list(router: &Router, cookie: &str) -> Vec<OpenSession> {
    json(send(router, "GET", "/sessions", &[("cookie", cookie)], None).await).await
}

/// The cookie of a response as a browser sends it back.
fn new_cookie(response: &Response<Body>) -> Option<String> {
    let cookie = response.headers().get(header::SET_COOKIE)?;
    let cookie = cookie.to_str().expect("text").split(';').next();
    cookie.map(str::to_owned)
}

async fn ends(test: &TestServer) -> Vec<SessionEnd> {
    let events = test.audit().await.into_iter();
    events
        .filter_map(|event| match event {
            AuditEvent::SessionEnded { why, .. } => Some(why),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn a_used_session_is_extended_and_an_unused_one_ends() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;

    idle_for(&test, 29 * MINUTE).await;
    let before = used_at(&test).await;
    assert_eq!(get(&router, &cookie).await.status(), StatusCode::OK);
    writes_are_done(&test).await;
    assert!(used_at(&test).await >= before.map(|at| at + 29 * MINUTE));

    // An ended session stays ended, and the next log-in deletes it.
    idle_for(&test, 30 * MINUTE + 1).await;
    let ended = used_at(&test).await;
    let late = get(&router, &cookie).await;
    assert_eq!(code(late).await, ProblemCode::NotAuthenticated);
    writes_are_done(&test).await;
    assert_eq!(used_at(&test).await, ended);
    log_in(&mut test, &router, CARLA).await;
    assert!(used_at(&test).await > ended);
    assert_eq!(ends(&test).await, [SessionEnd::Expired]);
    test.shutdown().await;
}

#[tokio::test]
async fn a_session_ends_after_its_longest_duration_even_if_it_is_used() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let hours = 12 * 60 * MINUTE;
    let age = async |seconds: i64| {
        let change = format!("UPDATE sessions SET began_at = began_at - {seconds}");
        sql(&test, &change).await;
    };
    age(hours - MINUTE).await;
    assert_eq!(get(&router, &cookie).await.status(), StatusCode::OK);
    age(MINUTE).await;
    let late = get(&router, &cookie).await;
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
    test.shutdown().await;
}

/// The last use is stored once a minute, and a secret lasts longer than that.
#[tokio::test]
async fn requests_of_a_session_write_nothing_most_of_the_time() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    sql(&test, "CREATE TABLE writes (number INTEGER)").await;
    for (event, table) in [
        ("UPDATE", "sessions"),
        ("UPDATE", "session_secrets"),
        ("INSERT", "session_secrets"),
    ] {
        let trigger = format!(
            "CREATE TRIGGER {event}_{table} AFTER {event} ON {table} BEGIN INSERT INTO writes VALUES (1); END"
        );
        sql(&test, &trigger).await;
    }
    // In the middle of the minute in which no further use is stored.
    sql(&test, "UPDATE sessions SET used_at = unixepoch() - 5").await;
    sql(&test, "DELETE FROM writes").await;
    for _ in 0..20 {
        assert_eq!(get(&router, &cookie).await.status(), StatusCode::OK);
    }
    writes_are_done(&test).await;
    let writes = number(&test, "SELECT count(*) FROM writes").await;
    assert_eq!(writes, Some(0));
    test.shutdown().await;
}

#[tokio::test]
async fn a_failure_to_delete_expired_sessions_does_not_prevent_log_ins() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    log_in(&mut test, &router, DOUG).await;
    idle_for(&test, 60 * MINUTE).await;
    let trigger =
        "CREATE TRIGGER in_the_way BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END";
    sql(&test, trigger).await;
    let cookie = log_in(&mut test, &router, CARLA).await;
    assert_eq!(get(&router, &cookie).await.status(), StatusCode::OK);
    test.shutdown().await;
}

/// A token has no session, and could fill the audit log with log-outs.
#[tokio::test]
async fn a_token_cannot_log_out() {
    let test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let created = token_for(&test, &[], None).await.expect("a token");
    let bearer = format!("Bearer {}", created.secret);
    let token = [("authorization", bearer.as_str())];
    let generation = test.server.store.people_generation();
    let out = send(&router, "DELETE", "/session", &token, None).await;
    assert_eq!(code(out).await, ProblemCode::NotAllowed);
    assert_eq!(test.server.store.people_generation(), generation);
    let audit = test.audit().await;
    assert!(!audit.contains(&AuditEvent::LoggedOut), "{audit:?}");
    test.shutdown().await;
}

/// A log-out can happen between a request and the background write of its use. The request does not wait for the write.
#[tokio::test]
async fn using_a_deleted_session_does_not_restore_it() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    idle_for(&test, 20 * MINUTE).await;
    let mut busy = test.server.store.write().await.expect("a change");
    let request = get(&router, &cookie);
    let used = tokio::time::timeout(Duration::from_secs(5), request).await;
    assert_eq!(used.expect("at once").status(), StatusCode::OK);
    sqlx::query("DELETE FROM sessions")
        .execute(busy.connection())
        .await
        .expect("deleted");
    busy.commit().await.expect("committed");
    writes_are_done(&test).await;
    assert_eq!(used_at(&test).await, None);
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_does_not_extend_its_session() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let address = listen(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let mut socket = EventSocket::with_session(address, &cookie);
    idle_for(&test, 20 * MINUTE).await;
    let before = used_at(&test).await;
    // After a second, the caller is looked up again before an event is sent.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    test.server.store.publish(Change::Everything);
    assert_eq!(socket.next(), Some(Event::Resync));
    writes_are_done(&test).await;
    assert_eq!(used_at(&test).await, before);
    test.shutdown().await;
}

#[tokio::test]
async fn a_used_session_gets_a_new_secret_and_a_copy_of_the_old_one_ends_it() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let old = log_in(&mut test, &router, DOUG).await;
    assert_eq!(new_cookie(&get(&router, &old).await), None);

    age_secrets(&test, 15 * MINUTE).await;
    let new = new_cookie(&get(&router, &old).await).expect("a new secret");
    assert_ne!(new, old);
    // Requests at the same time get no further secret, because the browser would keep only one of them.
    assert_eq!(new_cookie(&get(&router, &old).await), None);

    // The old secret is valid until the browser uses the new one, and a short time longer.
    age_secrets(&test, 4 * MINUTE).await;
    assert_eq!(get(&router, &old).await.status(), StatusCode::OK);
    assert_eq!(get(&router, &new).await.status(), StatusCode::OK);
    writes_are_done(&test).await;
    assert_eq!(get(&router, &old).await.status(), StatusCode::OK);
    assert_eq!(ends(&test).await, []);

    // A minute later, only a copy can still have it. Its use ends the session for everyone.
    age_secrets(&test, MINUTE + 1).await;
    assert_eq!(get(&router, &new).await.status(), StatusCode::OK);
    assert_eq!(get(&router, &old).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get(&router, &new).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get(&router, &old).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ends(&test).await, [SessionEnd::SecretReused]);
    test.shutdown().await;
}

/// The thief may be the one who gets the new secret.
#[tokio::test]
async fn whoever_got_the_new_secret_loses_the_session_when_the_other_one_uses_the_old_one() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let stolen = log_in(&mut test, &router, DOUG).await;
    let mut current = stolen.clone();
    for _ in 0..3 {
        age_secrets(&test, 15 * MINUTE).await;
        current = new_cookie(&get(&router, &current).await).expect("a new secret");
        assert_eq!(get(&router, &current).await.status(), StatusCode::OK);
        writes_are_done(&test).await;
    }
    // However many secrets came after it, the first one is still recognised.
    let late = get(&router, &stolen).await;
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
    let ended = get(&router, &current).await;
    assert_eq!(ended.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ends(&test).await, [SessionEnd::SecretReused]);
    test.shutdown().await;
}

/// The response with the new secret may be lost.
#[tokio::test]
async fn a_browser_that_did_not_receive_its_new_secret_is_offered_another_one() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let old = log_in(&mut test, &router, DOUG).await;
    age_secrets(&test, 15 * MINUTE).await;
    let lost = new_cookie(&get(&router, &old).await).expect("a new secret");
    age_secrets(&test, 5 * MINUTE).await;
    let again = new_cookie(&get(&router, &old).await).expect("another secret");
    assert_ne!(again, lost);
    assert_eq!(get(&router, &again).await.status(), StatusCode::OK);
    assert_eq!(ends(&test).await, []);
    test.shutdown().await;
}

/// A page stays open for hours, so the secret with which it connected is replaced in the meantime.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_socket_outlives_the_secret_with_which_it_was_opened() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let address = listen(&test.server).await;
    let old = log_in(&mut test, &router, DOUG).await;
    let mut socket = EventSocket::with_session(address, &old);
    age_secrets(&test, 15 * MINUTE).await;
    let new = new_cookie(&get(&router, &old).await).expect("a new secret");
    get(&router, &new).await;
    writes_are_done(&test).await;
    age_secrets(&test, 60 * MINUTE).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    test.server.store.publish(Change::Everything);
    assert_eq!(socket.next(), Some(Event::Resync));
    assert_eq!(get(&router, &new).await.status(), StatusCode::OK);
    assert_eq!(ends(&test).await, []);
    test.shutdown().await;
}

#[tokio::test]
async fn people_see_and_end_their_own_sessions_only() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let at_work = log_in_from(&mut test, &router, DOUG, &[("user-agent", firefox)]).await;
    let at_home = log_in(&mut test, &router, DOUG).await;
    let annas = log_in(&mut test, &router, ANNA).await;

    let sessions = list(&router, &at_work).await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let mut current = sessions.iter().filter(|session| session.is_current);
    let work = current.next().expect("the session of the request");
    assert_eq!(work.browser, "Firefox on Linux");
    assert!(current.next().is_none());
    let lasts = work.ends_at.duration_since(work.began_at);
    assert_eq!(lasts.as_hours(), 12);
    // The ids in the list are no credentials.
    let shown = serde_json::to_string(&sessions).expect("JSON");
    for cookie in [&at_work, &at_home] {
        let (_, secret) = cookie.split_once('=').expect("a cookie");
        assert!(!shown.contains(secret));
    }
    let with_id = format!("countersign={}", work.id);
    let status = get(&router, &with_id).await.status();
    assert_eq!(status, StatusCode::UNAUTHORIZED);

    let home = sessions.iter().find(|session| !session.is_current);
    let home = format!("/sessions/{}", home.expect("the other session").id);
    let by_anna = change(&router, "DELETE", &home, &annas).await;
    assert_eq!(by_anna, StatusCode::NOT_FOUND);
    assert_eq!(get(&router, &at_home).await.status(), StatusCode::OK);
    let by_doug = change(&router, "DELETE", &home, &at_work).await;
    assert_eq!(by_doug, StatusCode::NO_CONTENT);
    let ended = get(&router, &at_home).await;
    assert_eq!(ended.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(list(&router, &at_work).await.len(), 1);
    assert_eq!(get(&router, &annas).await.status(), StatusCode::OK);
    assert_eq!(ends(&test).await, [SessionEnd::EndedByPerson]);
    test.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_logs_out_everywhere() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let address = listen(&test.server).await;
    let mut cookies = Vec::new();
    for _ in 0..3 {
        cookies.push(log_in(&mut test, &router, DOUG).await);
    }
    let annas = log_in(&mut test, &router, ANNA).await;
    let mut socket = EventSocket::with_session(address, &cookies[1]);
    let kept = "/sessions?keepCurrent=true";
    let done = change(&router, "DELETE", kept, &cookies[0]).await;
    assert_eq!(done, StatusCode::NO_CONTENT);
    assert_eq!(socket.next(), None);
    for (cookie, expected) in [
        (&cookies[0], StatusCode::OK),
        (&cookies[1], StatusCode::UNAUTHORIZED),
        (&cookies[2], StatusCode::UNAUTHORIZED),
        (&annas, StatusCode::OK),
    ] {
        assert_eq!(get(&router, cookie).await.status(), expected);
    }
    let done = change(&router, "DELETE", "/sessions", &cookies[0]).await;
    assert_eq!(done, StatusCode::NO_CONTENT);
    let ended = get(&router, &cookies[0]).await;
    assert_eq!(ended.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(get(&router, &annas).await.status(), StatusCode::OK);
    assert_eq!(ends(&test).await, [SessionEnd::EndedByPerson; 3]);
    test.shutdown().await;
}

#[tokio::test]
async fn a_log_in_gives_a_new_secret_and_ends_the_session_that_the_browser_had() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let first = log_in(&mut test, &router, DOUG).await;
    let second = log_in_from(&mut test, &router, DOUG, &[("cookie", &first)]).await;
    assert_ne!(first, second);
    assert_eq!(
        get(&router, &first).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(list(&router, &second).await.len(), 1);
    assert_eq!(ends(&test).await, [SessionEnd::Replaced]);

    // A secret that the server did not make begins no session.
    let chosen = format!("countersign={}", "A".repeat(52));
    let third = log_in_from(&mut test, &router, DOUG, &[("cookie", &chosen)]).await;
    assert_ne!(third, chosen);
    let unknown = get(&router, &chosen).await;
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
    // Of two cookies with the name, the server knows only one.
    let both = format!("{chosen}; {third}");
    let two = get(&router, &both).await;
    assert_eq!(two.status(), StatusCode::UNAUTHORIZED);
    test.shutdown().await;
}

#[tokio::test]
async fn a_person_has_a_limited_number_of_sessions() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let first = log_in(&mut test, &router, DOUG).await;
    idle_for(&test, MINUTE).await;
    let mut last = String::new();
    for _ in 0..20 {
        last = log_in(&mut test, &router, DOUG).await;
    }
    assert_eq!(list(&router, &last).await.len(), 20);
    assert_eq!(
        get(&router, &first).await.status(),
        StatusCode::UNAUTHORIZED
    );
    test.shutdown().await;
}

/// Only the SHA-256 of a secret is stored, so a copy of the database lets nobody in.
#[tokio::test]
async fn secrets_are_not_stored() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let cookie = set_cookie(&mut test, &router, DOUG).await;
    let secret = cookie.split(['=', ';']).nth(1).expect("a secret");
    assert_eq!(secret.len(), 52);
    let files = std::fs::read_dir(test.folder.path()).expect("a folder");
    for file in files {
        let path = file.expect("a file").path();
        let content = std::fs::read(&path).unwrap_or_default();
        let found = content
            .windows(secret.len())
            .any(|w| w == secret.as_bytes());
        assert!(!found, "{}", path.display());
    }
    test.shutdown().await;
}

#[tokio::test]
async fn revoking_a_person_deletes_their_sessions() {
    let mut test = TestServer::with_people(Profile::VENDOR).await;
    let router = router(&test.server).await;
    let cookie = log_in(&mut test, &router, DOUG).await;
    let (anna, doug) = (&test.anna().person, &test.doug().person);
    let actor = operator(anna);
    let revoked = test.server.people.revoke_key(anna, &actor, &doug.id);
    revoked.await.expect("revoked");
    let ended = get(&router, &cookie).await;
    assert_eq!(ended.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(used_at(&test).await, None);
    let secrets = number(&test, "SELECT count(*) FROM session_secrets").await;
    assert_eq!(secrets, Some(0));
    test.shutdown().await;
}
