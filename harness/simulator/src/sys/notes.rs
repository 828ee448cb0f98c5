//! What programs tell of themselves.

use super::answers::call;
use super::here::{Note, world};

/// Notes an operation, and says whether it is one: what a dead process does is none.
pub(crate) fn note(hash: u64, words: impl FnOnce() -> String) -> bool {
    let lives = call(|kernel| kernel.process_is_dead) != Some(true);
    if lives {
        world(|world| {
            let words = world.keeps_words.get().then(words).unwrap_or_default();
            world.notes.borrow_mut().push(Note { hash, words });
        });
    }
    lives
}

pub(crate) fn take_notes() -> Vec<Note> {
    world(|world| world.notes.take()).unwrap_or_default()
}

/// From now on notes are kept in words as well.
pub(crate) fn keep_words() {
    world(|world| world.keeps_words.set(true));
}
