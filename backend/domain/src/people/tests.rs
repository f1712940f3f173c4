use countersign_protocol::{
    audit::Actor,
    dsse::Envelope,
    id::{InvitationId, OperatorId},
    operator::{
        Bootstrap, EnrolledKey, InvitationStatus, InvitationView, KeyStatus, NewInvitation,
        OperatorView, Person, Role,
    },
    statement::LoginStatement,
    task::{ServerTask, Task},
};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::{
    events::Changes,
    mandate::Mandate,
    random,
    store::{invitations::Invitation, operators::Operator},
};

const ORIGIN: &str = "https://sign.example.org";

/// A server without operators.
struct Server {
    people: People,
    folder: tempfile::TempDir,
}

impl Server {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.db");
        let store = Store::open(&file, Changes::default()).await.unwrap();
        let identity = ServerKey::load_or_create(folder.path(), "test", ORIGIN).unwrap();
        let people = People::new(
            store,
            Arc::new(identity),
            Arc::new(TrustAnchors::production()),
            ORIGIN,
            folder.path(),
            SessionConfig::default(),
        );
        Self {
            people: people.unwrap(),
            folder,
        }
    }

    /// Invites a person. Returns the invitation and its code.
    async fn invite(&self) -> (InvitationId, String) {
        let new = NewInvitation {
            name: "Ben".into(),
            mail: None,
            roles: vec![Role::Custodian],
        };
        let admin = Person {
            id: OperatorId::new("anna"),
            name: "Anna".into(),
        };
        let mandate = Mandate::signed_by(admin);
        let mut tx = self.people.store.write().await.unwrap();
        let created = self.people.invite(&mut tx, &mandate, new).await.unwrap();
        tx.commit().await.unwrap();
        let (_, code) = created.link.split_once('#').unwrap();
        (created.invitation.id, code.to_owned())
    }

    async fn code_error(&self, code: &str) -> CodeError {
        match self.people.open_invitation(code).await.unwrap_err() {
            PeopleError::Code(error) => error,
            other => panic!("{other}"),
        }
    }
}

#[tokio::test]
async fn a_rejected_invitation_code_says_why() {
    let server = Server::new().await;
    let store = &server.people.store;

    let unknown = server.code_error("0123").await;
    assert_eq!(unknown, CodeError::UnknownInvitation);
    assert!(unknown.to_string().contains("wrong"));

    let (id, code) = server.invite().await;
    server.people.open_invitation(&code).await.unwrap();
    let mut tx = store.write().await.unwrap();
    let accepted = InvitationStatus::Accepted;
    store::invitations::set_status(tx.connection(), &id, accepted)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(server.code_error(&code).await, CodeError::UsedInvitation);

    let (id, code) = server.invite().await;
    let revoked = server.people.revoke_invitation(&Actor::Server, &id);
    revoked.await.unwrap();
    assert_eq!(server.code_error(&code).await, CodeError::RevokedInvitation);

    let expires_at = Timestamp::from_second(1_764_312_928).unwrap();
    let expired = Invitation {
        view: InvitationView {
            id: InvitationId::new("expired"),
            name: "Ben".into(),
            mail: None,
            roles: vec![Role::Custodian],
            status: InvitationStatus::Sent,
            expires_at,
        },
        nonce: String::new(),
    };
    let mut tx = store.write().await.unwrap();
    store::invitations::insert(tx.connection(), &expired, &random::hash("EXPIRED"))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let error = server.code_error("EXPIRED").await;
    assert_eq!(error, CodeError::ExpiredInvitation(expires_at));
    assert!(error.to_string().contains("2025-11-28 06:55:28 UTC"));
}

#[tokio::test]
async fn a_rejected_bootstrap_code_says_why() {
    let server = Server::new().await;
    let bootstrap = async |code: &str| {
        let request = Bootstrap {
            code: code.to_owned(),
            name: "Anna".into(),
            mail: None,
        };
        match server.people.bootstrap(&request).await {
            Ok(_) => None,
            Err(PeopleError::Code(error)) => Some(error),
            Err(other) => panic!("{other}"),
        }
    };
    let expires_at = Timestamp::now() - SignedDuration::from_secs(1);
    let mut tx = server.people.store.write().await.unwrap();
    store::invitations::set_bootstrap_code(tx.connection(), &random::hash("OLD"), expires_at)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    for _ in 0..2 {
        let expired = bootstrap("OLD").await;
        assert!(matches!(expired, Some(CodeError::ExpiredBootstrap(_))));
    }

    let (code, _) = server.people.new_bootstrap_code().await.unwrap().unwrap();
    assert_eq!(bootstrap("OLD").await, Some(CodeError::UnknownBootstrap));
    assert_eq!(bootstrap(&code).await, None);
    assert_eq!(bootstrap(&code).await, Some(CodeError::UnknownBootstrap));
}

#[tokio::test]
async fn a_log_in_with_an_unconfirmed_key_and_one_with_a_revoked_key_have_different_errors() {
    let server = Server::new().await;
    let card = tempfile::tempdir().unwrap();
    let card = ServerKey::load_or_create(card.path(), "Ben's card", ORIGIN).unwrap();
    let ben = Person {
        id: OperatorId::new("ben"),
        name: "Ben".into(),
    };
    let operator = Operator {
        view: OperatorView {
            person: ben.clone(),
            mail: None,
            roles: vec![Role::Custodian],
            key: EnrolledKey {
                fingerprint: card.fingerprint(),
                words: Vec::new(),
                chr: "UTBEN0100001".parse().unwrap(),
                public_key: card.public_key().clone(),
                device: countersign_protocol::cvc::DeviceId("UTBEN0000000".parse().unwrap()),
                anchor: "test".into(),
            },
            status: KeyStatus::AwaitingConfirmation,
            enrolled_at: Timestamp::now(),
        },
        pka: Vec::new(),
    };
    let mut tx = server.people.store.write().await.unwrap();
    store::operators::insert(tx.connection(), &operator)
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let unconfirmed = log_in(&server, &card).await.unwrap_err();
    assert!(unconfirmed.contains("not confirmed yet"), "{unconfirmed}");

    let statuses = [
        KeyStatus::Revoked {
            by: ben.clone(),
            at: Timestamp::now(),
        },
        KeyStatus::Confirmed {
            by: None,
            at: Timestamp::now(),
        },
    ];
    let mut results = Vec::new();
    for status in statuses {
        let mut tx = server.people.store.write().await.unwrap();
        store::operators::set_status(tx.connection(), &ben.id, &status)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        results.push(log_in(&server, &card).await);
    }
    let [Err(revoked), Ok(person)] = results.as_slice() else {
        panic!("{results:?}");
    };
    assert!(revoked.contains("revoked"), "{revoked}");
    assert_eq!(*person, ben);
}

/// Logs in with this key, as a helper does.
async fn log_in(server: &Server, card: &ServerKey) -> Result<Person, String> {
    let challenge = server.people.challenge().unwrap();
    let task: ServerTask = challenge.task.peek().unwrap();
    let Task::LogIn { nonce } = task.task else {
        panic!("a log-in task");
    };
    let statement: Envelope = card
        .seal(&LoginStatement {
            origin: task.server.origin,
            server_key: task.server.key.fingerprint(),
            nonce,
            key: card.fingerprint(),
            at: Timestamp::now(),
        })
        .unwrap();
    match server.people.log_in(&statement, &Browser::default()).await {
        Ok(logged_in) => Ok(logged_in.view.person),
        Err(error) => Err(error.to_string()),
    }
}

#[tokio::test]
async fn the_file_with_the_code_is_private_and_deleted_when_the_code_is_used() {
    let server = Server::new().await;
    let (old, _) = server.people.new_bootstrap_code().await.unwrap().unwrap();
    server.people.write_bootstrap_code(&old).unwrap();
    let (code, expires_at) = server.people.new_bootstrap_code().await.unwrap().unwrap();
    let file = server
        .people
        .write_bootstrap_code(&code)
        .unwrap()
        .to_owned();
    assert!(file.starts_with(server.folder.path()));
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), code);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let life = expires_at.duration_since(Timestamp::now());
    assert!(life.as_secs() <= 3600, "{life:?}");
    let bootstrap = |code: &str| Bootstrap {
        code: code.into(),
        name: "Anna".into(),
        mail: None,
    };
    assert!(server.people.bootstrap(&bootstrap("0000")).await.is_err());
    assert!(file.exists());
    server.people.bootstrap(&bootstrap(&code)).await.unwrap();
    assert!(!file.exists());
}
