//! What programs report about themselves.

use super::answers::call;
use super::here::{Note, world};
use super::memory::aside;

/// Notes an operation. Returns whether it counts: those of a dead process do not.
pub(crate) fn note(hash: u64, words: impl FnOnce() -> String) -> bool {
    let lives = call(|kernel| kernel.process_is_dead) != Some(true);
    if lives {
        world(|world| {
            aside(|| {
                let words = world.keeps_words.get().then(words).unwrap_or_default();
                world.notes.borrow_mut().push(Note { hash, words });
            });
        });
    }
    lives
}

pub(crate) fn take_notes() -> Vec<Note> {
    world(|world| world.notes.take()).unwrap_or_default()
}

/// From now on, notes are also kept in words.
pub(crate) fn keep_words() {
    world(|world| world.keeps_words.set(true));
}
