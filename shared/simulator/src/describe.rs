//! Description of a card for display.

use crate::file::CardData;

/// Describes a card in lines of device, user PIN, quorum, key domains and number of keys.
pub fn describe(data: &CardData) -> String {
    let pin = data.user_pin.as_ref().map_or("not set".to_owned(), |pin| {
        format!("{} left", counted(pin.tries, "try", "tries"))
    });
    let pka = data.pka.as_ref().map_or("not set up".to_owned(), |pka| {
        format!(
            "{} of {}, {} registered",
            pka.required,
            pka.total,
            pka.keys.len()
        )
    });
    let domains: Vec<_> = data.key_domains.iter().flatten().flatten().collect();
    let domains = match domains.as_slice() {
        [] => "none, so keys never leave the card".to_owned(),
        some => some
            .iter()
            .map(|domain| match domain.dkek() {
                Some(dkek) => hex::encode_upper(dkek.kcv()),
                None => format!("{} missing", counted(domain.outstanding, "share", "shares")),
            })
            .collect::<Vec<_>>()
            .join(", "),
    };
    format!(
        "device    {}\nuser PIN  {pin}\nquorum    {pka}\ndomains   {domains}\nkeys      {}",
        data.device,
        data.keys.len()
    )
}

/// A number with its noun in the right form.
fn counted(number: u8, singular: &str, plural: &str) -> String {
    let noun = if number == 1 { singular } else { plural };
    format!("{number} {noun}")
}
