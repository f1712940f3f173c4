//! Limits the number of listeners, so that one program or one person cannot use up the memory for all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use countersign_protocol::id::{OperatorId, TokenId};

/// Largest number of listeners of one person or one token.
const MOST_OF_ONE: usize = 64;
/// Largest number of listeners of all people, and as many of all tokens, so that programs cannot keep people out.
const MOST: usize = 2000;

/// A person, or a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    Person(OperatorId),
    Token(TokenId),
}

impl Who {
    fn is_token(&self) -> bool {
        matches!(self, Self::Token(_))
    }
}

/// There are too many listeners.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooManyListeners {
    #[error("you have {MOST_OF_ONE} event connections open already: close some of them")]
    OfOne,
    #[error("too many event connections are open on this server: try again later")]
    OfAll,
}

/// The number of listeners. Clones share it.
#[derive(Clone, Default)]
pub struct Listeners(Arc<Mutex<HashMap<Who, usize>>>);

/// A listener is counted until this is dropped.
pub struct Listening {
    who: Who,
    listeners: Listeners,
}

impl Listeners {
    pub fn join(&self, who: Who) -> Result<Listening, TooManyListeners> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_kind: usize = counts
            .iter()
            .filter(|(other, _)| other.is_token() == who.is_token())
            .map(|(_, count)| count)
            .sum();
        let of_one = counts.get(&who).copied().unwrap_or_default();
        if of_one >= MOST_OF_ONE {
            return Err(TooManyListeners::OfOne);
        }
        if of_kind >= MOST {
            return Err(TooManyListeners::OfAll);
        }
        counts.insert(who.clone(), of_one + 1);
        Ok(Listening {
            who,
            listeners: self.clone(),
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut counts = self
            .listeners
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_its_share_and_programs_do_not_keep_people_out() {
        let listeners = Listeners::default();
        let token = |number: usize| Who::Token(TokenId::new(number.to_string()));
        let mut all = Vec::new();
        for number in 0..MOST {
            all.push(
                listeners
                    .join(token(number / MOST_OF_ONE))
                    .expect("a place"),
            );
        }
        let of_one = listeners.join(token(0)).err();
        assert_eq!(of_one, Some(TooManyListeners::OfOne));
        let of_all = listeners.join(token(MOST)).err();
        assert_eq!(of_all, Some(TooManyListeners::OfAll));
        let person = Who::Person(OperatorId::new("anna"));
        assert!(listeners.join(person).is_ok());
        all.clear();
        assert!(listeners.join(token(MOST)).is_ok());
        assert!(listeners.0.lock().expect("not poisoned").is_empty());
    }
}
