//! Sessions of a card with remote servers: correct, faulty and malicious ones.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use countersign_card::{
    Pin, PinKind, PinStatus, SmartCardHsm, apdu::Command, secure_messaging::Channel,
};
use countersign_client::roots::CaFile;
use countersign_helper::{
    cards::SimulatedSource,
    remote::{Address, AttachError, Attachment, PinCommand, PinCommands, Report, Stop, attach},
};
use countersign_ram::{Instruction, Notification, Request};
use countersign_simulator::{NewCard, Profile, Simulator};
use hex_literal::hex;
use zeroize::Zeroizing;

use crate::remote_server::{ReceivedPost, Server, ServerReply};

const ATR: &[u8] = &hex!("3BFE1800008131FE458031815448534D31738021408107FA");
const PIN: &str = "648219";

/// Records what the user sees, and answers for the user.
#[derive(Default)]
struct RecordedReport {
    lines: Mutex<Vec<String>>,
    /// The number of questions about PIN commands.
    questions: AtomicUsize,
    /// The answer to them.
    allows: bool,
}

impl Report for RecordedReport {
    fn status(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }

    fn allows_pin_command(&self, _: PinCommand) -> bool {
        self.questions.fetch_add(1, Ordering::SeqCst);
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

struct SessionResult {
    result: Result<bool, AttachError>,
    received: Vec<ReceivedPost>,
    lines: Vec<String>,
    questions: usize,
}

fn run_with(
    card: &Simulator,
    answers: Vec<ServerReply>,
    change: impl FnOnce(&mut Attachment),
) -> SessionResult {
    run_with_report(RecordedReport::default(), card, answers, change)
}

fn run_with_report(
    report: RecordedReport,
    card: &Simulator,
    answers: Vec<ServerReply>,
    change: impl FnOnce(&mut Attachment),
) -> SessionResult {
    let server = Server::answering(answers);
    let mut attachment = Attachment {
        address: Address::parse(&server.address, false).expect("an address"),
        ca_file: None,
        sources: vec![Arc::new(SimulatedSource::new([(
            "remote".to_owned(),
            card.clone(),
        )]))],
        reader: None,
        pins: PinCommands::default(),
        once: true,
    };
    change(&mut attachment);
    let result = attach(&attachment, &Stop::default(), &report);
    SessionResult {
        result,
        received: server.received(),
        questions: report.questions.into_inner(),
        lines: report.lines.into_inner().unwrap(),
    }
}

fn run(answers: Vec<ServerReply>) -> SessionResult {
    run_with(&card(), answers, |_| {})
}

fn finished() -> ServerReply {
    ServerReply::Status("204 No Content", "", vec![])
}

fn work(instructions: Vec<Instruction>) -> ServerReply {
    ServerReply::Instructions(Request { instructions }.encode().expect("a message"))
}

#[test]
fn a_recorded_session_of_cardcontacts_client_is_repeated_byte_for_byte() {
    let cookie = "Set-Cookie: JSESSIONID=0123456789ABCDEF; Path=/; HttpOnly\r\n";
    let first = hex!("AA19221100A404000BE82B0601040181C31F020100220400200081").to_vec();
    let session = run(vec![
        ServerReply::Status("200 OK", cookie, first),
        ServerReply::Instructions(hex!("AA02C000").to_vec()),
        ServerReply::Instructions(hex!("AA00").to_vec()),
        ServerReply::Instructions(hex!("AA0DE00B0201000C065369676E6564").to_vec()),
        finished(),
    ]);
    assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
    assert!(
        session.lines.contains(&"Server: Signed".to_owned()),
        "{:?}",
        session.lines
    );
    let bodies: Vec<_> = session
        .received
        .iter()
        .map(|post| post.body.clone())
        .collect();
    assert_eq!(bodies.len(), 5);
    // The initiation: the ATR, and the maximum sizes of this client.
    assert_eq!(
        bodies[0],
        [&hex!("E822C018")[..], ATR, &hex!("C10204D0C20204D0")].concat()
    );
    // The answer to SELECT depends on the card. All answers follow in order, with their number.
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
    for (number, post) in session.received.iter().enumerate() {
        assert_eq!(post.line, "POST /rt/hsm?session=42 HTTP/1.1");
        assert_eq!(post.connection, 1, "more than one connection");
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
fn temporary_statuses_are_retried_and_others_end_the_session() {
    for (status, temporary) in [
        ("404 Not Found", false),
        ("302 Found", false),
        ("401 Unauthorized", false),
        ("403 Forbidden", false),
        ("400 Bad Request", false),
        ("500 Internal Server Error", true),
        ("503 Service Unavailable", true),
        ("504 Gateway Timeout", true),
    ] {
        let session = run(vec![ServerReply::Status(
            status,
            "Location: /elsewhere\r\n",
            vec![],
        )]);
        assert!(session.result.is_err(), "{status}");
        let again = run_with(
            &card(),
            if temporary {
                vec![ServerReply::Status(status, "", vec![]), finished()]
            } else {
                vec![ServerReply::Status(status, "", vec![])]
            },
            |attachment| attachment.once = false,
        );
        assert_eq!(again.result.is_ok(), temporary, "{status}");
        assert_eq!(
            again.received.len(),
            if temporary { 2 } else { 1 },
            "{status}"
        );
    }
}

#[test]
fn an_invalid_message_ends_the_session() {
    for body in [
        vec![],
        hex!("AB03800100").to_vec(),
        hex!("AA052204").to_vec(),
        hex!("AA03E20100").to_vec(),
        vec![0xAA; 70_000],
    ] {
        let session = run(vec![ServerReply::Instructions(body)]);
        assert!(session.result.is_err());
        assert_eq!(session.received.len(), 1, "more than one POST");
    }
}

fn failure() -> ServerReply {
    work(vec![Instruction::Notify(Notification {
        id: -1,
        text: "unknown HSM".into(),
        seconds: None,
    })])
}

#[test]
fn a_rejection_is_final_and_reported_in_the_servers_words() {
    let close = Instruction::Close("unknown HSM".into());
    for answers in [
        vec![
            failure(),
            ServerReply::Status("504 Gateway Timeout", "", vec![]),
        ],
        vec![failure(), ServerReply::Status("404 Not Found", "", vec![])],
        vec![failure(), finished()],
        vec![work(vec![close])],
    ] {
        let posts = answers.len();
        let session = run_with(&card(), answers, |attachment| attachment.once = false);
        let Err(AttachError::Refused(why)) = session.result else {
            panic!("{:?}", session.result);
        };
        assert_eq!(why, "unknown HSM");
        assert_eq!(session.received.len(), posts);
    }
}

#[test]
fn a_failure_does_not_end_a_session_that_the_server_continues() {
    let session = run(vec![failure(), work(vec![Instruction::Reset]), finished()]);
    assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
    let reported = |line: &String| line.contains("unknown HSM");
    assert!(session.lines.iter().any(reported), "{:?}", session.lines);
    assert_eq!(session.received[1].body, hex!("AB03800100"));
}

#[test]
fn a_connection_that_breaks_after_a_failure_is_retried() {
    for broken in [
        ServerReply::HangUp,
        ServerReply::Status("503 Service Unavailable", "", vec![]),
    ] {
        let session = run_with(&card(), vec![failure(), broken, finished()], |attachment| {
            attachment.once = false
        });
        assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
    }
}

#[test]
fn a_broken_connection_is_retried_with_a_new_session() {
    let cookie = "Set-Cookie: S=1; Path=/\r\n";
    let session = run_with(
        &card(),
        vec![
            ServerReply::Status("200 OK", cookie, hex!("AA00").to_vec()),
            ServerReply::HangUp,
            finished(),
        ],
        |attachment| attachment.once = false,
    );
    assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
    let firsts: Vec<_> = session.received.iter().map(|post| post.body[0]).collect();
    assert_eq!(firsts, [0xE8, 0xAB, 0xE8]);
    assert_eq!(session.received[1].header("cookie"), Some("S=1"));
    assert_eq!(
        session.received[2].header("cookie"),
        None,
        "the cookie of the old session"
    );
}

#[test]
fn chunked_answers_and_closed_connections_are_handled() {
    let session = run(vec![
        ServerReply::Chunked(hex!("AA06220400200081").to_vec()),
        ServerReply::Chunked(hex!("AA00").to_vec()),
        finished(),
    ]);
    assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
    assert_eq!(session.received[2].connection, 3);
}

#[test]
fn a_readable_pin_does_not_reach_the_card() {
    let card = card();
    let select = hex!("00A404000BE82B0601040181C31F020100").to_vec();
    let verify = hex!("0020008106363438323139").to_vec();
    let session = run_with(
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
    // The helper answers 6982 instead of the card. The PIN status shows that no try was used.
    assert!(
        session.received[1]
            .body
            .ends_with(&hex!("2302 6982 2302 63C3 800103")),
        "{:02X?}",
        session.received[1].body
    );
    assert!(session.lines.iter().any(|line| line.contains("VERIFY")));

    let allowed = run_with(
        &card,
        vec![
            work(vec![
                Instruction::Command(select),
                Instruction::Command(verify),
            ]),
            finished(),
        ],
        |attachment| attachment.pins = PinCommands::All,
    );
    assert!(
        allowed.received[1]
            .body
            .ends_with(&hex!("2302 9000 800102")),
        "{:02X?}",
        allowed.received[1].body
    );
    // The log-in ended with the session.
    let mut after = SmartCardHsm::open(card.connect()).expect("selects");
    assert!(matches!(
        after.pin_status(PinKind::User),
        Ok(PinStatus::NotVerified { .. })
    ));
}

#[test]
fn the_user_can_allow_each_pin_command() {
    let verify = hex!("0020008106363438323139").to_vec();
    let server_answers = || {
        vec![
            work(vec![
                Instruction::Command(hex!("00A404000BE82B0601040181C31F020100").to_vec()),
                Instruction::Command(verify.clone()),
                Instruction::Command(verify.clone()),
            ]),
            finished(),
        ]
    };
    let ask = |attachment: &mut Attachment| attachment.pins = PinCommands::Ask;
    let allows = || RecordedReport {
        allows: true,
        ..RecordedReport::default()
    };
    let allowed = run_with_report(allows(), &card(), server_answers(), ask);
    assert!(
        allowed.received[1]
            .body
            .ends_with(&hex!("2302 9000 2302 9000 800103")),
        "{:02X?}",
        allowed.received[1].body
    );
    assert_eq!(allowed.questions, 2, "one question for each command");

    let denied = run_with_report(RecordedReport::default(), &card(), server_answers(), ask);
    assert!(
        denied.received[1]
            .body
            .ends_with(&hex!("2302 6982 2302 6982 800103")),
        "{:02X?}",
        denied.received[1].body
    );
    assert_eq!(denied.questions, 1, "a no holds for the session");

    // Without a terminal, the command is refused without a question.
    let unattended = run_with_report(allows(), &card(), server_answers(), |_| {});
    assert_eq!(unattended.questions, 0);
    assert!(
        unattended.received[1]
            .body
            .ends_with(&hex!("2302 6982 800103"))
    );
}

#[test]
fn a_disguised_pin_does_not_reach_the_card() {
    let card = card();
    let disguised = [
        // Channel 16 of ISO/IEC 7816-4, which has the bits of secure messaging.
        hex!("4C20008106363438323139").to_vec(),
        // Secure messaging according to the class byte only, and with a checksum only.
        hex!("0C20008106363438323139").to_vec(),
        hex!("0C200081128106363438323139 8E083811CDCEEBAFF09A00").to_vec(),
        // Extended length, a chained command, an envelope, a command to the reader.
        hex!("00200081000006363438323139").to_vec(),
        hex!("1020008106363438323139").to_vec(),
        hex!("00C200000B0020008106363438323139").to_vec(),
        hex!("FF0000000B0020008106363438323139").to_vec(),
    ];
    let count = disguised.len();
    let session = run_with(
        &card,
        vec![
            work(disguised.into_iter().map(Instruction::Command).collect()),
            finished(),
        ],
        |_| {},
    );
    let refusals: Vec<u8> = std::iter::repeat_n(hex!("23026982"), count)
        .flatten()
        .collect();
    assert!(
        session.received[1].body[2..].starts_with(&refusals),
        "{:02X?}",
        session.received[1].body
    );
}

#[test]
fn encrypted_pin_commands_need_a_permission() {
    let mut channel = Channel::derive(&[1; 32], &[2; 8]);
    let mut sealed = |cla, ins, data: &[u8]| {
        let command = Command::new(cla, ins, 0, 0x81).with_data(data);
        channel.protect_command(&command).encode().to_vec()
    };
    let commands = [
        sealed(0, 0x20, b"111111"),
        sealed(0, 0x24, b"111111222222"),
        sealed(0, 0x2C, b"11111111222222"),
        sealed(0x80, 0x50, &[0x31; 40]),
        hex!("00200081").to_vec(),
    ];
    let server_answers = || {
        let commands = commands.iter().cloned().map(Instruction::Command);
        vec![work(commands.collect()), finished()]
    };
    // The card is not even selected, so it answers 6D00 to everything that reaches it.
    let refused = run_with(&card(), server_answers(), |_| {});
    assert_eq!(
        refused.received[1].body,
        hex!("AB17 23026982 23026982 23026982 23026982 23026D00 800105")
    );
    let allowed = run_with(&card(), server_answers(), |attachment| {
        attachment.pins = PinCommands::EncryptedOnly;
    });
    let answers = hex::encode(&allowed.received[1].body);
    assert!(!answers.contains("23026982"), "{answers}");
    let asked = run_with(&card(), server_answers(), |attachment| {
        attachment.pins = PinCommands::Ask;
    });
    assert_eq!(asked.questions, 1, "a no holds for the session");
    assert_eq!(asked.received[1].body, refused.received[1].body);
}

fn two_cards(attachment: &mut Attachment) {
    let readers = ["A", "B"].map(|name| (name.to_owned(), card()));
    attachment.sources = vec![Arc::new(SimulatedSource::new(readers))];
}

#[test]
fn no_card_is_attached_if_several_could_be_meant() {
    for reader in [None, Some("Simulated")] {
        let session = run_with(&card(), vec![], |attachment| {
            two_cards(attachment);
            attachment.reader = reader.map(str::to_owned);
        });
        assert!(
            matches!(session.result, Err(AttachError::Choice(_))),
            "{:?}",
            session.result
        );
    }
    for reader in ["Simulated reader 1 (A)", "Simulated reader 2"] {
        let session = run_with(&card(), vec![finished()], |attachment| {
            two_cards(attachment);
            attachment.reader = Some(reader.into());
        });
        assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
        let attached = format!("in reader {reader}");
        assert!(session.lines.iter().any(|line| line.contains(&attached)));
    }
}

#[test]
fn the_only_card_is_attached_and_its_reader_is_reported() {
    let session = run_with(&card(), vec![finished()], |attachment| {
        let empty = card();
        empty.remove();
        let readers = [("empty", empty), ("full", card())];
        let readers = readers.map(|(name, card)| (name.to_owned(), card));
        attachment.sources = vec![Arc::new(SimulatedSource::new(readers))];
    });
    assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
    assert!(session.lines.iter().any(|line| line.contains("(full)")));
}

#[test]
fn notifications_of_the_server_are_reported_with_their_duration() {
    let note = |id, text: &str, seconds| {
        Instruction::Notify(Notification {
            id,
            text: text.into(),
            seconds,
        })
    };
    let session = run(vec![
        work(vec![
            note(1, "Generating a key", Some(90)),
            note(0, "Done", None),
        ]),
        finished(),
    ]);
    let lines: Vec<_> = session
        .lines
        .iter()
        .filter(|line| line.starts_with("Server: "))
        .collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains("Generating a key") && lines[0].contains("1 min 30 s"));
}

#[test]
fn an_earlier_login_is_reset_when_a_session_begins() {
    let card = card();
    let mut before = SmartCardHsm::open(card.connect()).expect("selects");
    let pin = Pin::new(Zeroizing::new(PIN.into())).expect("a PIN");
    before.verify_pin(&pin).expect("logged in");
    let session = run_with(
        &card,
        vec![
            work(vec![Instruction::Command(hex!("00200081").to_vec())]),
            finished(),
        ],
        |_| {},
    );
    // 6D00, because the application is not even selected.
    assert_eq!(session.received[1].body, hex!("AB0723026D00800101"));
}

#[test]
fn the_helper_waits_for_a_removed_card() {
    let card = card();
    card.remove();
    let server_answers = vec![
        ServerReply::Status("504 Gateway Timeout", "", vec![]),
        work(vec![Instruction::Command(hex!("00200081").to_vec())]),
        finished(),
    ];
    // Without a card, the helper waits and posts nothing.
    let inserter = card.clone();
    let insert = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        inserter.insert();
    });
    let session = run_with(&card, server_answers, |attachment| attachment.once = false);
    insert.join().expect("inserted");
    assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
    assert_eq!(session.received.len(), 3);
}

#[test]
fn many_commands_in_one_request_are_answered_in_order() {
    let mut commands = vec![Instruction::Command(
        hex!("00A404000BE82B0601040181C31F020100").to_vec(),
    )];
    for _ in 0..200 {
        commands.push(Instruction::Command(hex!("0084000008").to_vec()));
        commands.push(Instruction::Command(hex!("00200081").to_vec()));
    }
    let session = run(vec![work(commands), finished()]);
    assert!(matches!(session.result, Ok(true)), "{:?}", session.result);
    assert!(
        session.received[1]
            .body
            .ends_with(&hex!("230263C380020191"))
    );
}

#[test]
fn an_https_address_of_a_server_without_tls_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let session = run_with(&card(), vec![], |attachment| {
        attachment.address =
            Address::parse(&format!("https://localhost:{port}/rt/hsm"), false).expect("an address");
        attachment.once = false;
    });
    server.join().expect("the server panicked");
    let error = session
        .result
        .expect_err("the server has no TLS")
        .to_string();
    assert!(error.contains("http://"), "{error}");
}

#[test]
fn a_bad_request_without_tls_suggests_https() {
    let bad = ServerReply::Status("400 Bad Request", "", b"TLS here".to_vec());
    let error = run(vec![bad])
        .result
        .expect_err("the request is rejected")
        .to_string();
    assert!(error.contains("begins with https://"), "{error}");
}

#[test]
fn the_ca_file_is_read_even_if_it_is_not_needed() {
    let session = run_with(&card(), vec![], |attachment| {
        attachment.ca_file = Some(CaFile {
            path: "no-such-file.pem".into(),
            named_by: "`--ca`",
        });
    });
    let error = session.result.expect_err("the file does not exist");
    let text = error.to_string();
    assert!(matches!(error, AttachError::Trust(_)), "{text}");
    assert!(
        text.contains("no-such-file.pem") && text.contains("`--ca`"),
        "{text}"
    );
}
