//! The proof that people's cards signed an act. Whatever lowers a guard takes one, so a session alone cannot do it.

use countersign_protocol::{audit::Actor, operator::Person};

/// The last person who signed an act that has all its signatures. Only the module `acts` creates one.
pub struct Mandate(Person);

impl Mandate {
    pub(crate) fn signed_by(person: Person) -> Self {
        Self(person)
    }

    /// Stands for a signed act in tests of what acts do.
    #[cfg(feature = "simulator")]
    pub fn assumed(person: &Person) -> Self {
        Self(person.clone())
    }

    pub fn person(&self) -> &Person {
        &self.0
    }

    /// The person as the audit log names them.
    pub fn actor(&self) -> Actor {
        Actor::Operator {
            person: self.0.clone(),
        }
    }
}
