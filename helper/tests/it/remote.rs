//! A card that is attached to servers elsewhere: well-behaved ones, broken ones, curious ones.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_card::{Pin, PinKind, PinStatus, SmartCardHsm};
use countersign_client::roots::CaFile;
use countersign_helper::{
    cards::SimulatedSource,
    remote::{Address, AttachError, Attachment, PinCommands, Report, Stop, attach},
};
use countersign_ram::{Instruction, Notification, Request};
use countersign_simulator::{NewCard, Profile, Simulator};
use hex_literal::hex;
use zeroize::Zeroizing;

use crate::remote_server::{Heard, Say, Server};

const ATR: &[u8] = &hex!("3BFE1800008131FE458031815448534D31738021408107FA");
const PIN: &str = "648219";

#[derive(Default)]
struct RecordedReport {
    lines: Mutex<Vec<String>>,
    /// How often the person was asked about a PIN, and what they answer.
    asked: AtomicUsize,
    allows: bool,
}

impl Report for RecordedReport {
    fn tell(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }

    fn allows(&self, _: &str) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.allows
    }
}

fn card() -> Simulator {
    Simulator::in_memory(&NewCard {
        serial: "REMOTE".into(),
        label: "remote".into(),
        profile: Profile::VENDOR,
        user_pin: Some(PIN.into()),
    })
    .expect("a card")
}

struct Run {
    result: Result<bool, AttachError>,
    heard: Vec<Heard>,
    told: Vec<String>,
    asked: usize,
}

fn run_with(card: &Simulator, answers: Vec<Say>, change: impl FnOnce(&mut Attachment)) -> Run {
    run_for(RecordedReport::default(), card, answers, change)
}

fn run_for(
    told: RecordedReport,
    card: &Simulator,
    answers: Vec<Say>,
    change: impl FnOnce(&mut Attachment),
) -> Run {
    let server = Server::saying(answers);
    let mut attachment = Attachment {
        address: Address::parse(&server.address, false).expect("an address"),
        ca_file: None,
        sources: vec![Arc::new(SimulatedSource::new([(
            "remote".to_owned(),
            card.clone(),
        )]))],
        reader: None,
        pins: PinCommands::Refused,
        once: true,
    };
    change(&mut attachment);
    let result = attach(&attachment, &Stop::default(), &told);
    Run {
        result,
        heard: server.heard(),
        asked: told.asked.into_inner(),
        told: told.lines.into_inner().unwrap(),
    }
}

fn run(answers: Vec<Say>) -> Run {
    run_with(&card(), answers, |_| {})
}

fn finished() -> Say {
    Say::Status("204 No Content", "", vec![])
}

fn work(instructions: Vec<Instruction>) -> Say {
    Say::Work(Request { instructions }.encode().expect("a message"))
}

/// The session that is documented for CardContact's client, byte for byte.
#[test]
fn the_recorded_session() {
    let cookie = "Set-Cookie: JSESSIONID=0123456789ABCDEF; Path=/; HttpOnly\r\n";
    let first = hex!("AA19221100A404000BE82B0601040181C31F020100220400200081").to_vec();
    let ended = run(vec![
        Say::Status("200 OK", cookie, first),
        Say::Work(hex!("AA02C000").to_vec()),
        Say::Work(hex!("AA00").to_vec()),
        Say::Work(hex!("AA0DE00B0201000C065369676E6564").to_vec()),
        finished(),
    ]);
    assert!(matches!(ended.result, Ok(true)), "{:?}", ended.result);
    assert!(
        ended.told.contains(&"Server: Signed".to_owned()),
        "{:?}",
        ended.told
    );
    let bodies: Vec<_> = ended.heard.iter().map(|post| post.body.clone()).collect();
    assert_eq!(bodies.len(), 5);
    // Initiation: the ATR, and the sizes that this client knows.
    assert_eq!(
        bodies[0],
        [&hex!("E822C018")[..], ATR, &hex!("C10204D0C20204D0")].concat()
    );
    // What the card says when it is selected is its own; its answers are in their order, and counted.
    assert!(bodies[1].starts_with(&hex!("AB")));
    assert!(
        bodies[1].ends_with(&hex!("2302 63C3 800102")),
        "{:02X?}",
        bodies[1]
    );
    assert_eq!(
        bodies[2],
        [&hex!("AB1DC018")[..], ATR, &hex!("800100")].concat()
    );
    assert_eq!(bodies[3], hex!("AB03800100"));
    assert_eq!(bodies[4], hex!("AB03800100"));
    for (number, post) in ended.heard.iter().enumerate() {
        assert_eq!(post.line, "POST /rt/hsm?session=42 HTTP/1.1");
        assert_eq!(post.connection, 1, "one connection for all");
        assert_eq!(
            post.header("content-type"),
            Some("application/org.openscdp-content-mgt-response;version=1.0")
        );
        assert_eq!(post.header("accept"), Some("*/*"));
        assert_eq!(
            post.header("x-admin-protocol"),
            Some("openscdp-remote-admin/1.0")
        );
        assert_eq!(
            post.header("content-length"),
            Some(post.body.len().to_string().as_str())
        );
        let cookie = (number > 0).then_some("JSESSIONID=0123456789ABCDEF");
        assert_eq!(post.header("cookie"), cookie);
    }
}

#[test]
fn statuses_that_end_it_and_those_that_pass() {
    for (status, passes) in [
        ("404 Not Found", false),
        ("302 Found", false),
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("400 Bad Request", false),
        ("500 Internal Server Error", true),
        ("503 Service Unavailable", true),
        ("504 Gateway Timeout", true),
    ] {
        let ended = run(vec![Say::Status(
            status,
            "Location: /elsewhere\r\n",
            vec![],
        )]);
        assert!(ended.result.is_err(), "{status}");
        let again = run_with(
            &card(),
            // A second try comes only where it may help.
            if passes {
                vec![Say::Status(status, "", vec![]), finished()]
            } else {
                vec![Say::Status(status, "", vec![])]
            },
            |attachment| attachment.once = false,
        );
        assert_eq!(again.result.is_ok(), passes, "{status}");
        assert_eq!(again.heard.len(), if passes { 2 } else { 1 }, "{status}");
    }
}

#[test]
fn what_is_not_understood_ends_it() {
    for body in [
        vec![],
        hex!("AB03800100").to_vec(),
        hex!("AA052204").to_vec(),
        hex!("AA03E20100").to_vec(),
        vec![0xAA; 70_000],
    ] {
        let ended = run(vec![Say::Work(body)]);
        assert!(ended.result.is_err());
        assert_eq!(ended.heard.len(), 1, "nothing more is said");
    }
}

fn failure() -> Say {
    work(vec![Instruction::Notify(Notification {
        id: -1,
        text: "This is no HSM of ours".into(),
        seconds: None,
    })])
}

#[test]
fn a_refusal_is_reported_in_the_servers_words_and_final() {
    let close = Instruction::Close("This is no HSM of ours".into());
    for said in [
        vec![failure(), Say::Status("504 Gateway Timeout", "", vec![])],
        vec![failure(), Say::Status("404 Not Found", "", vec![])],
        vec![failure(), finished()],
        vec![work(vec![close])],
    ] {
        let posts = said.len();
        let ended = run_with(&card(), said, |attachment| attachment.once = false);
        let Err(AttachError::Refused(why)) = ended.result else {
            panic!("{:?}", ended.result);
        };
        assert_eq!(why, "This is no HSM of ours");
        assert_eq!(ended.heard.len(), posts);
    }
}

#[test]
fn a_failure_ends_no_session_that_the_server_goes_on_with() {
    let ended = run(vec![failure(), work(vec![Instruction::Reset]), finished()]);
    assert!(matches!(ended.result, Ok(true)), "{:?}", ended.result);
    let told = |line: &String| line.contains("This is no HSM of ours");
    assert!(ended.told.iter().any(told), "{:?}", ended.told);
    assert_eq!(ended.heard[1].body, hex!("AB03800100"));
}

#[test]
fn a_way_that_breaks_after_a_failure_is_no_refusal() {
    for broken in [
        Say::HangUp,
        Say::Status("503 Service Unavailable", "", vec![]),
    ] {
        let ended = run_with(&card(), vec![failure(), broken, finished()], |attachment| {
            attachment.once = false
        });
        assert!(matches!(ended.result, Ok(true)), "{:?}", ended.result);
    }
}

#[test]
fn a_broken_connection_is_tried_again_with_a_new_session() {
    let cookie = "Set-Cookie: S=1; Path=/\r\n";
    let ended = run_with(
        &card(),
        vec![
            Say::Status("200 OK", cookie, hex!("AA00").to_vec()),
            Say::HangUp,
            finished(),
        ],
        |attachment| attachment.once = false,
    );
    assert!(matches!(ended.result, Ok(true)), "{:?}", ended.result);
    let firsts: Vec<_> = ended.heard.iter().map(|post| post.body[0]).collect();
    assert_eq!(firsts, [0xE8, 0xAB, 0xE8]);
    assert_eq!(ended.heard[1].header("cookie"), Some("S=1"));
    assert_eq!(
        ended.heard[2].header("cookie"),
        None,
        "a session of its own"
    );
}

#[test]
fn servers_that_close_or_chunk_are_understood() {
    let ended = run(vec![
        Say::Chunked(hex!("AA06220400200081").to_vec()),
        Say::Chunked(hex!("AA00").to_vec()),
        finished(),
    ]);
    assert!(matches!(ended.result, Ok(true)), "{:?}", ended.result);
    assert_eq!(ended.heard[2].connection, 3);
}

#[test]
fn no_readable_pin_reaches_the_card() {
    let card = card();
    let select = hex!("00A404000BE82B0601040181C31F020100").to_vec();
    let verify = hex!("0020008106363438323139").to_vec();
    let ended = run_with(
        &card,
        vec![
            work(vec![
                Instruction::Command(select.clone()),
                Instruction::Command(verify.clone()),
                Instruction::Command(hex!("00200081").to_vec()),
            ]),
            finished(),
        ],
        |_| {},
    );
    // In the card's place the helper answers 6982; the state says that nobody tried.
    assert!(
        ended.heard[1]
            .body
            .ends_with(&hex!("2302 6982 2302 63C3 800103")),
        "{:02X?}",
        ended.heard[1].body
    );
    assert!(ended.told.iter().any(|line| line.contains("VERIFY")));

    let allowed = run_with(
        &card,
        vec![
            work(vec![
                Instruction::Command(select),
                Instruction::Command(verify),
            ]),
            finished(),
        ],
        |attachment| attachment.pins = PinCommands::Allowed,
    );
    assert!(
        allowed.heard[1].body.ends_with(&hex!("2302 9000 800102")),
        "{:02X?}",
        allowed.heard[1].body
    );
    // What the server did ended with the session.
    let mut after = SmartCardHsm::open(card.connect()).expect("selects");
    assert!(matches!(
        after.pin_status(PinKind::User),
        Ok(PinStatus::NotVerified { .. })
    ));
}

#[test]
fn the_person_at_the_card_can_allow_a_pin_at_its_moment() {
    let verify = hex!("0020008106363438323139").to_vec();
    let server_says = || {
        vec![
            work(vec![
                Instruction::Command(hex!("00A404000BE82B0601040181C31F020100").to_vec()),
                Instruction::Command(verify.clone()),
                Instruction::Command(verify.clone()),
            ]),
            finished(),
        ]
    };
    let asked = |attachment: &mut Attachment| attachment.pins = PinCommands::Asked;
    let yes = RecordedReport {
        allows: true,
        ..RecordedReport::default()
    };
    let allowed = run_for(yes, &card(), server_says(), asked);
    assert!(
        allowed.heard[1]
            .body
            .ends_with(&hex!("2302 9000 2302 9000 800103")),
        "{:02X?}",
        allowed.heard[1].body
    );
    assert_eq!(allowed.asked, 2, "each at its moment");

    let declined = run_for(RecordedReport::default(), &card(), server_says(), asked);
    assert!(
        declined.heard[1]
            .body
            .ends_with(&hex!("2302 6982 2302 6982 800103")),
        "{:02X?}",
        declined.heard[1].body
    );
    assert_eq!(declined.asked, 1, "a no holds for the session");

    // A server that runs where nobody is asked gets nothing.
    let alone = run_for(
        RecordedReport {
            allows: true,
            ..RecordedReport::default()
        },
        &card(),
        server_says(),
        |_| {},
    );
    assert_eq!(alone.asked, 0);
    assert!(alone.heard[1].body.ends_with(&hex!("2302 6982 800103")));
}

#[test]
fn a_pin_cannot_be_dressed_up() {
    let card = card();
    let dressed = [
        // Channel 16 of ISO/IEC 7816-4, which has the bits of secure messaging.
        hex!("4C20008106363438323139").to_vec(),
        // Secure messaging in name only, and with a checksum only.
        hex!("0C20008106363438323139").to_vec(),
        hex!("0C200081128106363438323139 8E083811CDCEEBAFF09A00").to_vec(),
        // Extended length, parts, an envelope, the reader as go-between.
        hex!("00200081000006363438323139").to_vec(),
        hex!("1020008106363438323139").to_vec(),
        hex!("00C200000B0020008106363438323139").to_vec(),
        hex!("FF0000000B0020008106363438323139").to_vec(),
    ];
    let count = dressed.len();
    let ended = run_with(
        &card,
        vec![
            work(dressed.into_iter().map(Instruction::Command).collect()),
            finished(),
        ],
        |_| {},
    );
    let refusals: Vec<u8> = std::iter::repeat_n(hex!("23026982"), count)
        .flatten()
        .collect();
    assert!(
        ended.heard[1].body[2..].starts_with(&refusals),
        "{:02X?}",
        ended.heard[1].body
    );
}

#[test]
fn the_servers_news_reach_the_person_with_the_time_it_takes() {
    let note = |id, text: &str, seconds| {
        Instruction::Notify(Notification {
            id,
            text: text.into(),
            seconds,
        })
    };
    let ended = run(vec![
        work(vec![
            note(1, "Generating a key", Some(90)),
            note(0, "Done", None),
        ]),
        finished(),
    ]);
    let news: Vec<_> = ended
        .told
        .iter()
        .filter(|line| line.starts_with("Server: "))
        .collect();
    assert_eq!(news.len(), 2);
    assert!(news[0].contains("Generating a key") && news[0].contains("1 min 30 s"));
}

#[test]
fn a_login_from_before_is_gone_when_a_session_begins() {
    let card = card();
    let mut before = SmartCardHsm::open(card.connect()).expect("selects");
    let pin = Pin::new(Zeroizing::new(PIN.into())).expect("a PIN");
    before.verify_pin(&pin).expect("logged in");
    let ended = run_with(
        &card,
        vec![
            work(vec![Instruction::Command(hex!("00200081").to_vec())]),
            finished(),
        ],
        |_| {},
    );
    // Not even selected.
    assert_eq!(ended.heard[1].body, hex!("AB0723026D00800101"));
}

#[test]
fn a_card_that_is_pulled_out_is_reported_and_waited_for() {
    let card = card();
    card.remove();
    let server_says = vec![
        Say::Status("504 Gateway Timeout", "", vec![]),
        work(vec![Instruction::Command(hex!("00200081").to_vec())]),
        finished(),
    ];
    // Without a card nothing is posted at all: the helper waits.
    let inserter = card.clone();
    let insert = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        inserter.insert();
    });
    let ended = run_with(&card, server_says, |attachment| attachment.once = false);
    insert.join().expect("inserted");
    assert!(matches!(ended.result, Ok(true)), "{:?}", ended.result);
    assert_eq!(ended.heard.len(), 3);
}

#[test]
fn many_commands_in_one_request_are_answered_in_their_order() {
    let mut commands = vec![Instruction::Command(
        hex!("00A404000BE82B0601040181C31F020100").to_vec(),
    )];
    for _ in 0..200 {
        commands.push(Instruction::Command(hex!("0084000008").to_vec()));
        commands.push(Instruction::Command(hex!("00200081").to_vec()));
    }
    let ended = run(vec![work(commands), finished()]);
    assert!(matches!(ended.result, Ok(true)), "{:?}", ended.result);
    assert!(ended.heard[1].body.ends_with(&hex!("230263C380020191")));
}

/// Nobody comes back to an https address at which there is plain HTTP, and nothing is tried for ever.
#[test]
fn a_wrong_scheme_ends_it_and_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let ended = run_with(&card(), vec![], |attachment| {
        attachment.address =
            Address::parse(&format!("https://localhost:{port}/rt/hsm"), false).expect("an address");
        attachment.once = false;
    });
    server.join().expect("the server panicked");
    let error = ended.result.expect_err("it is no TLS").to_string();
    assert!(error.contains("http://"), "{error}");
}

#[test]
fn a_bad_request_without_tls_may_be_for_https() {
    let bad = Say::Status("400 Bad Request", "", b"TLS here".to_vec());
    let error = run(vec![bad])
        .result
        .expect_err("it is refused")
        .to_string();
    assert!(error.contains("begins with https://"), "{error}");
}

#[test]
fn a_file_of_authorities_is_read_even_where_it_is_not_needed() {
    let ended = run_with(&card(), vec![], |attachment| {
        attachment.ca_file = Some(CaFile {
            path: "no-such-file.pem".into(),
            named_by: "`--ca`",
        });
    });
    let error = ended.result.expect_err("there is no file");
    let text = error.to_string();
    assert!(matches!(error, AttachError::Trust(_)), "{text}");
    assert!(
        text.contains("no-such-file.pem") && text.contains("`--ca`"),
        "{text}"
    );
}
