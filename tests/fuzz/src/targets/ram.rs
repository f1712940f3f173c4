//! RAMOverHTTP: what a server gets from clients, and what a client gets from servers.

use countersign_ram::{
    Answer, ClientMessage, Initiation, Instruction, MessageError, Notification, Outcome, Request,
};

/// A message that is understood can be sent, and is then always understood in the same way. (Only counts beyond the range of
/// the protocol's integers are sent as the largest one.)
pub fn run(data: &[u8]) {
    if let Ok(message) = ClientMessage::parse(data)
        && let Ok(sent) = encode(&message)
    {
        let received = ClientMessage::parse(&sent).expect("a message of our own");
        assert_eq!(encode(&received), Ok(sent));
    }
    if let Ok(request) = Request::parse(data)
        && let Ok(sent) = request.encode()
    {
        assert_eq!(Request::parse(&sent), Ok(request));
    }
}

fn encode(message: &ClientMessage) -> Result<Vec<u8>, MessageError> {
    match message {
        ClientMessage::Initiation(initiation) => initiation.encode(),
        ClientMessage::Answer(answer) => answer.encode(),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let initiation = Initiation {
        atr: vec![0x3B; 24],
        max_command: Some(1232),
        max_response: Some(65_536),
    };
    let answer = Answer {
        outcomes: vec![
            Outcome::Response(vec![0x90, 0x00]),
            Outcome::Response(vec![0x55; 300]),
        ],
        ..Answer::default()
    };
    let request = Request {
        instructions: vec![
            Instruction::Command(vec![0x00, 0xA4, 0x04, 0x00]),
            Instruction::Reset,
            Instruction::Notify(Notification {
                id: 1,
                text: "Working".into(),
                seconds: Some(30),
            }),
        ],
    };
    [initiation.encode(), answer.encode(), request.encode()]
        .into_iter()
        .flatten()
        .collect()
}
