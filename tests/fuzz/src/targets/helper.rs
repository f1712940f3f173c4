//! What a page and its server send to the helper.

use std::{
    cell::RefCell,
    sync::{Arc, LazyLock},
};

use countersign_cvc::{Curve, DeviceId, EcSecretKey, Fingerprint};
use countersign_helper::{
    cards::{CardSource, SimulatedSource},
    conversation::{Caller, Conversation},
    helper::{Helper, Setup},
    origin::{Origin, OriginStore},
    prompt::{
        Deadline,
        scripted::{ScriptedPrompt, Shown},
    },
};
use countersign_protocol::{
    Timestamp,
    act::{Act, ActTerms, HeldKey},
    activation::{ActivationTerms, HsmName, Quorum},
    digest::Sha256Digest,
    dsse::{Payload, canonical},
    encoding::Base64,
    helper::{EnrolKey, HELPER_PROTOCOL, Operation, Request},
    id::{ActId, HsmId, InvitationId, MemberId, OperatorId},
    lease::LeaseLimits,
    manifest::{Manifest, ManifestFile},
    operator::{Person, Role},
    purpose::{KeyName, KeySet, Purpose, Scope},
    task::{ActTask, ApproveTask, ServerIdentity, ServerTask, Task},
};
use countersign_simulator::{Profile, Simulator};

use crate::{
    cards::{PIN, anchors, custodian, new_card, open},
    sealed::seal,
};

const ORIGIN: &str = "https://sign.example.org";

/// Certificates of the signing HSM.
static HSM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (_, device) = open(&new_card("900001", Profile::VENDOR));
    device.chain().to_ef()
});

static SERVER: LazyLock<EcSecretKey> =
    LazyLock::new(|| EcSecretKey::from_bytes(Curve::Secp256r1, &[7; 32]).expect("a scalar"));

/// The custodian's card, which stays the same for all runs of a thread.
struct Desk {
    card: Simulator,
    key: Fingerprint,
    folder: tempfile::TempDir,
}

thread_local! {
    static DESK: RefCell<Desk> = RefCell::new(Desk::new());
}

impl Desk {
    fn new() -> Self {
        let (card, file) = custodian();
        let folder = tempfile::tempdir().expect("a folder");
        let origins = OriginStore::new(folder.path());
        let origin: Origin = ORIGIN.parse().expect("an origin");
        origins.allow(&origin).expect("a writable folder");
        origins
            .pin(&origin, &SERVER.public_key().fingerprint())
            .expect("a writable folder");
        Self {
            card,
            key: file.request.public_key().fingerprint(),
            folder,
        }
    }

    fn conversation(&self, user: &Arc<ScriptedPrompt>) -> Conversation {
        let source: Arc<dyn CardSource> = Arc::new(SimulatedSource::new([(
            "card".to_owned(),
            self.card.clone(),
        )]));
        let helper = Helper::new(Setup {
            config: self.folder.path().to_owned(),
            prompt: user.clone(),
            sources: vec![source],
            anchors: anchors(),
            demo: true,
        });
        Conversation::new(helper, ORIGIN.parse().expect("an origin"))
    }
}

/// A card signs only after a consent, and at most what one consent covers: a statement and a response to a challenge, and
/// both once more for each fresh challenge. A user who says no is never asked for a PIN.
pub fn run(data: &[u8]) {
    let messages: Vec<Operation> = data
        .split(|byte| *byte == b'\n')
        .take(8)
        .filter_map(message)
        .collect();
    if messages.is_empty() {
        return;
    }
    let is_again = |message: &&Operation| matches!(message, Operation::ApproveAgain { .. });
    let again = messages.iter().filter(is_again).count();
    DESK.with_borrow(|desk| {
        let user = Arc::new(ScriptedPrompt::approving(PIN));
        let consents = data.len().is_multiple_of(2);
        user.answer_consents(consents);
        desk.card.reset_counts();
        let mut conversation = desk.conversation(&user);
        for message in messages {
            let caller = Caller::new(Deadline::minutes(1), Box::new(|_| {}));
            let _ = conversation.answer(message, &caller);
        }
        let shown = user.shown();
        let count = |kind: fn(&Shown) -> bool| shown.iter().filter(|shown| kind(shown)).count();
        let asked = count(|shown| matches!(shown, Shown::Consent(_)));
        let pins = count(|shown| matches!(shown, Shown::Pin(_)));
        let signed = desk.card.apdu_counts().sign();
        // A fresh challenge is signed under the consent that was given before.
        let most = if consents && asked > 0 {
            2 * (asked + again) as u64
        } else {
            0
        };
        assert!(
            signed <= most,
            "the card signed {signed} times after {asked} consents"
        );
        assert!(consents || pins == 0, "a PIN was asked for after a no");
    });
}

/// Stands for the fingerprint of the card's key in a task that the server signs, because each process has another card.
const KEY: &str = "@KEY@";

/// Stands for a time soon after the run, so that a recorded task does not expire.
const SOON: &str = "@SOON@";

/// A message of the page; or the number of an operation and a task of any content, which the server signs.
fn message(line: &[u8]) -> Option<Operation> {
    let (number, task) = line.split_first()?;
    if *number == b'{' {
        return Some(serde_json::from_slice::<Request>(line).ok()?.operation);
    }
    let (key, device) = DESK.with_borrow(|desk| (desk.key, desk.card.device()));
    let soon = Timestamp::from_second(Timestamp::now().as_second() + 240).ok()?;
    let task = std::str::from_utf8(task)
        .ok()?
        .replace(KEY, &key.to_hex())
        .replace(SOON, &soon.to_string());
    let task = seal(&SERVER, ServerTask::PAYLOAD_TYPE, task.as_bytes());
    Some(match number {
        b'0' => Operation::LogIn { task, key },
        b'1' => Operation::Enrol {
            task,
            card: DeviceId(device),
            key: EnrolKey::Existing { fingerprint: key },
        },
        b'2' => Operation::Approve { task },
        b'3' => Operation::ApproveAgain { task },
        b'4' => Operation::SignAct { task },
        _ => return None,
    })
}

/// The tasks as [`message`] takes them.
fn templates() -> Vec<Vec<u8>> {
    let key = DESK.with_borrow(|desk| desk.key);
    tasks()
        .iter()
        .map(|task| {
            let mut value = serde_json::to_value(task).expect("a task");
            value["expiresAt"] = SOON.into();
            value.to_string().replace(&key.to_hex(), KEY).into_bytes()
        })
        .collect()
}

/// Terms of a request for two signatures.
pub fn approve_task(key: Fingerprint) -> ApproveTask {
    let file = |name: &str| ManifestFile {
        name: name.to_owned(),
        digest: Sha256Digest::of(name.as_bytes()).into(),
    };
    let files = Manifest::new(vec![file("boot.bin"), file("rootfs.img")]).expect("a manifest");
    let device = countersign_cvc::DeviceChain::from_ef(&HSM).expect("a chain");
    let terms = ActivationTerms {
        id: MemberId::new("8K3F"),
        hsm: HsmName {
            id: HsmId::new("release"),
            device: DeviceId(device.device.chr().clone()),
        },
        pool: None,
        raw_rsa: Vec::new(),
        purpose: Purpose::Sign {
            keys: KeySet::one(KeyName {
                label: "fit-2026".to_owned(),
                fingerprint: Fingerprint([9; 32]),
            }),
            scope: Scope::Manifest { files },
        },
        requester: Person {
            id: OperatorId::new("op-2"),
            name: "Doug Smith".to_owned(),
        },
        reason: "Firmware 4.2.1".to_owned(),
        lease: LeaseLimits {
            seconds: 7200,
            signatures: 2,
        },
        quorum: Quorum {
            required: 2,
            total: 3,
        },
        requested_at: Timestamp::UNIX_EPOCH,
        expires_at: far_away(),
    };
    ApproveTask {
        terms,
        device_certificates: Base64(HSM.clone()),
        challenge: Base64(vec![0xC5; 8]),
        remote: false,
        key,
        approved_by: vec!["Ben".to_owned()],
    }
}

/// Acts of which each has other facts: people, keys, an HSM with keys, and a token.
fn acts(key: Fingerprint) -> Vec<Act> {
    let hsm = approve_task(key).terms.hsm;
    let quorum = Quorum {
        required: 2,
        total: 3,
    };
    let person = || Person {
        id: OperatorId::new("op-3"),
        name: "Ben Example".to_owned(),
    };
    let named = || KeyName {
        label: "fit-2026".to_owned(),
        fingerprint: Fingerprint([9; 32]),
    };
    vec![
        Act::InvitePerson {
            name: "Ben Example".to_owned(),
            roles: vec![Role::Custodian],
        },
        Act::ConfirmKey {
            person: person(),
            roles: vec![Role::Admin],
            key: Fingerprint([5; 32]),
            device: hsm.device.clone(),
        },
        Act::RegisterCustodian {
            hsm: hsm.clone(),
            quorum,
            person: person(),
            key: Fingerprint([5; 32]),
        },
        Act::AcceptDevice {
            device: hsm.device.clone(),
            hsm: HsmId::new("laptop"),
        },
        Act::InitialiseHsm {
            hsm,
            quorum,
            allow_replace: false,
            destroys: vec![HeldKey {
                label: "fit-2025".to_owned(),
                fingerprint: None,
            }],
        },
        Act::CreateToken {
            label: "build machine".to_owned(),
            owner: person(),
            keys: vec!["fit-2026".to_owned()],
            days: 90,
            certificate: Some(Sha256Digest::of(b"certificate")),
        },
        Act::AllowRawRsa { key: named() },
    ]
}

fn act_task(key: Fingerprint, act: Act) -> ActTask {
    ActTask {
        terms: ActTerms {
            id: ActId::new("act-7"),
            act,
            proposer: Person {
                id: OperatorId::new("op-1"),
                name: "Anna Admin".to_owned(),
            },
            signatures: 2,
            proposed_at: Timestamp::UNIX_EPOCH,
            expires_at: far_away(),
        },
        key,
        signed_by: vec!["Anna Admin".to_owned()],
    }
}

/// A time at which no run is.
fn far_away() -> Timestamp {
    Timestamp::from_second(4_000_000_000).expect("a time")
}

fn tasks() -> Vec<ServerTask> {
    let key = DESK.with_borrow(|desk| desk.key);
    let soon = Timestamp::now().as_second() + 240;
    [
        Task::LogIn {
            nonce: "nonce-1".to_owned(),
        },
        Task::Approve(Box::new(approve_task(key))),
        Task::Enrol {
            invitation: InvitationId::new("invitation-1"),
            person: "Alice Martin".to_owned(),
            roles: vec![Role::Custodian],
            nonce: "nonce-2".to_owned(),
        },
    ]
    .into_iter()
    .chain(
        acts(key)
            .into_iter()
            .map(|act| Task::SignAct(Box::new(act_task(key, act)))),
    )
    .map(|task| ServerTask {
        server: ServerIdentity {
            name: "Example signing".to_owned(),
            origin: ORIGIN.to_owned(),
            key: SERVER.public_key(),
        },
        expires_at: Timestamp::from_second(soon).expect("a time"),
        task,
    })
    .collect()
}

/// One task of a server, for other targets.
pub fn server_task() -> ServerTask {
    tasks().remove(0)
}

pub fn seeds() -> Vec<Vec<u8>> {
    let hello = canonical(&Request {
        id: 1,
        operation: Operation::Hello {
            protocol: HELPER_PROTOCOL,
        },
    });
    let list = canonical(&Request {
        id: 2,
        operation: Operation::ListCards,
    });
    let templates = templates();
    let [log_in, approve, enrol, acts @ ..] = &templates[..] else {
        return Vec::new();
    };
    let [challenge, fresh] = [[0xC5; 8], [9; 8]].map(|challenge| {
        let text = serde_json::to_string(&Base64(challenge.to_vec())).expect("a challenge");
        text.trim_matches('"').to_owned()
    });
    let again = String::from_utf8_lossy(approve).replace(&challenge, &fresh);
    let numbered = |number: u8, task: &[u8]| [&[number], task].concat();
    let mut sessions = vec![
        vec![hello.clone(), list],
        vec![hello.clone(), numbered(b'0', log_in)],
        vec![hello.clone(), numbered(b'1', enrol)],
        vec![
            hello.clone(),
            numbered(b'2', approve),
            numbered(b'3', again.as_bytes()),
        ],
        // A task is only good for its own operation.
        vec![hello.clone(), numbered(b'0', approve)],
        vec![hello.clone(), numbered(b'2', enrol)],
        vec![hello.clone(), numbered(b'4', approve)],
    ];
    let acts = acts.iter().map(|act| numbered(b'4', act));
    sessions.extend(acts.map(|act| vec![hello.clone(), act]));
    let mut seeds = Vec::new();
    for lines in sessions {
        // Both a user who consents and one who does not: the length decides.
        let mut text = lines.join(&b'\n');
        seeds.push(text.clone());
        text.push(b'\n');
        seeds.push(text);
    }
    seeds
}
