//! What is on a card, in words.

use crate::file::CardData;

/// PIN's tries, quorum, key domains, number of keys: one line each.
pub fn describe(data: &CardData) -> String {
    let pin = data
        .user_pin
        .as_ref()
        .map_or("none".to_owned(), |pin| format!("{} tries left", pin.tries));
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
        [] => "none: keys never leave the card".to_owned(),
        some => some
            .iter()
            .map(|domain| match domain.dkek() {
                Some(dkek) => hex::encode_upper(dkek.kcv()),
                None => format!("{} shares missing", domain.outstanding),
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
